package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// wantCodes is the exit code of each reason. A new reason has to be thought
// about here.
var wantCodes = map[string]int{
	"EXISTS": 6, "NOT_FOUND": 5, "NOT_SEALED": 6, "ALREADY_SEALED": 6, "ENROLMENT_CLOSED": 6, "NO_CONSENT": 6,
	"NOT_ELIGIBLE": 6, "NO_BASELINE": 6, "EXCLUDED": 6, "ALREADY_RANDOMIZED": 6, "NOT_RANDOMIZED": 6,
	"INTENT_EXPIRED": 6, "NOT_CONFIRMED": 7, "FORM_ORDER": 6, "ALREADY_SUBMITTED": 6, "NOT_SUBMITTED": 6,
	"FOLLOW_UP_ENDED": 6, "ERASED": 6, "NOTHING_CHANGED": 6, "REQUEST_REUSED": 6, "ROLE_CONFLICT": 6, "INVITE": 3,
	"OUTCOME_UNKNOWN": 10, "DISK_FULL": 1, "BUSY": 1, "SIGN_IN": 3, "SLOW_DOWN": 3, "DIRECT_IDENTIFIER": 7, "GIVE_AWAY": 7,
	"NOT_IN_WINDOW": 6, "FENCED": 6, "SAME_PERSON": 6, "NOT_READY": 6, "NOT_PROPOSED": 6, "UNSEALED": 6, "NOT_UNSEALED": 6,
	"AWAITS_ENTROPY": 6, "NO_CONTRIBUTION": 6, "LIST_USED_UP": 6, "BLIND_BROKEN": 6, "CHANGED": 6,
	"CODE_NEEDED": 3, "FACTOR_NEEDED": 3, "STEP_UP": 3, "NO_PROVIDER": 6,
}

// Every reason has an exit code, and words that say what was wrong and what to
// do next, in both languages.
func TestExitCodeOfEveryReason(t *testing.T) {
	for number, full := range loddv1.ErrorReason_name {
		reason := strings.TrimPrefix(full, "ERROR_REASON_")
		if number == 0 {
			continue
		}
		err := fmt.Errorf("wrapped: %w", &client.Error{Code: codes.Unknown, Reason: loddv1.ErrorReason(number), Message: "from the server"})
		want, known := wantCodes[reason]
		if got := exitCode(err); !known || got != want {
			t.Errorf("%s: exit %d, want %d (known %v)", reason, got, want, known)
		}
		for _, lang := range []string{"nb", "en"} {
			a := &app{words: newWords(lang)}
			message, _, hint := a.describe(err)
			if message == "from the server" || message == "" || hint == "" {
				t.Errorf("%s in %s: %q, %q", reason, lang, message, hint)
			}
		}
	}
}

func TestExitCode(t *testing.T) {
	refusal := func(c codes.Code) error { return &client.Error{Code: c} }
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"none", nil, 0},
		{"any", errors.New("x"), 1},
		{"usage", &usageError{"x"}, 2},
		{"no session", client.ErrNoSession, 3},
		{"unauthenticated", refusal(codes.Unauthenticated), 3},
		{"permission", refusal(codes.PermissionDenied), 4},
		{"not found", refusal(codes.NotFound), 5},
		{"conflict", refusal(codes.Aborted), 6},
		{"precondition", refusal(codes.FailedPrecondition), 6},
		{"exists", refusal(codes.AlreadyExists), 6},
		{"invalid", refusal(codes.InvalidArgument), 7},
		{"invalid file", &invalidError{message: "x"}, 7},
		{"internal", refusal(codes.Internal), 1},
		{"not verified", &notVerifiedError{message: "x"}, 8},
		{"log", &client.LogError{}, 8},
		{"not reached", fmt.Errorf("%w: %w", client.ErrNotReached, refusal(codes.Unavailable)), 9},
		{"certificate", &client.CertificateError{}, 9},
		{"unknown", &client.OutcomeError{Err: refusal(codes.Unauthenticated)}, 10},
		{"unknown with a hint", &hintError{&client.OutcomeError{Err: refusal(codes.Unavailable)}, "x"}, 10},
		{"interrupted", context.Canceled, 130},
		{"interrupted in the middle", &client.OutcomeError{Err: fmt.Errorf("%w (x)", context.Canceled)}, 130},
		{"stopped by a person", errStopped, 130},
	} {
		if got := exitCode(tt.err); got != tt.want {
			t.Errorf("%s: exit %d, want %d", tt.name, got, tt.want)
		}
	}
}

