package main

import (
	"context"
	"errors"

	"github.com/IBM/sarama"
)

// member is one of a classic group, as the original's consumers are: the assignor is the client's default, range.
type member struct {
	group  sarama.ConsumerGroup
	claims *claims
	ended  chan error
	enough context.CancelFunc
}

// join takes part in the group until the member leaves or the context ends.
func join(ctx context.Context, s settings) (*member, error) {
	config := configuration()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	group, err := sarama.NewConsumerGroup(brokers(s), s.group, config)
	if err != nil {
		return nil, err
	}
	ctx, enough := context.WithCancel(ctx)
	m := &member{group, &claims{messages: make(chan claimed)}, make(chan error, 1), enough}
	go func() { m.ended <- m.consume(ctx, s.topic) }()
	return m, nil
}

func (m *member) consume(ctx context.Context, topic string) error {
	for ctx.Err() == nil {
		if err := m.group.Consume(ctx, []string{topic}, m.claims); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// next waits for a message.
func (m *member) next() (claimed, error) {
	select {
	case one := <-m.claims.messages:
		return one, nil
	case err := <-m.ended:
		if err == nil {
			err = errors.New("out of patience")
		}
		m.ended <- err
		return claimed{}, err
	}
}

// leave commits what was marked.
func (m *member) leave() error {
	m.enough()
	<-m.ended
	return m.group.Close()
}

// claimed is a message of a session, in which it is marked.
type claimed struct {
	session sarama.ConsumerGroupSession
	message *sarama.ConsumerMessage
}

// claims hands the messages of all partitions to one reader.
type claims struct {
	messages chan claimed
}

func (c *claims) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (c *claims) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (c *claims) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, open := <-claim.Messages():
			if !open {
				return nil
			}
			select {
			case c.messages <- claimed{session, message}:
			case <-session.Context().Done():
				return nil
			}
		case <-session.Context().Done():
			return nil
		}
	}
}
