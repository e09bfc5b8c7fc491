package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/IBM/sarama"
)

// counted is the object of the workflow that both work on.
type counted struct {
	Count int64  `json:"count"`
	Note  string `json:"note"`
}

// workAnswer is what became of an event.
type workAnswer struct {
	RunID   string `json:"run_id"`
	Version uint64 `json:"version"`
	// Skipped says why nothing was stored.
	Skipped string `json:"skipped,omitempty"`
}

// work is the process of one step, until the standard input ends: it takes part in the group of the step's role, looks up
// the record of each event, counts it on, and stores it with its event.
func work(ctx context.Context, s settings) error {
	database, err := open(s.database)
	if err != nil {
		return err
	}
	defer database.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := inputEnd()
	go func() {
		<-stop
		cancel()
	}()
	group, err := join(ctx, s)
	if err != nil {
		return err
	}
	for {
		one, err := group.next()
		select {
		case <-stop:
			return group.leave()
		default:
		}
		if err != nil {
			return err
		}
		answer, err := step(ctx, database, s, one.message)
		if err != nil {
			return err
		}
		if err := say(answer); err != nil {
			return err
		}
		one.session.MarkMessage(one.message, "")
	}
}

// step takes a run on by one event, as the original does: an event that is older than the record was taken already.
func step(ctx context.Context, database *store, s settings, message *sarama.ConsumerMessage) (workAnswer, error) {
	answer := workAnswer{RunID: string(message.Key)}
	for _, header := range message.Headers {
		if string(header.Key) == "record_version" {
			version, err := strconv.ParseUint(string(header.Value), 10, 64)
			if err != nil {
				return answer, fmt.Errorf("the version of an event: %w", err)
			}
			answer.Version = version
		}
	}
	before, err := database.byRun(ctx, answer.RunID)
	if err != nil {
		return answer, err
	}
	if answer.Version < uint64(before.Meta.Version) {
		answer.Skipped = "the record is newer"
		return answer, nil
	}
	if answer.Version > uint64(before.Meta.Version) {
		return answer, fmt.Errorf("the event of run %s is newer than its record", answer.RunID)
	}
	var object counted
	if err := json.Unmarshal([]byte(before.Object), &object); err != nil {
		return answer, fmt.Errorf("the object of run %s: %w", answer.RunID, err)
	}
	object.Count++
	after, err := json.Marshal(object)
	if err != nil {
		return answer, err
	}
	moved, err := move(ctx, database, before, moveLine{
		From:        s.from,
		To:          s.to,
		Description: s.description,
		Terminal:    s.terminal,
		Object:      string(after),
	})
	answer.Skipped = moved.Skipped
	return answer, err
}
