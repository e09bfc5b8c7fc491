package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// runLine names a run, with a reason where there is one to give.
type runLine struct {
	RunID  string `json:"run_id"`
	Reason string `json:"reason"`
}

// foreignLine names the newest run of a foreign id.
type foreignLine struct {
	WorkflowName string `json:"workflow_name"`
	ForeignID    string `json:"foreign_id"`
}

// triggerLine is a run to be made.
type triggerLine struct {
	foreignLine
	Object      string `json:"object"`
	Status      int    `json:"status"`
	Description string `json:"description"`
}

// moveLine is what a step or a callback comes to.
type moveLine struct {
	// RunID is the run of a step, the others that of a callback.
	RunID string `json:"run_id"`
	foreignLine
	From        int    `json:"from"`
	To          int    `json:"to"`
	Description string `json:"description"`
	// Terminal says that the run completes.
	Terminal bool   `json:"terminal"`
	Object   string `json:"object"`
	// Hold stops between the check of the version and the write, until another line comes.
	Hold bool `json:"hold"`
}

// moveAnswer is what a move led to.
type moveAnswer struct {
	// Skipped says why nothing was stored, which to the original is a success.
	Skipped string  `json:"skipped,omitempty"`
	Held    bool    `json:"held,omitempty"`
	Record  *record `json:"record,omitempty"`
}

// onRecords answers each line with a record of the store.
func onRecords[In any](s settings, answer func(*store, In) (record, error)) error {
	database, err := open(s.database)
	if err != nil {
		return err
	}
	defer database.close()
	return each(func(in In) (record, error) { return answer(database, in) })
}

func lookup(ctx context.Context, s settings) error {
	return onRecords(s, func(database *store, in runLine) (record, error) { return database.byRun(ctx, in.RunID) })
}

func latest(ctx context.Context, s settings) error {
	return onRecords(s, func(database *store, in foreignLine) (record, error) {
		return database.latest(ctx, in.WorkflowName, in.ForeignID)
	})
}

// trigger makes runs, unless the newest one of the foreign id is in progress.
func trigger(ctx context.Context, s settings) error {
	return onRecords(s, func(database *store, in triggerLine) (record, error) {
		last, err := database.latest(ctx, in.WorkflowName, in.ForeignID)
		if err == nil && !last.finished() {
			return last, fmt.Errorf("run %s of the foreign id is in progress", last.RunID)
		} else if err != nil && !errors.Is(err, errNotFound) {
			return last, err
		}
		made := record{
			WorkflowName: in.WorkflowName,
			ForeignID:    in.ForeignID,
			RunID:        uuid.NewString(),
			RunState:     initiated,
			Status:       in.Status,
			Object:       in.Object,
			Meta:         meta{StatusDescription: in.Description, Version: 1, TraceOrigin: "\t/app/main.go:161 +0x145d\n"},
		}
		return storeAndRead(ctx, database, made)
	})
}

// advance does what a step of the original does once its function has returned.
func advance(ctx context.Context, s settings) error {
	return onMoves(ctx, s, func(database *store, in moveLine) (record, error) { return database.byRun(ctx, in.RunID) })
}

// callback does the same with the newest run of a foreign id. One in another status is passed over with a success.
func callback(ctx context.Context, s settings) error {
	return onMoves(ctx, s, func(database *store, in moveLine) (record, error) {
		return database.latest(ctx, in.WorkflowName, in.ForeignID)
	})
}

func onMoves(ctx context.Context, s settings, find func(*store, moveLine) (record, error)) error {
	database, err := open(s.database)
	if err != nil {
		return err
	}
	defer database.close()
	return each(func(in moveLine) (moveAnswer, error) {
		before, err := find(database, in)
		if err != nil {
			return moveAnswer{}, err
		}
		return move(ctx, database, before, in)
	})
}

// move compares the version with that of a second read, and then writes without a condition.
func move(ctx context.Context, database *store, before record, in moveLine) (moveAnswer, error) {
	if before.Status != in.From {
		return moveAnswer{Skipped: "the run is in another status"}, nil
	}
	if before.stopped() {
		return moveAnswer{Skipped: "the run is stopped"}, nil
	}
	latest, err := database.byRun(ctx, before.RunID)
	if err != nil {
		return moveAnswer{}, err
	}
	if latest.finished() {
		return moveAnswer{}, fmt.Errorf("run %s is finished", before.RunID)
	}
	if latest.Meta.Version != before.Meta.Version {
		return moveAnswer{}, fmt.Errorf("run %s was modified since it was read", before.RunID)
	}
	if in.Hold {
		if err := say(moveAnswer{Held: true}); err != nil {
			return moveAnswer{}, err
		}
		var release struct{}
		if err := next(&release); err != nil {
			return moveAnswer{}, err
		}
	}
	after := before
	after.RunState, after.Status, after.Object = running, in.To, in.Object
	if in.Terminal {
		after.RunState = completed
	}
	after.Meta.StatusDescription = in.Description
	after.Meta.Version++
	stored, err := storeAndRead(ctx, database, after)
	return moveAnswer{Record: &stored}, err
}

func pause(ctx context.Context, s settings) error     { return onState(ctx, s, paused) }
func resume(ctx context.Context, s settings) error    { return onState(ctx, s, running) }
func cancelRun(ctx context.Context, s settings) error { return onState(ctx, s, cancelled) }

// deleteData asks for the deletion of a run's data.
func deleteData(ctx context.Context, s settings) error { return onState(ctx, s, requestedDataDeleted) }

func onState(ctx context.Context, s settings, state int) error {
	return onRecords(s, func(database *store, in runLine) (record, error) {
		before, err := database.byRun(ctx, in.RunID)
		if err != nil {
			return before, err
		}
		after, err := before.moved(state, in.Reason)
		if err != nil {
			return after, err
		}
		return storeAndRead(ctx, database, after)
	})
}

// scrub does what the delete consumer does: it keeps the reason and replaces the object.
func scrub(ctx context.Context, s settings) error {
	return onRecords(s, func(database *store, in runLine) (record, error) {
		before, err := database.byRun(ctx, in.RunID)
		if err != nil {
			return before, err
		}
		after, err := before.moved(dataDeleted, before.Meta.RunStateReason)
		if err != nil {
			return after, err
		}
		after.Object = `{"result":"deleted"}`
		return storeAndRead(ctx, database, after)
	})
}

func storeAndRead(ctx context.Context, database *store, r record) (record, error) {
	if err := database.put(ctx, r); err != nil {
		return r, err
	}
	return database.byRun(ctx, r.RunID)
}

// listOutbox says which events of a workflow are unsent.
func listOutbox(ctx context.Context, s settings) error {
	database, err := open(s.database)
	if err != nil {
		return err
	}
	defer database.close()
	rows, err := database.outbox(ctx, s.workflow)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := say(row); err != nil {
			return err
		}
	}
	return nil
}
