package main

import (
	"context"
	"time"

	"github.com/IBM/sarama"
)

// pollEvery is how long the relay waits when it has found nothing.
const pollEvery = 10 * time.Millisecond

// relayOnce sends what is in the outbox of a workflow, and deletes each row once the leader has its event.
func relayOnce(ctx context.Context, s settings) error {
	return onOutbox(ctx, s, func(drain func() (int, error)) error {
		_, err := drain()
		return err
	})
}

// relay does so again and again, until the standard input ends.
func relay(ctx context.Context, s settings) error {
	stop := inputEnd()
	return onOutbox(ctx, s, func(drain func() (int, error)) error {
		for {
			sent, err := drain()
			if err != nil {
				return err
			}
			wait := pollEvery
			if sent > 0 {
				wait = 0
			}
			select {
			case <-stop:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(wait):
			}
		}
	})
}

// onOutbox hands over a function that sends what is there now, and says how much it was.
func onOutbox(ctx context.Context, s settings, work func(drain func() (int, error)) error) error {
	database, err := open(s.database)
	if err != nil {
		return err
	}
	defer database.close()
	producer, err := sarama.NewSyncProducer(brokers(s), configuration())
	if err != nil {
		return err
	}
	defer func() { _ = producer.Close() }()
	return work(func() (int, error) { return drainOutbox(ctx, database, producer, s.workflow) })
}

func drainOutbox(ctx context.Context, database *store, producer sarama.SyncProducer, workflowName string) (int, error) {
	rows, err := database.outbox(ctx, workflowName)
	if err != nil {
		return 0, err
	}
	for _, row := range rows {
		sent, err := send(producer, row.Event)
		if err != nil {
			return 0, err
		}
		if err := database.sent(ctx, row.ID); err != nil {
			return 0, err
		}
		if err := say(sent); err != nil {
			return 0, err
		}
	}
	return len(rows), nil
}
