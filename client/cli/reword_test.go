package cli

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// called reports whether a method was called.
func (w *world) called(method string) bool {
	return slices.ContainsFunc(w.fake.calls, func(c fakeCall) bool { return c.method == method })
}

// refusal returns a refusal for a reason of the API.
func refusal(t *testing.T, c codes.Code, reason string) error {
	t.Helper()
	s, err := status.New(c, "in the server's words").WithDetails(&errdetails.ErrorInfo{Domain: "lodd.v1", Reason: reason})
	if err != nil {
		t.Fatal(err)
	}
	return s.Err()
}

// What is there already is named, and nothing is said of its content.
func TestWhatExistsIsNamed(t *testing.T) {
	for args, tt := range map[string]struct{ method, want string }{
		"trial create -f -":                 {"CreateTrial", "a trial with this ID exists already"},
		"trial open":                        {"OpenEnrolment", "enrolment is open already"},
		"screening add --participant OSL-1": {"AddScreening", "this screening number is in the log already"},
		"screening consent OSL-1 --version 1 --on 2026-01-01": {"RecordConsent", "consent is recorded already"},
		"screening assess OSL-1 -":                            {"AssessEligibility", "eligibility is assessed already"},
		"participant died OSL-1 --on 2026-01-01":              {"RecordDeath", "it is there already, nothing was changed"},
	} {
		w := newWorld(t, map[string]any{tt.method: refusal(t, codes.AlreadyExists, "EXISTS")})
		w.stdin = "{}"
		o := w.run(strings.Fields(args)...)
		if o.code != exitConflict || !strings.Contains(o.stderr, tt.want) || strings.Contains(o.stderr, "other content") || strings.Count(o.stderr, "\n") != 2 {
			t.Errorf("%s: exit %d, %s", args, o.code, o.stderr)
		}
	}
}

// On a disk that is full, or nearly so, no trial is made, and the others go on: the
// words for any other call would say too much.
func TestNoRoomForATrialIsSaid(t *testing.T) {
	for lang, want := range map[string]string{"en": "full or nearly full, no trial was made", "nb": "full eller nesten full, ingen studie er opprettet"} {
		w := newWorld(t, map[string]any{"CreateTrial": refusal(t, codes.ResourceExhausted, "DISK_FULL")})
		w.stdin = "{}"
		o := w.run("--lang", lang, "trial", "create", "-f", "-")
		if o.code != exitOther || !strings.Contains(o.stderr, want) || strings.Count(o.stderr, "\n") != 2 {
			t.Errorf("%s: exit %d, %s", lang, o.code, o.stderr)
		}
	}
}

// A trial that isn't the user's is told apart from a step that isn't.
func TestUnknownTrial(t *testing.T) {
	denied := status.Error(codes.PermissionDenied, "permission denied")
	for _, tt := range []struct {
		args string
		mine any
		want string
	}{
		{"trial show --trial IPSS", []string{"IPS"}, "there is no trial IPSS, or you have no role in it"},
		{"trial use IPSS", []string{"IPS"}, "there is no trial IPSS, or you have no role in it"},
		{"trial show --trial IPS", []string{"IPS"}, "your role does not allow this"},
		{"trial use IPS", []string{"IPS"}, "your role does not allow this"},
		{"trial show --trial IPSS", denied, "your role does not allow this"},
	} {
		mine := tt.mine
		if ids, ok := tt.mine.([]string); ok {
			answer := &loddv1.ListTrialsResponse{}
			for _, id := range ids {
				answer.Trials = append(answer.Trials, &loddv1.TrialSummary{TrialId: id})
			}
			mine = answer
		}
		w := newWorld(t, map[string]any{"GetTrial": denied, "ListTrials": mine})
		o := w.run(strings.Fields(tt.args)...)
		if o.code != exitNotAllowed || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("%s: exit %d, %s", tt.args, o.code, o.stderr)
		}
	}
}

// A misspelt command is told as such, also before a flag that only the right
// one has.
func TestMisspeltCommands(t *testing.T) {
	for args, want := range map[string]string{
		"trail list":         `unknown command "trail" for "lodd"; did you mean lodd trial?`,
		"verfy --key x":      `unknown command "verfy" for "lodd"; did you mean lodd verify?`,
		"trial sael -f x":    `unknown command "sael" for "lodd trial"; did you mean lodd trial seal?`,
		"trial --wrong":      "unknown flag: --wrong",
		"trial list --wrong": "unknown flag: --wrong",
		"whatever --wrong":   `unknown command "whatever" for "lodd"` + "\n",
	} {
		w := newWorld(t, nil)
		if o := w.run(strings.Fields(args)...); o.code != exitUsage || !strings.Contains(o.stderr, want) {
			t.Errorf("%s: exit %d, %s", args, o.code, o.stderr)
		}
	}
}

