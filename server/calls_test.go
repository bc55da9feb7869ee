package server_test

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

type called struct {
	method string
	err    error
}

// everyCall calls every method that needs more than a session as a user, with
// a request that names nothing but the trial.
func everyCall(w *world, user string) (calls []called) {
	protoregistry.GlobalFiles.RangeFilesByPackage("lodd.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				p := proto.GetExtension(m.Options(), loddv1.E_Permission).(loddv1.Permission)
				if !slices.Contains([]loddv1.Permission{loddv1.Permission_PERMISSION_PUBLIC, loddv1.Permission_PERMISSION_SESSION}, p) {
					calls = append(calls, called{string(m.FullName()), w.raw(w.as(user), m)})
				}
			}
		}
		return true
	})
	return calls
}

// raw calls a method by its description and returns its error.
func (w *world) raw(ctx context.Context, m protoreflect.MethodDescriptor) error {
	req, resp := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	if f := m.Input().Fields().ByName("trial_id"); f != nil {
		req.Set(f, protoreflect.ValueOfString("T1"))
	}
	name := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
	if !m.IsStreamingServer() {
		return w.conn.Invoke(ctx, name, req, resp)
	}
	s, err := w.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, name)
	if err != nil {
		return err
	}
	if err := s.SendMsg(req); err != nil {
		return err
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	return s.RecvMsg(resp)
}
