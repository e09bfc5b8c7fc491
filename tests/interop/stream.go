package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/IBM/sarama"
)

// message is one on Kafka.
type message struct {
	Topic     string            `json:"topic"`
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
	Key       string            `json:"key"`
	Type      int               `json:"type"`
	Headers   map[string]string `json:"headers"`
}

// configuration is that of the original: the client's defaults, and both results of each send.
func configuration() *sarama.Config {
	config := sarama.NewConfig()
	config.Producer.Return.Successes = true
	config.Producer.Return.Errors = true
	return config
}

func brokers(s settings) []string {
	return strings.Split(s.brokers, ",")
}

// send sends an event as the original does: its run is the key, its status in decimal the value.
func send(producer sarama.SyncProducer, e event) (message, error) {
	sent := message{Topic: e.Headers["topic"], Key: e.RunID, Type: e.Type, Headers: e.Headers}
	if sent.Topic == "" {
		return sent, fmt.Errorf("the event of run %s names no topic", e.RunID)
	}
	var headers []sarama.RecordHeader
	for name, value := range e.Headers {
		headers = append(headers, sarama.RecordHeader{Key: []byte(name), Value: []byte(value)})
	}
	var err error
	sent.Partition, sent.Offset, err = producer.SendMessage(&sarama.ProducerMessage{
		Topic:   sent.Topic,
		Key:     sarama.StringEncoder(e.RunID),
		Value:   sarama.StringEncoder(strconv.Itoa(e.Type)),
		Headers: headers,
	})
	return sent, err
}

// produce sends each event of the input.
func produce(_ context.Context, s settings) error {
	producer, err := sarama.NewSyncProducer(brokers(s), configuration())
	if err != nil {
		return err
	}
	defer func() { _ = producer.Close() }()
	return each(func(in event) (message, error) { return send(producer, in) })
}

type keyLine struct {
	Key string `json:"key"`
}

type partitionLine struct {
	Key       string `json:"key"`
	Partition int32  `json:"partition"`
}

// partition says where the client puts each key.
func partition(_ context.Context, s settings) error {
	partitioner := configuration().Producer.Partitioner("any")
	return each(func(in keyLine) (partitionLine, error) {
		at, err := partitioner.Partition(&sarama.ProducerMessage{Key: sarama.StringEncoder(in.Key)}, int32(s.partitions))
		return partitionLine{in.Key, at}, err
	})
}

// consume takes part in a group until it has had a number of messages, and commits them.
func consume(ctx context.Context, s settings) error {
	group, err := join(ctx, s)
	if err != nil {
		return err
	}
	for had := 0; had < s.max; had++ {
		one, err := group.next()
		if err != nil {
			return fmt.Errorf("the group ended after %d messages of %d: %w", had, s.max, err)
		}
		if err := sayMessage(one.message); err != nil {
			return err
		}
		one.session.MarkMessage(one.message, "")
	}
	return group.leave()
}

func sayMessage(m *sarama.ConsumerMessage) error {
	status, err := strconv.Atoi(string(m.Value))
	if err != nil {
		return fmt.Errorf("the value of a message: %w", err)
	}
	headers := map[string]string{}
	for _, header := range m.Headers {
		headers[string(header.Key)] = string(header.Value)
	}
	return say(message{m.Topic, m.Partition, m.Offset, string(m.Key), status, headers})
}