// What people see when something goes wrong, whole.
func TestErrorMessages(t *testing.T) {
	refuse := func(c codes.Code, reason string, fields ...*errdetails.BadRequest_FieldViolation) error {
		s := status.New(c, "in the server's words")
		if reason != "" {
			s, _ = s.WithDetails(&errdetails.ErrorInfo{Domain: "lodd.v1", Reason: reason})
		}
		if len(fields) > 0 {
			s, _ = s.WithDetails(&errdetails.BadRequest{FieldViolations: fields})
		}
		return s.Err()
	}
	var b strings.Builder
	single, err := status.New(codes.InvalidArgument, "full_name: want the printed name").WithDetails(&errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "full_name", Description: "want the printed name"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		answer error
		args   string
	}{
		{refuse(codes.Unauthenticated, ""), "trial list"},
		{refuse(codes.PermissionDenied, ""), "trial list"},
		{refuse(codes.PermissionDenied, ""), "trial list --lang nb"},
		{refuse(codes.FailedPrecondition, "NO_CONSENT"), "randomize prepare --screening OSL-1"},
		{refuse(codes.FailedPrecondition, "NO_CONSENT"), "randomize prepare --screening OSL-1 --lang nb"},
		{refuse(codes.InvalidArgument, "", &errdetails.BadRequest_FieldViolation{Field: "trial.yaml:4", Description: "unknown key \x1b[31msies, want sites"}), "trial create -f -"},
		{single.Err(), "role grant ola assessor"},
		{refuse(codes.Internal, ""), "trial list"},
		{refuse(codes.Unavailable, "OUTCOME_UNKNOWN"), "trial open --timeout 900ms --quiet"},
		{refuse(codes.Unavailable, "OUTCOME_UNKNOWN"), "randomize commit 30313233-3435-4637-b839-616263646566 --confirm OSL-1 --timeout 900ms"},
		{refuse(codes.Unavailable, "OUTCOME_UNKNOWN"), "randomize commit 30313233-3435-4637-b839-616263646566 --confirm OSL-1 --timeout 900ms --lang nb"},
		{refuse(codes.Unavailable, ""), "role grant ola assessor"},
		{refuse(codes.Unavailable, ""), "trial list --quiet"},
	} {
		w := newWorld(t, map[string]any{})
		w.stdin = "id: IPS"
		for _, m := range []string{"ListTrials", "PrepareRandomization", "CreateTrial", "OpenEnrolment", "CommitRandomization", "GrantRole"} {
			w.fake.answers[m] = tt.answer
		}
		o := w.run(strings.Fields(tt.args)...)
		if o.stdout != "" {
			t.Errorf("%s: an error on standard output: %s", tt.args, o.stdout)
		}
		fmt.Fprintf(&b, "$ lodd %s\n%sexit %d\n\n", tt.args, o.stderr, o.code)
	}
	golden(t, "errors", b.String())
}

// Ctrl+C during commit doesn't claim that nothing was done: it says how to
// find out.
func TestInterruptedCommitTellsTheStatusCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := newWorld(t, map[string]any{})
	release := make(chan struct{})
	defer close(release)
	w.fake.answers["CommitRandomization"] = decide(func() any {
		cancel()
		<-release
		return errors.New("never")
	})
	o := w.runContext(ctx, "randomize", "commit", "30313233-3435-4637-b839-616263646566", "--confirm", "OSL-1")
	if o.code != exitInterrupted || !strings.Contains(o.stderr, "we do not know yet") ||
		!strings.Contains(o.stderr, "lodd randomize status 30313233-3435-4637-b839-616263646566") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}

