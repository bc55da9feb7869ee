package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A recorder notes what the server sends to each account.
type recorder struct {
	mu    sync.Mutex // guards the fields below
	calls []*rpc
	teams map[string][]string
	users map[string]string // by session token
}

type rpcKey struct{}

// An rpc is one call and what was sent in answer.
type rpc struct {
	method, user, login string
	answered            bool // and not refused
	sent                []string
}

// TagRPC begins a call. Its order among others is that of the calls' arrival:
// the last notes of one may come after the first of the next.
func (r *recorder) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	call := &rpc{method: info.FullMethodName}
	r.calls = append(r.calls, call)
	return context.WithValue(ctx, rpcKey{}, call)
}

// seen returns what each account was sent.
func (r *recorder) seen() map[string][]string { return r.seenBetween(0, r.len()) }

// len returns how many calls there were so far.
func (r *recorder) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.calls)
}

// seenBetween returns what each account was sent in some of the calls.
func (r *recorder) seenBetween(from, to int) map[string][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string][]string{}
	for _, c := range r.calls[from:to] {
		out[c.user] = append(out[c.user], c.sent...)
	}
	return out
}

// methods returns the methods that were called and answered.
func (r *recorder) methods() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]bool{}
	for _, c := range r.calls {
		if c.answered {
			out[c.method] = true
		}
	}
	return out
}

func (r *recorder) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (r *recorder) HandleConn(context.Context, stats.ConnStats)                       {}

func (r *recorder) HandleRPC(ctx context.Context, s stats.RPCStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	call, _ := ctx.Value(rpcKey{}).(*rpc)
	switch s := s.(type) {
	case *stats.InHeader:
		if md, ok := metadata.FromIncomingContext(ctx); ok && len(md.Get("authorization")) == 1 {
			call.user = r.users[strings.TrimPrefix(md.Get("authorization")[0], "Bearer ")]
		}
	case *stats.InPayload:
		if req, ok := s.Payload.(*loddv1.LoginRequest); ok {
			call.login = req.GetUser()
		}
	case *stats.OutHeader:
		r.note(call, fmt.Sprint("header ", s.Header))
	case *stats.OutPayload:
		r.answer(call, s)
	case *stats.OutTrailer:
		r.note(call, fmt.Sprint("trailer ", s.Trailer))
	case *stats.End:
		call.answered = s.Error == nil
		r.note(call, fmt.Sprintf("end %v %q", status.Code(s.Error), status.Convert(s.Error).Message()))
	}
}

func (r *recorder) note(call *rpc, what string) {
	call.sent = append(call.sent, call.method+" "+what)
}

func (r *recorder) answer(call *rpc, s *stats.OutPayload) {
	msg := s.Payload.(proto.Message)
	switch m := msg.(type) {
	case *loddv1.LoginResponse:
		r.users[m.GetToken()] = call.login
	case *loddv1.DownloadExportResponse:
		// Bundles hold signed heads, which are hiding; compareExports looks inside.
		r.note(call, fmt.Sprintf("export %s of %d bytes, piece of %d", m.GetFileName(), m.GetSizeBytes(), len(m.GetChunk())))
		return
	case *loddv1.SealDesignResponse:
		// Its receipt and record hash the commitment, which is hiding.
		r.note(call, fmt.Sprintf("sealing of %d bytes", s.WireLength))
		return
	case *loddv1.DownloadRevealResponse:
		// It tells every arm, at a time when all may be told; until then and in all
		// else its reader is blind.
		r.note(call, fmt.Sprintf("reveal %s of %d bytes, piece of %d", m.GetFileName(), m.GetSizeBytes(), len(m.GetChunk())))
		return
	case *loddv1.ListTeamResponse:
		for _, p := range m.GetParticipants() {
			key := p.GetArm().GetId() + " " + p.GetSite()
			r.teams[key] = append(r.teams[key], p.GetParticipant())
		}
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(masked(msg))
	if err != nil {
		panic(err) // the server has just marshalled it
	}
	r.note(call, fmt.Sprintf("answer of %d bytes %x", s.WireLength, b))
}

// masked returns m with every hiding field overwritten by its length. The entry
// with the commitment is the one place where a hiding value stands in a text.
func masked(m proto.Message) proto.Message {
	m = proto.Clone(m)
	if e, ok := m.(*loddv1.ListEntriesResponse); ok && e.GetKind() == "design_sealed" {
		e.Detail = strings.Repeat("x", len(e.GetDetail()))
	}
	mask(m.ProtoReflect())
	return m
}

func mask(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		hiding := proto.GetExtension(f.Options(), loddv1.E_Hiding).(bool)
		switch {
		case hiding && f.IsList():
			for i := range v.List().Len() {
				v.List().Set(i, protoreflect.ValueOfBytes(make([]byte, len(v.List().Get(i).Bytes()))))
			}
		case hiding && f.Kind() == protoreflect.BytesKind:
			m.Set(f, protoreflect.ValueOfBytes(make([]byte, len(v.Bytes()))))
		case hiding:
			m.Set(f, protoreflect.ValueOfString(strings.Repeat("x", len(v.String()))))
		case f.Message() != nil && f.IsList():
			for i := range v.List().Len() {
				mask(v.List().Get(i).Message())
			}
		case f.Message() != nil && !f.IsMap():
			mask(v.Message())
		}
		return true
	})
}
