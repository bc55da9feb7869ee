package server

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/server/rpcerr"
)

// A registrar registers services whose calls reach the chain also if the request
// can't be read. Otherwise gRPC would answer them itself: with the text of an
// error of ours, without a session, a limit or a line in the log.
type registrar struct{ grpc.ServiceRegistrar }

type unreadableKey struct{}

// RegisterService implements [grpc.ServiceRegistrar].
func (r registrar) RegisterService(d *grpc.ServiceDesc, impl any) {
	own := *d
	own.Methods = slices.Clone(d.Methods)
	for i, m := range own.Methods {
		own.Methods[i].Handler = func(srv any, ctx context.Context, read func(any) error, chain grpc.UnaryServerInterceptor) (any, error) {
			var unreadable error
			ctx = context.WithValue(ctx, unreadableKey{}, &unreadable)
			return m.Handler(srv, ctx, func(req any) error {
				if unreadable = read(req); unreadable != nil {
					proto.Reset(req.(proto.Message)) // every request is one; nothing of it may be believed
				}
				return nil
			}, chain)
		}
	}
	r.ServiceRegistrar.RegisterService(&own, impl)
}

// readable is a [check] that refuses a request which couldn't be read.
func readable(ctx context.Context, _ string, _ any) (context.Context, error) {
	if err, ok := ctx.Value(unreadableKey{}).(*error); ok && *err != nil {
		return nil, rpcerr.Wire(rpcerr.ErrUnreadable)
	}
	return ctx, nil
}
