package server

import (
	"bytes"
	"context"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that tolerant is made from
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/server/rpcerr"
)

// A tolerant codec lets what is no request reach the chain all the same, as an
// empty one with a mark. Otherwise gRPC would answer by itself: INTERNAL with the
// text of an error of ours, to whoever calls, without a session, a limit or a line
// in the log.
type tolerant struct{ encoding.CodecV2 }

func newTolerant() encoding.CodecV2 { return tolerant{encoding.GetCodecV2("proto")} }

// Unmarshal implements [encoding.CodecV2].
func (c tolerant) Unmarshal(data mem.BufferSlice, v any) error {
	err := c.CodecV2.Unmarshal(data, v)
	m, ok := v.(proto.Message)
	if err == nil || !ok {
		return err
	}
	proto.Reset(m) // nothing of it may be believed
	m.ProtoReflect().SetUnknown(mark())
	return nil
}

// mark returns a field that no message has. Whoever sends it is refused too.
func mark() []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, protowire.MaxValidNumber, protowire.VarintType), 1)
}

// readable is a [check] that refuses what couldn't be read.
func readable(ctx context.Context, _ string, req any) (context.Context, error) {
	if m, ok := req.(proto.Message); ok && bytes.Equal(m.ProtoReflect().GetUnknown(), mark()) {
		return nil, rpcerr.Wire(rpcerr.ErrUnreadable)
	}
	return ctx, nil
}