func TestVersionFlag(t *testing.T) {
	for _, more := range [][]string{nil, {"-o", "json"}} {
		w := newWorld(t, nil)
		flag, command := w.mustRun(append([]string{"--version"}, more...)...), w.mustRun(append([]string{"version"}, more...)...)
		if flag != command || !strings.Contains(flag.stdout, "1.2.3") {
			t.Errorf("%v, want %v", flag, command)
		}
	}
}

// Nobody is asked about what can't be done anyway.
func TestFaultsComeBeforeQuestions(t *testing.T) {
	arms := []*loddv1.ProtocolArm{{Id: "ips", Ratio: 1}, {Id: "tau", Ratio: 1}}
	for _, tt := range []struct {
		args  string
		stdin string
		code  int
		want  string
	}{
		{"trial seal -f -", "design: blocks\nblock_sizes: [3]", exitInvalid, "block_sizes"},
		{"trial seal -f -", "designs: blocks", exitInvalid, `unknown key "designs"`},
		{"trial seal -f - --record absent/record.txt", "design: blocks\nblock_sizes: [4]", exitUsage, "absent/record.txt"},
		{"trial abandon --reason mood", "", exitUsage, "--reason is one of design-fault, "},
		{"participant withdraw OSL-1 --scope data --reason mood", "", exitUsage, "--reason is one of no-longer-wants, "},
	} {
		w := newWorld(t, map[string]any{"GetTrial": &loddv1.GetTrialResponse{TrialId: "IPS", Arms: arms}})
		w.stdin = tt.stdin
		console := &script{answers: []string{"yes"}}
		w.console = console
		o := w.run(strings.Fields(tt.args)...)
		if o.code != tt.code || !strings.Contains(o.stderr, tt.want) || len(console.asked) != 0 {
			t.Errorf("%s: exit %d, asked %q, %s", tt.args, o.code, console.asked, o.stderr)
		}
	}
}

// What needs the rest of the protocol is left to the server.
func TestMinimizationIsCheckedByTheServer(t *testing.T) {
	w := newWorld(t, map[string]any{"SealDesign": &loddv1.SealDesignResponse{}})
	w.stdin, w.console = "design: minimization", &script{answers: []string{"yes"}}
	w.mustRun("trial", "seal", "-f", "-")
}

// The help of a command doesn't bring back a file.
func TestMissingFilesAreNoWrongUsage(t *testing.T) {
	for _, args := range []string{
		"verify absent.zip", "trial create -f absent.yaml", "trial seal -y -f - --record absent/r.txt", "screening add absent.json",
		"trial contribute --commitment c --entropy-file absent.bin",
	} {
		w := newWorld(t, map[string]any{"GetSealingRecord": &loddv1.GetSealingRecordResponse{Commitment: "c"}})
		o := w.run(strings.Fields(args)...)
		if o.code != exitUsage || !strings.Contains(o.stderr, ": no such file") || strings.Contains(o.stderr, "open ") || strings.Contains(o.stderr, "--help") {
			t.Errorf("%s: exit %d, %s", args, o.code, o.stderr)
		}
	}
}

// The hint of a missing form leads to what names it, and who fills it in.
func TestMissingFormsAreNamed(t *testing.T) {
	w := newWorld(t, map[string]any{
		"PrepareRandomization": refusal(t, codes.FailedPrecondition, "NO_BASELINE"),
		"ListParticipants": &loddv1.ListParticipantsResponse{Participants: []*loddv1.Participant{
			{Participant: "OSL-1", Site: "OSL", State: "screened", Missing: []string{"consent", "audit"}},
		}},
		"GetTrial": &loddv1.GetTrialResponse{Forms: []*loddv1.FormSummary{{Form: "audit", By: "assessor"}}},
	})
	if o := w.run("randomize", "prepare", "--screening", "OSL-1"); !strings.Contains(o.stderr, "lodd participant show NUMBER") {
		t.Error(o.stderr)
	}
	if o := w.mustRun("participant", "show", "OSL-1", "-o", "table"); !strings.Contains(o.stdout, "consent, audit (assessor)") {
		t.Error(o.stdout)
	}
	if o := w.mustRun("participant", "show", "OSL-1"); !strings.Contains(o.stdout, `"missing":["consent","audit"]`) {
		t.Error(o.stdout)
	}
}

