package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"
)

// The statements of the original, as they are.
const (
	selectRecords = " select  `workflow_name`, `foreign_id`, `run_id`, `run_state`, `status`, `object`, `created_at`, " +
		"`updated_at`, `meta`  from workflow_records where "
	insertRecord = "insert into workflow_records set  workflow_name=?, foreign_id=?, run_id=?, run_state=?, status=?, " +
		"object=?, created_at=now(), updated_at=now(), meta=? "
	updateRecord = "update workflow_records set  run_state=?, status=?, object=?, updated_at=now(), meta=? where run_id=?"
	selectOutbox = " select  `id`, `workflow_name`, `data`, `created_at`  from workflow_outbox where workflow_name=? limit ?"
	insertOutbox = "insert into workflow_outbox set  id=?, workflow_name=?, data=?, created_at=now() "
	deleteOutbox = "delete from workflow_outbox where id=?;"
)

// outboxLimit is how many rows the original takes at once.
const outboxLimit = 1000

var errNotFound = errors.New("there is no such record")

type store struct {
	db *sql.DB
}

// outboxRow is an event that has not been sent.
type outboxRow struct {
	ID    string `json:"id"`
	Event event  `json:"event"`
}

// open connects to a server by a URL, with what the original's users set: times as times.
func open(address string) (*store, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "mysql" {
		// Not the parser's own message: it has the password in it.
		return nil, errors.New("-database is no mysql://user:password@host:port/database")
	}
	config := mysql.NewConfig()
	config.User = parsed.User.Username()
	config.Passwd, _ = parsed.User.Password()
	config.Net, config.Addr = "tcp", parsed.Host
	config.DBName = strings.TrimPrefix(parsed.Path, "/")
	config.ParseTime = true
	db, err := sql.Open("mysql", config.FormatDSN())
	if err != nil {
		return nil, err
	}
	return &store{db}, nil
}

func (s *store) close() {
	// Nothing is left to do with the connections.
	_ = s.db.Close()
}

// querier is a session or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (s *store) lookup(ctx context.Context, in querier, where string, args ...any) (record, error) {
	var r record
	var column []byte
	var object []byte
	row := in.QueryRowContext(ctx, selectRecords+where, args...)
	err := row.Scan(&r.WorkflowName, &r.ForeignID, &r.RunID, &r.RunState, &r.Status, &object, &r.CreatedAt, &r.UpdatedAt, &column)
	if errors.Is(err, sql.ErrNoRows) {
		return r, errNotFound
	} else if err != nil {
		return r, err
	}
	r.Object = string(object)
	if r.Meta, err = decodeMeta(column); err != nil {
		return r, fmt.Errorf("the meta of run %s: %w", r.RunID, err)
	}
	return r, nil
}

func (s *store) byRun(ctx context.Context, runID string) (record, error) {
	return s.lookup(ctx, s.db, "run_id=?", runID)
}

func (s *store) latest(ctx context.Context, workflowName, foreignID string) (record, error) {
	return s.lookup(ctx, s.db, "workflow_name=? and foreign_id=? order by created_at desc limit 1", workflowName, foreignID)
}

// put writes a version and its event in one transaction. It does not compare versions: the original does not.
func (s *store) put(ctx context.Context, r record) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	// After the commit there is nothing to roll back.
	defer func() { _ = tx.Rollback() }()
	column, err := r.Meta.encode()
	if err != nil {
		return err
	}
	_, err = s.lookup(ctx, tx, "run_id=?", r.RunID)
	if errors.Is(err, errNotFound) {
		_, err = tx.ExecContext(ctx, insertRecord, r.WorkflowName, r.ForeignID, r.RunID, r.RunState, r.Status, []byte(r.Object), column)
	} else if err == nil {
		_, err = tx.ExecContext(ctx, updateRecord, r.RunState, r.Status, []byte(r.Object), column, r.RunID)
	}
	if err != nil {
		return err
	}
	data, err := r.event().encode()
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, insertOutbox, "outbox-id-"+uuid.NewString(), r.WorkflowName, data); err != nil {
		return err
	}
	return tx.Commit()
}

func (s *store) outbox(ctx context.Context, workflowName string) ([]outboxRow, error) {
	rows, err := s.db.QueryContext(ctx, selectOutbox, workflowName, outboxLimit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var found []outboxRow
	for rows.Next() {
		var row outboxRow
		var name string
		var data []byte
		var created sql.NullTime
		if err := rows.Scan(&row.ID, &name, &data, &created); err != nil {
			return nil, err
		}
		if row.Event, err = decodeEvent(data); err != nil {
			return nil, fmt.Errorf("outbox row %s: %w", row.ID, err)
		}
		found = append(found, row)
	}
	return found, rows.Err()
}

func (s *store) sent(ctx context.Context, id string) error {
	_, err := s.db.ExecContext(ctx, deleteOutbox, id)
	return err
}
