package rpcerr_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/freetext"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/protocol"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// sent is what a client sees of a status.
type sent struct {
	Code    codes.Code
	Message string
	Reason  string
	Fields  []string // "field: description", and the Norwegian text after " / "
	Wait    time.Duration
}

func see(s *status.Status) sent {
	out := sent{Code: s.Code(), Message: s.Message()}
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			out.Reason = d.GetDomain() + " " + d.GetReason()
		case *errdetails.RetryInfo:
			out.Wait = d.GetRetryDelay().AsDuration()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				text := v.GetField() + ": " + v.GetDescription()
				if l := v.GetLocalizedMessage(); l != nil {
					text += " / " + l.GetLocale() + " " + l.GetMessage()
				}
				out.Fields = append(out.Fields, text)
			}
		}
	}
	return out
}

func TestStatus(t *testing.T) {
	problem := instrument.Problem{Item: "age", Message: instrument.Text{NB: "for høy", EN: "too high"}}
	for _, tt := range []struct {
		name string
		err  error
		want sent
	}{
		{"unlisted", fmt.Errorf("open /var/lib/lodd/T1.db: %w", errors.New("disk on fire")), sent{Code: codes.Internal, Message: "internal error"}},
		{"foreign status", status.Error(codes.Unavailable, "etcd at 10.0.0.7"), sent{Code: codes.Internal, Message: "internal error"}},
		{
			"with its own text", fmt.Errorf("T1: %w", &rpcerr.Refusal{Code: codes.NotFound, Text: "there is no account ola"}),
			sent{Code: codes.NotFound, Message: "there is no account ola"},
		},
		{
			"wrapped", fmt.Errorf("participant S-1: %w", trial.ErrErased),
			sent{Code: codes.FailedPrecondition, Message: trial.ErrErased.Error(), Reason: "lodd.v1 ERASED"},
		},
		{
			"an outcome before its cause", fmt.Errorf("%w: %w", ledger.ErrUnknown, fmt.Errorf("S-1: %w", trial.ErrExists)),
			sent{Code: codes.Unavailable, Message: ledger.ErrUnknown.Error(), Reason: "lodd.v1 OUTCOME_UNKNOWN"},
		},
		{
			"an outcome before a fault", fmt.Errorf("%w: %w", ledger.ErrUnknown, &trial.Invalid{Field: "on", Problem: "is late"}),
			sent{Code: codes.Unavailable, Message: ledger.ErrUnknown.Error(), Reason: "lodd.v1 OUTCOME_UNKNOWN"},
		},
		{
			"full", fmt.Errorf("%w: %w", ledger.ErrFull, context.Canceled),
			sent{Code: codes.ResourceExhausted, Message: ledger.ErrFull.Error(), Reason: "lodd.v1 DISK_FULL"},
		},
		{
			"a key on a full disk", fmt.Errorf("vault: store key: %w", store.ErrFull),
			sent{Code: codes.ResourceExhausted, Message: ledger.ErrFull.Error(), Reason: "lodd.v1 DISK_FULL"},
		},
		{
			"a key that the store refuses", fmt.Errorf("vault: store key: %w", store.ErrRefused),
			sent{Code: codes.ResourceExhausted, Message: ledger.ErrBusy.Error(), Reason: "lodd.v1 BUSY"},
		},
		{
			"a key of unknown outcome", fmt.Errorf("vault: store key: %w", store.ErrUnknown),
			sent{Code: codes.Unavailable, Message: ledger.ErrUnknown.Error(), Reason: "lodd.v1 OUTCOME_UNKNOWN"},
		},
		{"sign-ins queue up", authn.ErrBusy, sent{Code: codes.ResourceExhausted, Message: "too many people sign in at this moment; nothing was done, try again", Reason: "lodd.v1 BUSY"}},
		{"busy", ledger.ErrBusy, sent{Code: codes.ResourceExhausted, Message: ledger.ErrBusy.Error(), Reason: "lodd.v1 BUSY"}},
		{
			"a wait", fmt.Errorf("login: %w", &authn.WaitError{For: 8 * time.Second}),
			sent{Code: codes.ResourceExhausted, Message: "too many wrong attempts: wait 8s and try again", Reason: "lodd.v1 SLOW_DOWN", Wait: 8 * time.Second},
		},
		{"no session", authn.ErrNoSession, sent{Code: codes.Unauthenticated, Message: "not logged in: log in first"}},
		{
			"a conflict", fmt.Errorf("assessor: %w", people.ErrConflict),
			sent{Code: codes.FailedPrecondition, Message: people.ErrConflict.Error(), Reason: "lodd.v1 ROLE_CONFLICT"},
		},
		{
			"a field", rpcerr.Field("consent.on", errors.New("is no date")),
			sent{Code: codes.InvalidArgument, Message: "consent.on: is no date", Fields: []string{"consent.on: is no date"}},
		},
		{
			"a rule of the trial", fmt.Errorf("x: %w", &trial.Invalid{Field: "site", Problem: "is unknown"}),
			sent{Code: codes.InvalidArgument, Message: "site: is unknown", Fields: []string{"site: is unknown"}},
		},
		{
			"several", errors.Join(rpcerr.Field("a", errors.New("x")), fmt.Errorf("w: %w", errors.Join(&trial.Invalid{Field: "b", Problem: "y"}))),
			sent{Code: codes.InvalidArgument, Message: "2 things are wrong with the request; nothing was done", Fields: []string{"a: x", "b: y"}},
		},
		{
			"what is missing", fmt.Errorf("T1: %w", &trial.NotReady{Missing: []string{"lock", "analysis-plan"}}),
			sent{
				Code: codes.FailedPrecondition, Message: "the trial can't be unsealed yet; it needs first: lock, analysis-plan",
				Reason: "lodd.v1 NOT_READY",
			},
		},
		{
			"an identifier", &rpcerr.IdentifierError{Field: "reason"},
			sent{
				Code: codes.InvalidArgument, Message: "reason: holds a national identity number, which must not enter this program; take it out",
				Reason: "lodd.v1 DIRECT_IDENTIFIER", Fields: []string{"reason: holds a national identity number, which must not enter this program; take it out"},
			},
		},
		{
			"words that tell", &ledger.Wording{Field: "reason", Kind: freetext.GiveAway},
			sent{
				Code: codes.InvalidArgument, Message: "reason: holds words that may tell the arm; say it in other words", Reason: "lodd.v1 GIVE_AWAY",
				Fields: []string{"reason: holds words that may tell the arm; say it in other words / nb har ord som kan røpe gruppen; si det med andre ord"},
			},
		},
		{
			"words that name", rpcerr.Field("reason", &ledger.Wording{Field: "reason", Kind: freetext.Phone}),
			sent{
				Code: codes.InvalidArgument, Message: "reason: holds a phone number, which must not enter this program; take it out", Reason: "lodd.v1 DIRECT_IDENTIFIER",
				Fields: []string{"reason: holds a phone number, which must not enter this program; take it out / nb har et telefonnummer, som ikke skal inn i programmet; ta det ut"},
			},
		},
		{
			"answers", &ledger.Faulty{Problems: []instrument.Problem{problem}},
			sent{Code: codes.InvalidArgument, Message: "values.age: too high", Fields: []string{"values.age: too high / nb for høy"}},
		},
		{
			"a password", &authn.PasswordError{Rule: "short", Text: "too short"},
			sent{Code: codes.InvalidArgument, Message: "password: too short", Fields: []string{"password: too short"}},
		},
		{
			"a file", errors.Join(&protocol.Error{File: "p.yaml", Line: 3, Message: "no"}, &protocol.Error{File: "p.yaml", Line: 9, Message: "nor this"}),
			sent{Code: codes.InvalidArgument, Message: "2 things are wrong with the request; nothing was done", Fields: []string{"p.yaml:3: no", "p.yaml:9: nor this"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, see(rpcerr.Status(tt.err))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What leaves a handler is a status for the caller, and its cause for the log.
func TestWire(t *testing.T) {
	if rpcerr.Wire(nil) != nil {
		t.Error("no error became one")
	}
	err := rpcerr.Wire(fmt.Errorf("participant S-1: %w", trial.ErrErased))
	if err.Error() != "participant S-1: "+trial.ErrErased.Error() || status.Code(err) != codes.FailedPrecondition || !errors.Is(err, trial.ErrErased) {
		t.Errorf("Wire = %v, code %v", err, status.Code(err))
	}
}

func TestManyFaultsAreCut(t *testing.T) {
	var errs []error
	for i := range 1000 {
		errs = append(errs, rpcerr.Field(fmt.Sprint(i), errors.New("wrong")))
	}
	got := see(rpcerr.Status(errors.Join(errs...)))
	if len(got.Fields) != 100 || !strings.HasPrefix(got.Message, "1000 things") {
		t.Errorf("%d fields, %q", len(got.Fields), got.Message)
	}
}

// A sentinel that isn't in the table would reach people as "internal error".
func TestTableHasEverySentinel(t *testing.T) {
	inTable := map[string]int{}
	for _, row := range rpcerr.Table() {
		inTable[row.Err.Error()]++
	}
	for _, dir := range []string{"trial", "people", "ledger", "authn", "authn/openid", "rpcerr"} {
		found := 0
		for name, text := range sentinels(t, filepath.Join("..", dir)) {
			found++
			if inTable[text] != 1 {
				t.Errorf("%s.%s is %d times in rpcerr.Table", dir, name, inTable[text])
			}
		}
		if found < 3 {
			t.Errorf("%s: only %d sentinels found; has the package moved?", dir, found)
		}
	}
}

// sentinels returns the exported errors of a package that are made by
// errors.New, and their texts.
func sentinels(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					if text, ok := newError(v, i); ok && strings.HasPrefix(name.Name, "Err") {
						found[name.Name] = text
					}
				}
			}
		}
	}
	return found
}

// newError returns the text of errors.New("text").
func newError(v *ast.ValueSpec, i int) (string, bool) {
	if i >= len(v.Values) {
		return "", false
	}
	call, ok := v.Values[i].(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return "", false
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// The whole table, so that a change of a code is a change of a file.
func TestEveryRowIsSentAsItself(t *testing.T) {
	for _, row := range rpcerr.Table() {
		got := rpcerr.Status(fmt.Errorf("of S-1: %w", row.Err))
		if got.Code() != row.Code || strings.Contains(got.Message(), "S-1") {
			t.Errorf("%v is sent as %v", row.Err, got)
		}
	}
}