// Who may erase and not list is told who may.
func TestWhoWaitsForErasure(t *testing.T) {
	denied := status.Error(codes.PermissionDenied, "permission denied")
	w := newWorld(t, map[string]any{"ListParticipants": denied, "ListTrials": &loddv1.ListTrialsResponse{Trials: []*loddv1.TrialSummary{{TrialId: "IPS"}}}})
	if o := w.run("participant", "list", "--state", "to-erase"); o.code != exitNotAllowed || !strings.Contains(o.stderr, "a coordinator of the site sees") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}

// A forgotten password is set anew by two people.
func TestForgottenPassword(t *testing.T) {
	w := newWorld(t, map[string]any{"Login": refusal(t, codes.Unauthenticated, "SIGN_IN")})
	w.stdin = "a wrong password, long enough\n"
	if o := w.run("login", "--password-stdin"); o.code != exitSignIn || !strings.Contains(o.stderr, "lodd people recover") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}

// A file that was never evidence isn't called broken evidence, and a key of
// another kind isn't called another server's.
func TestVerifyNamesTheWrongThing(t *testing.T) {
	logSigner, logKey, err := note.GenerateKey(strings.NewReader(strings.Repeat("l", 64)), "lodd/log")
	if err != nil {
		t.Fatal(err)
	}
	_, witness := witnessOfLog(t)
	for name, tt := range map[string]struct {
		text string // of the file; empty for an export
		args []string
		code int
		want string
	}{
		"a text":                  {"hello", nil, exitInvalid, "is neither an export nor a log"},
		"nothing":                 {" ", nil, exitInvalid, "is neither an export nor a log"},
		"a ZIP file that was cut": {"PK\x03\x04...", nil, exitNotVerified, "not"},
		"the key of the log":      {"", []string{"--key", logKey}, exitNotVerified, "an export is verified with the key of exports: that of lodd/export+"},
		"the key of a witness":    {"", []string{"--key", witness}, exitUsage, "this is the key of the witness "},
	} {
		w := newWorld(t, nil)
		if tt.text == "" {
			tt.text = string(w.bundle("a\n1\n"))
		}
		o := w.run(append([]string{"verify", w.file("x.zip", tt.text)}, tt.args...)...)
		if o.code != tt.code || !strings.Contains(o.stderr, tt.want) || o.stdout != "" {
			t.Errorf("%s: exit %d, %s", name, o.code, o.stderr)
		}
	}
	w := newWorld(t, nil)
	exports := w.key
	if w.signer, err = note.NewSigner(logSigner); err != nil {
		t.Fatal(err)
	}
	w.key = logKey
	if o := w.run("verify", w.archiveOfLog(), "--key", exports); o.code != exitNotVerified || !strings.Contains(o.stderr, "a log is verified with the key of the log, lodd/log+") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}

// People read of each list how much was put to the rules, and then the verdict.
func TestVerifyLogAsTable(t *testing.T) {
	for replayed, want := range map[int64][]string{
		2:  {"PUT TO THE RULES", "2 of 2 entries", "not applicable", "\nverified: log.zip"},
		1:  {"1 of 2 entries", "\nverified in part: log.zip"},
		-1: {"\nverified: log.zip", "the rules were not applied"},
	} {
		w := newWorld(t, nil)
		w.saveProfile(client.Profile{LogKey: w.key})
		w.replay = replays(replayed)
		o := w.mustRun("verify", w.archiveOfLog(), "-o", "table")
		for _, text := range want {
			if !strings.Contains(o.stdout, text) {
				t.Errorf("%d: no %q in\n%s", replayed, text, o.stdout)
			}
		}
	}
}

// Where nothing is wrong, there is nothing to accept: that is said, nobody is
// asked, and what was seen stays.
func TestAcceptForkOfNothing(t *testing.T) {
	w, _ := newAudited(t)
	w.console = &script{}
	w.mustRun("audit", "verify")
	if o := w.mustRun("audit", "accept-fork", "-o", "table"); o.stdout != "" {
		t.Errorf("%q", o.stdout)
	}
	if seen, err := filepath.Glob(filepath.Join(w.dirs.Checkpoints(), "*.checkpoint")); err != nil || len(seen) == 0 {
		t.Errorf("what was seen is forgotten: %v", err)
	}
	for output, stdout := range map[string]string{"table": "", "json": `{"schema":"lodd.fork-acceptance/1","trial":"IPS","evidence":[]}` + "\n"} {
		o := w.mustRun("audit", "accept-fork", "--confirm", "IPS", "-o", output)
		if o.stdout != stdout || !strings.Contains(o.stderr, "there is nothing to accept, and nothing was changed") {
			t.Errorf("%s: %q, %q", output, o.stdout, o.stderr)
		}
	}
}
