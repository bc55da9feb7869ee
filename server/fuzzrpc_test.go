package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/trial"
)

// everyMethod returns every method of the API.
func everyMethod() (all []protoreflect.MethodDescriptor) {
	protoregistry.GlobalFiles.RangeFilesByPackage("lodd.v1", func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			for j := range f.Services().Get(i).Methods().Len() {
				all = append(all, f.Services().Get(i).Methods().Get(j))
			}
		}
		return true
	})
	return all
}

func permissionOf(m protoreflect.MethodDescriptor) loddv1.Permission {
	return proto.GetExtension(m.Options(), loddv1.E_Permission).(loddv1.Permission)
}

// path returns the name of a method as it is called.
func path(m protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
}

// asBytes sends bytes as they are, and doesn't look at the answer.
type asBytes struct{}

func (asBytes) Name() string                  { return "proto" }
func (asBytes) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (asBytes) Unmarshal([]byte, any) error   { return nil }

// sent sends a request as bytes and returns how the call ended.
func (w *world) sent(ctx context.Context, m protoreflect.MethodDescriptor, req []byte) error {
	w.t.Helper()
	if !m.IsStreamingServer() {
		return w.conn.Invoke(ctx, path(m), &req, &[]byte{}, grpc.ForceCodec(asBytes{}))
	}
	s, err := w.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path(m), grpc.ForceCodec(asBytes{}))
	w.must(err)
	w.must(s.SendMsg(&req))
	w.must(s.CloseSend())
	for {
		if err := s.RecvMsg(&[]byte{}); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// inside are words that only the server's own programmers use: none may get out.
var inside = []string{
	"goroutine", "runtime error", "panic", "nil pointer", ".go:", "/go/", "github.com", "google.golang.org", "0xc0",
	"bolt", "bucket", "sql", "etcd", "storetest", "reflect", "interface {}", "*trial.", "*ledger.", "*server.", "loddv1", "logv1",
	"proto:", "unmarshal", "marshal", "json: cannot", "strconv", "parsing time", "context deadline", "context canceled", "cel-go",
	"server:", "ledger:", "vault:", "store:", "authn:", "authz:", "entry:", "northern", "southern",
}

// Pseudo-random requests to every method, as everybody, through the whole chain:
// none makes the server panic or fail, none is answered with a word of its inside,
// and nobody without a session is let in.
func TestFuzzEveryMethod(t *testing.T) {
	each := 200
	switch {
	case os.Getenv("LODD_LONG") == "1":
		each = 5000
	case testing.Short():
		each = 60
	}
	w := newFuzzed(t)
	d := &dice{random: &stream{name: "fuzz"}, words: w.words()}
	answered := map[string]int{}
	for _, m := range everyMethod() {
		callers := w.callers(m)
		for range each {
			who, req := one(d, callers), d.request(m.Input())
			ctx, cancel := context.WithTimeout(who.ctx, time.Minute)
			err := w.sent(ctx, m, req)
			cancel()
			if fault := faultOf(m, who.name, err); fault != "" {
				t.Errorf("%s by %s: %s: %v\nrequest %x\nline %v", m.FullName(), who.name, fault, err, req, w.lastLine()["error"])
				break // to the next method
			}
			if err == nil {
				answered[who.name]++
				answered[path(m)]++
			}
		}
	}
	w.enough(answered, each)
}

// enough demands that the requests got far: each role was answered, and most
// methods.
func (w *world) enough(answered map[string]int, each int) {
	for _, p := range cast {
		if answered[p.user] < each/10 {
			w.t.Errorf("%s is answered %d times only: the test has no power", p.user, answered[p.user])
		}
	}
	never := 0
	for _, m := range everyMethod() {
		if answered[path(m)] == 0 {
			never++
			w.t.Logf("nobody is answered by %s", m.FullName())
		}
	}
	if all := len(everyMethod()); never > all*2/3 {
		w.t.Errorf("%d of %d methods answer nobody: the test has no power", never, all)
	}
}

// faultOf returns what is wrong with the end of a call, if anything.
func faultOf(m protoreflect.MethodDescriptor, who string, err error) string {
	s := status.Convert(err)
	stranger := who == "nobody" || who == "forged"
	switch c := s.Code(); {
	case c == codes.Internal, c == codes.Unknown, c == codes.DataLoss, c == codes.Unavailable:
		return "the server failed"
	case c == codes.DeadlineExceeded:
		return "the server hangs"
	case c == codes.Unimplemented:
		return "is not served"
	case stranger && c == codes.OK && permissionOf(m) != loddv1.Permission_PERMISSION_PUBLIC:
		return "was let in"
	}
	told := strings.ToLower(s.Message() + " " + strings.ReplaceAll(fmt.Sprint(s.Details()...), "type.googleapis.com", ""))
	for _, word := range inside {
		if strings.Contains(told, word) {
			return fmt.Sprintf("tells %q", word)
		}
	}
	return ""
}

// newFuzzed returns a trial in which something has happened.
func newFuzzed(t *testing.T) *world {
	w := newTrial(t, func(c *server.Config) {
		c.Limits = server.Limits{PerSecond: 1e6, Burst: 1e8, StrangersPerSecond: 1e6, StrangersBurst: 1e8} // the clock stands still
	})
	w.must(w.join(w.invite(), "guest"))
	for _, p := range []string{"S-1", "S-2", "S-3"} {
		w.randomize(p, "OSL")
	}
	w.randomize("S-4", "BGO")
	w.ready("S-5", "OSL")
	w.takeLock()
	return w
}

type caller struct {
	name string
	ctx  context.Context
}

// callers returns a caller of each role, and two of none. Whoever may use the
// method is among them more often. All have signed in anew: a call may have ended
// their sessions.
func (w *world) callers(m protoreflect.MethodDescriptor) []caller {
	clear(w.tokens)
	w.wait(time.Hour) // for passwords that were wrong
	forged := metadata.AppendToOutgoingContext(w.t.Context(), "authorization", "Bearer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	all := []caller{{"nobody", w.t.Context()}, {"forged", forged}}
	for _, p := range append(cast, struct{ user, role, site, team string }{"admin", string(trial.Administrator), "", ""}) {
		c := caller{p.user, w.as(p.user)}
		all = append(all, c)
		if slices.Contains(authz.Permissions(trial.Role(p.role)), permissionOf(m)) {
			all = append(all, c, c, c, c, c)
		}
	}
	return all
}

// words are what fields may well hold. No account of the cast is among the users:
// one that is disabled would be heard no more.
func (w *world) words() map[string][]string {
	day := []string{"2026-03-01", "2026-03-02", "2026-02-30", "1900-01-01"}
	participant := []string{"S-1", "S-2", "S-3", "S-4", "S-5", "S-6", "S-7"}
	lists := []string{"T1/conduct", "T1/outcome", "T1/delivery", "T1/allocation", "system", ""}
	return map[string][]string{
		"": {
			"", "T1", "S-1", "OSL", "1", "yes", "in error", "01017012345", "kari@example.org", `{"age": 34}`, "{", "[]", "null", "\xff",
			strings.Repeat("x", 5000), strings.Repeat("[", 3000), "2026-03-02", "..", "%s%n", "' OR 1=1 --",
		},
		"trial_id": {"T1"}, "request_id": {"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000009"},
		"intent_id": {"00000000-0000-4000-8000-000000000001"}, "participant": participant, "confirm": participant, "replacement": participant,
		"user": {"guest", "visitor"}, "password": {password}, "full_name": {"Kari Nordmann"}, "site": {"OSL", "BGO"},
		"role": {"coordinator", "assessor", "monitor", "auditor", "treatment-team", "custodian"}, "team": {"northern", "southern", ""},
		"list": lists, "checkpoint": {w.head("T1/conduct"), w.head("T1/outcome")}, "levels": {"sex"}, "answers": {"adult", "pregnant"},
		"visit": {"baseline", "month-6"}, "form": {"background", "mood", "work"}, "item": {"age", "glad", "note", "days"},
		"values": {`{"age": 34}`, `{"age": null}`, `{"glad": 1, "calm": 2}`, `{"glad": 3}`, `{"days": 3}`, `{"note": "x"}`}, "value": {"female", "male"},
		"on": day, "date": day, "version": {"1"}, "scope": {"treatment", "visits", "data"}, "kind": {"not-eligible", "wrong-stratum", "duplicate"},
		"reason": {"other", "not-given", "not-eligible", "medical-emergency", "complaint"}, "text": {"asked by the ward", "x"}, "to": {"pi", "ds", "guest"},
		"witness": {"pi", "au"}, "by": {"pi", "cus"}, "file_name": {"design.yaml", "protocol.yaml"}, "version_id": {"1"}, "meaning": {"responsibility"},
		"protocol": {string(w.file("protocol.yaml"))}, "design": {string(w.file("design.yaml"))},
	}
}