// A command line that can't be carried out asks nothing of the server.
func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"nonsense", `unknown command "nonsense"`},
		{"trial nonsense", `unknown command "nonsense" for "lodd trial"`},
		{"trial list extra", "unknown command"},
		{"trial list --nonsense", "unknown flag: --nonsense"},
		{"trial create", `required flag(s) "file" not set`},
		{"trial create -f absent.yaml", "absent.yaml: no such file"},
		{"participant withdraw OSL-1 --scope data --reason other", "--confirm is missing"},
		{"randomize commit 30313233-3435-4637-b839-616263646566", "--confirm is missing"},
		{"participant erase OSL-1", "--confirm is missing"},
		{"participant list --state gone", `--state is one of screened, `},
		{"trial reconcile --lost OSL=1", "--confirm is missing"},
		{"trial reconcile --confirm IPS --lost OSL", "--lost is STRATUM=N"},
		{"trial reconcile --confirm IPS --lost OSL/sex=f=many", "--lost is STRATUM=N"},
		{"trial reconcile --confirm IPS --lost =2", "--lost is STRATUM=N"},
		{"randomize commit HAM-003 --confirm HAM-003", "HAM-003 is no intent: run lodd randomize prepare"},
		{"randomize prepare HAM-001", `give it with --screening, as in: lodd randomize prepare --screening HAM-001`},
		{"trial create walk.yaml", `give it with -f, as in: lodd trial create -f walk.yaml`},
		{"trial seal -f -", "needs --yes where nobody can be asked"},
		{"trial seal -f - --yes --record absent/record.txt", "absent/record.txt: no such file"},
		{"trial close", "needs --yes where nobody can be asked"},
		{"account disable ola --reason left", "needs --yes where nobody can be asked"},
		{"trial list --output xml", `--output is table, json, jsonl or csv, not "xml"`},
		{"trial list --lang sv", `--lang is nb or en, not "sv"`},
		{"trial list --timeout=-1s", "--timeout"},
		{"worklist list --due soon", "--due is a number of days"},
		{"export download first", "is no lock"},
		{"form submit OSL-1 m6 job", "no terminal"},
		{"login", "no terminal to ask for the password"},
		{"verify", "the command is: lodd verify FILE [flags]; 0 arguments were given"},
		{"verify absent.zip", "absent.zip: no such file"},
	} {
		w := newWorld(t, nil)
		o := w.run(strings.Fields(tt.args)...)
		if o.code != exitUsage || !strings.Contains(o.stderr, tt.want) || !strings.HasPrefix(o.stderr, "lodd: ") || o.stdout != "" {
			t.Errorf("lodd %s: exit %d, stdout %q, stderr %q; want exit 2 and %q", tt.args, o.code, o.stdout, o.stderr, tt.want)
		}
		if len(w.fake.calls) != 0 {
			t.Errorf("lodd %s: asked %v of the server", tt.args, w.fake.calls)
		}
	}
}

// Without a profile every command that needs a server says how to get one.
func TestNothingKnown(t *testing.T) {
	w := newWorld(t, nil)
	w.saveProfile(client.Profile{})
	for args, want := range map[string]string{"trial list": "not signed in", "login --user kari": "run lodd join", "login --user kari --server localhost:1": "set LODD_PIN"} {
		if o := w.run(strings.Fields(args)...); o.code == 0 || !strings.Contains(o.stderr, want) {
			t.Errorf("lodd %s: exit %d, %s", args, o.code, o.stderr)
		}
	}
}

// A fault of the server's own is told with the number under which its log has the
// rest, in both languages, also if it hides what became of an earlier attempt.
func TestFaultsOfTheServerTellTheirNumber(t *testing.T) {
	fault := &client.Error{Code: codes.Internal, Message: "internal error", Number: "4711-x"}
	for _, lang := range []string{"nb", "en"} {
		a := &app{words: newWords(lang)}
		message, _, hint := a.describe(fmt.Errorf("wrapped: %w", fault))
		if strings.Contains(message, "internal error") || !strings.Contains(hint, "4711-x") {
			t.Errorf("%s: %q, %q", lang, message, hint)
		}
		_, details, hint := a.describe(&client.OutcomeError{RequestID: "r-1", Err: fault})
		if !strings.Contains(strings.Join(details, " "), "4711-x") || !strings.Contains(hint, "r-1") {
			t.Errorf("%s: %q, %q", lang, details, hint)
		}
	}
}

// A server that answers that it doesn't know was reached, and a call that got no
// answer in time is told without the words of the network's layers.
func TestWhatIsSaidOfCallsWithoutAnAnswer(t *testing.T) {
	late := &client.Error{Code: codes.DeadlineExceeded, Message: context.DeadlineExceeded.Error()}
	unknown := &client.Error{Code: codes.Unavailable, Reason: loddv1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN, Message: "in the server's words"}
	for _, tt := range []struct {
		err            error
		message, cause string
	}{
		{fmt.Errorf("%w: %w", client.ErrNotReached, unknown), "was reached and could not answer", "in the server's words"},
		{fmt.Errorf("%w: %w (%w)", client.ErrNotReached, context.DeadlineExceeded, late), "was not reached", "no answer came in time"},
		{&client.OutcomeError{Err: fmt.Errorf("%w (%w)", context.DeadlineExceeded, late)}, "we do not know yet", "no answer came in time"},
		{fmt.Errorf("%w: %w", client.ErrNotReached, context.DeadlineExceeded), "was not reached", "no answer came in time"},
	} {
		a := &app{words: newWords("en")}
		message, details, _ := a.describe(tt.err)
		if !strings.Contains(message, tt.message) || strings.Join(details, "; ") != tt.cause {
			t.Errorf("%v: %q, %q", tt.err, message, details)
		}
	}
}
