package main

import (
	"context"
	"encoding/hex"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// event is what an outbox row holds, and what becomes a message.
type event struct {
	RunID   string            `json:"run_id"`
	Type    int               `json:"type"`
	Headers map[string]string `json:"headers"`
}

// outboxRecord describes the message of outbox rows, for the protocol buffers library that the original uses:
// foreign_id = 1 (given up), type = 2, headers = 3, run_id = 4.
var outboxRecord = func() protoreflect.MessageDescriptor {
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name:   proto.String(name),
			Number: proto.Int32(number),
			Type:   kind.Enum(),
			Label:  descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
	}
	headers := field("headers", 3, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE)
	headers.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	headers.TypeName = proto.String(".outboxpb.OutboxRecord.HeadersEntry")
	entry := &descriptorpb.DescriptorProto{
		Name: proto.String("HeadersEntry"),
		Field: []*descriptorpb.FieldDescriptorProto{
			field("key", 1, descriptorpb.FieldDescriptorProto_TYPE_STRING),
			field("value", 2, descriptorpb.FieldDescriptorProto_TYPE_STRING),
		},
		Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name:    proto.String("outbox.proto"),
		Package: proto.String("outboxpb"),
		Syntax:  proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: proto.String("OutboxRecord"),
			Field: []*descriptorpb.FieldDescriptorProto{
				field("foreign_id", 1, descriptorpb.FieldDescriptorProto_TYPE_INT64),
				field("type", 2, descriptorpb.FieldDescriptorProto_TYPE_INT32),
				headers,
				field("run_id", 4, descriptorpb.FieldDescriptorProto_TYPE_STRING),
			},
			NestedType: []*descriptorpb.DescriptorProto{entry},
		}},
	}, nil)
	if err != nil {
		panic(err)
	}
	return file.Messages().Get(0)
}()

func fieldOf(number protoreflect.FieldNumber) protoreflect.FieldDescriptor {
	return outboxRecord.Fields().ByNumber(number)
}

// encode gives the bytes of an outbox row. The order of the headers is random, as the original's is.
func (e event) encode() ([]byte, error) {
	message := dynamicpb.NewMessage(outboxRecord)
	message.Set(fieldOf(2), protoreflect.ValueOfInt32(int32(e.Type)))
	headers := message.Mutable(fieldOf(3)).Map()
	for name, value := range e.Headers {
		headers.Set(protoreflect.ValueOfString(name).MapKey(), protoreflect.ValueOfString(value))
	}
	message.Set(fieldOf(4), protoreflect.ValueOfString(e.RunID))
	return proto.Marshal(message)
}

func decodeEvent(data []byte) (event, error) {
	message := dynamicpb.NewMessage(outboxRecord)
	if err := proto.Unmarshal(data, message); err != nil {
		return event{}, err
	}
	if unknown := message.GetUnknown(); len(unknown) > 0 {
		return event{}, fmt.Errorf("%d bytes of fields that the original does not know", len(unknown))
	}
	e := event{
		RunID:   message.Get(fieldOf(4)).String(),
		Type:    int(message.Get(fieldOf(2)).Int()),
		Headers: map[string]string{},
	}
	message.Get(fieldOf(3)).Map().Range(func(name protoreflect.MapKey, value protoreflect.Value) bool {
		e.Headers[name.String()] = value.String()
		return true
	})
	return e, nil
}

type hexData struct {
	Data string `json:"data_hex"`
}

// encode answers each event with the bytes of its outbox row.
func encode(_ context.Context, _ settings) error {
	return each(func(in event) (hexData, error) {
		data, err := in.encode()
		return hexData{hex.EncodeToString(data)}, err
	})
}

// decode answers the bytes of each outbox row with its event.
func decode(_ context.Context, _ settings) error {
	return each(func(in hexData) (event, error) {
		data, err := hex.DecodeString(in.Data)
		if err != nil {
			return event{}, err
		}
		return decodeEvent(data)
	})
}
