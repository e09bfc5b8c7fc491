package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The run states, by the numbers that are stored.
const (
	initiated            = 1
	running              = 2
	paused               = 3
	cancelled            = 4
	completed            = 5
	dataDeleted          = 6
	requestedDataDeleted = 7
)

// moves are the run states that may follow each other.
var moves = map[int][]int{
	initiated:            {running, paused},
	running:              {completed, paused, cancelled},
	paused:               {running, cancelled},
	completed:            {requestedDataDeleted},
	cancelled:            {requestedDataDeleted},
	requestedDataDeleted: {dataDeleted},
	dataDeleted:          {requestedDataDeleted},
}

// meta is the column of that name, with the keys that the library gives it.
type meta struct {
	RunStateReason    string
	StatusDescription string
	Version           uint
	TraceOrigin       string
}

// record is a row of the table of records.
type record struct {
	WorkflowName string    `json:"workflow_name"`
	ForeignID    string    `json:"foreign_id"`
	RunID        string    `json:"run_id"`
	RunState     int       `json:"run_state"`
	Status       int       `json:"status"`
	Object       string    `json:"object"`
	Meta         meta      `json:"meta"`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
}

func (r record) finished() bool {
	return r.RunState == completed || r.RunState == cancelled || r.deleting()
}

func (r record) deleting() bool {
	return r.RunState == requestedDataDeleted || r.RunState == dataDeleted
}

// stopped runs are passed over by steps and callbacks.
func (r record) stopped() bool {
	return r.RunState == paused || r.RunState == cancelled || r.deleting()
}

// moved is the next version in another run state.
func (r record) moved(state int, reason string) (record, error) {
	for _, allowed := range moves[r.RunState] {
		if allowed == state {
			r.RunState = state
			r.Meta.RunStateReason = reason
			r.Meta.Version++
			return r, nil
		}
	}
	return r, fmt.Errorf("run %s cannot go from run state %d to %d", r.RunID, r.RunState, state)
}

// topic is where the event of this version goes.
func (r record) topic() string {
	name := strings.ReplaceAll(r.WorkflowName, " ", "_")
	switch r.RunState {
	case requestedDataDeleted:
		return name + "-delete"
	case paused, cancelled, dataDeleted, completed:
		return name + "-run-state-change"
	default:
		return name + "-" + strconv.Itoa(r.Status)
	}
}

// event is what is to be told of this version.
func (r record) event() event {
	return event{
		RunID: r.RunID,
		Type:  r.Status,
		Headers: map[string]string{
			"workflow_name":  r.WorkflowName,
			"foreign_id":     r.ForeignID,
			"topic":          r.topic(),
			"run_id":         r.RunID,
			"run_state":      strconv.Itoa(r.RunState),
			"record_version": strconv.FormatUint(uint64(r.Meta.Version), 10),
		},
	}
}

func (m meta) encode() ([]byte, error) {
	return json.Marshal(m)
}

// decodeMeta reads the column; a key that the library does not have would be lost with its next update, so it is an error.
func decodeMeta(column []byte) (meta, error) {
	var m meta
	if len(column) == 0 {
		return m, nil
	}
	decoder := json.NewDecoder(strings.NewReader(string(column)))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&m)
	return m, err
}
