package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A refused sealing leaves no record behind.
func TestRefusedSealingLeavesNoRecord(t *testing.T) {
	w := newWorld(t, map[string]any{"SealDesign": status.Error(codes.FailedPrecondition, "sealed already")})
	record := filepath.Join(t.TempDir(), "record.txt")
	o := w.run("trial", "seal", "-y", "-f", w.file("d.yaml", "blocks: [4]"), "--record", record)
	if _, err := os.Stat(record); o.code != exitConflict || !errors.Is(err, os.ErrNotExist) || !strings.Contains(o.stderr, "sealed already") {
		t.Errorf("exit %d, %v\n%s", o.code, err, o.stderr)
	}
}

// Sealing asks first, keeps the record for the owner alone, and never
// overwrites one.
func TestSeal(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []string // nil where nobody sits
		args    []string
		exists  bool
		code    int
		sealed  bool
	}{
		{"yes", []string{"yes"}, nil, false, exitDone, true},
		{"no", []string{"no"}, nil, false, exitInterrupted, false},
		{"only Enter", []string{""}, nil, false, exitInterrupted, false},
		{"--yes", []string{}, []string{"--yes"}, false, exitDone, true},
		{"nobody there", nil, nil, false, exitUsage, false},
		{"nobody there, and --yes", nil, []string{"--yes"}, false, exitDone, true},
		{"a record is there", nil, []string{"--yes"}, true, exitUsage, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, map[string]any{
				"SealDesign": &loddv1.SealDesignResponse{Commitment: "c0ffee", Record: "SEALING RECORD\n"},
				"GetTrial":   &loddv1.GetTrialResponse{TrialId: "IPS", Arms: []*loddv1.ProtocolArm{{Id: "ips", Ratio: 1}, {Id: "tau", Ratio: 1}}},
			})
			if tt.answers != nil {
				w.console = &script{answers: tt.answers}
			}
			record := filepath.Join(t.TempDir(), "record.txt")
			if tt.exists {
				record = w.file("record.txt", "old")
			}
			o := w.run(append([]string{"trial", "seal", "-f", w.file("d.yaml", "design: blocks\nblock_sizes: [4]\n"), "--record", record}, tt.args...)...)
			if sealed := w.called("SealDesign"); o.code != tt.code || sealed != tt.sealed {
				t.Fatalf("exit %d, sealed %v\n%s", o.code, sealed, o.stderr)
			}
			want := map[bool]string{true: "SEALING RECORD\n"}[tt.sealed]
			if tt.exists {
				want = "old"
			}
			b, _ := os.ReadFile(record)
			if string(b) != want || strings.Contains(o.stdout, "SEALING RECORD") {
				t.Errorf("record %q, stdout %s", b, o.stdout)
			}
			if _, err := os.Stat(record); err == nil && !tt.exists && !tt.sealed {
				t.Error("a record was left of nothing")
			}
			if info, err := os.Stat(record); err == nil && info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v", info.Mode())
			}
		})
	}
}

// The number is typed at the terminal if it wasn't given; --yes does not stand
// in for it.
func TestConfirmIsTyped(t *testing.T) {
	w := newWorld(t, map[string]any{"CommitRandomization": &loddv1.CommitRandomizationResponse{Participant: "OSL-7"}})
	console := &script{answers: []string{" OSL-7 "}}
	w.console = console
	w.mustRun("randomize", "commit", "30313233-3435-4637-b839-616263646566", "--yes")
	if got := w.fake.calls[0].req.(*loddv1.CommitRandomizationRequest).GetConfirm(); got != "OSL-7" || len(console.asked) != 1 {
		t.Errorf("confirmed %q, asked %q", got, console.asked)
	}
	w.console, w.fake.calls = nil, nil
	if o := w.run("randomize", "commit", "30313233-3435-4637-b839-616263646566", "--yes"); o.code != exitUsage || len(w.fake.calls) != 0 {
		t.Errorf("without a number: exit %d, %v", o.code, w.fake.calls)
	}
}

// audit verify goes through all compartments, remembers them, and calls a log
// that was rewritten by its name.
func TestAuditVerify(t *testing.T) {
	private, public, err := note.GenerateKey(entropy(), "lodd/log")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	entry := "one"
	w := newWorld(t, map[string]any{
		"ListCompartments": &loddv1.ListCompartmentsResponse{Lists: []string{"IPS/conduct", "IPS/outcome"}},
		"GetCheckpoint": func(req proto.Message) any {
			var tree audit.Tree
			tree.Add(audit.Leaf([]byte(entry)))
			c := audit.Checkpoint{Origin: "lodd.test/" + req.(*loddv1.GetCheckpointRequest).GetList(), Size: 1, Root: tree.Root()}
			b, err := c.Sign(signer)
			if err != nil {
				return err
			}
			return &loddv1.GetCheckpointResponse{Checkpoint: string(b)}
		},
		"ListLeaves": func(proto.Message) any {
			h := audit.Leaf([]byte(entry))
			return []proto.Message{&loddv1.ListLeavesResponse{Hashes: h[:]}}
		},
	})
	p, err := w.dirs.LoadProfile()
	if err != nil {
		t.Fatal(err)
	}
	p.LogKey = public
	w.saveProfile(p)
	if o := w.mustRun("audit", "verify"); strings.Count(o.stdout, `"verified":true`) != 2 || !strings.Contains(o.stderr, "verifying 100%") {
		t.Errorf("first: %s, %s", o.stdout, o.stderr)
	}
	if o := w.mustRun("audit", "verify", "--quiet"); strings.Count(o.stdout, `"seen_before":1`) != 2 || o.stderr != "" {
		t.Errorf("second: %s, %s", o.stdout, o.stderr)
	}
	w.fake.answers["ListCompartments"] = &loddv1.ListCompartmentsResponse{Lists: []string{"IPS/conduct"}}
	if o := w.run("audit", "verify"); o.code != exitNotVerified || o.stdout != "" || !strings.Contains(o.stderr, "IPS/outcome: the server doesn't show this list any more") {
		t.Errorf("one list less: exit %d, %s, %s", o.code, o.stdout, o.stderr)
	}
	w.fake.answers["ListCompartments"] = &loddv1.ListCompartmentsResponse{}
	if o := w.run("audit", "verify"); o.code != exitNotVerified || !strings.Contains(o.stderr, "IPS/conduct: the server doesn't show this list") {
		t.Errorf("no lists: exit %d, %s, %s", o.code, o.stdout, o.stderr)
	}
	w.fake.answers["ListCompartments"] = &loddv1.ListCompartmentsResponse{Lists: []string{"IPS/outcome", "IPS/conduct"}}
	entry = "another"
	if o := w.run("audit", "verify"); o.code != exitNotVerified || o.stdout != "" || !strings.Contains(o.stderr, "IPS/conduct: the log was rewritten") || !strings.Contains(o.stderr, w.dirs.Evidence()) {
		t.Errorf("rewritten: exit %d, %s, %s", o.code, o.stdout, o.stderr)
	}
}

// A server with another certificate gets neither the token nor the password,
// and the message says whose certificate it is.
func TestWrongCertificate(t *testing.T) {
	w := newWorld(t, nil)
	stranger := newWorld(t, nil)
	w.dial = stranger.dial
	o := w.run("trial", "list", "--lang", "nb")
	if o.code != exitNotReached || !strings.Contains(o.stderr, `utstedt av "CN=trial"`) || !strings.Contains(o.stderr, "ny invitasjon") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
	if len(stranger.fake.calls) != 0 {
		t.Error("the stranger was asked")
	}
}

// The token of a session goes to no server but its own.
func TestTokenStaysWithItsServer(t *testing.T) {
	w := newWorld(t, nil)
	other := newWorld(t, nil)
	w.env["LODD_PIN"], w.dial = other.pin, other.dial
	if o := w.run("trial", "list"); o.code != exitSignIn || len(other.fake.calls) != 0 {
		t.Errorf("exit %d, %s; asked %v", o.code, o.stderr, other.fake.calls)
	}
}

// Commands of the program itself stand beside ours: a fault of theirs is no
// wrong usage, and a broken profile is not theirs to mind.
func TestExtraCommands(t *testing.T) {
	w := newWorld(t, nil)
	if err := os.WriteFile(filepath.Join(w.dirs.Config, "config.toml"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := w.deps()
	d.Extra = []func() *cobra.Command{func() *cobra.Command {
		return &cobra.Command{Use: "serve", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return errors.New("port is taken") }}
	}}
	for args, want := range map[string]struct {
		code int
		text string
	}{"serve": {exitOther, "lodd: port is taken\n"}, "serve --port": {exitUsage, "unknown flag: --port"}, "trial list": {exitOther, "config.toml"}} {
		var stderr strings.Builder
		d.Stderr = &stderr
		if code := Run(context.Background(), strings.Fields(args), d); code != want.code || !strings.Contains(stderr.String(), want.text) {
			t.Errorf("lodd %s: exit %d, %s", args, code, stderr.String())
		}
	}
}

// A request id that was given is the one that is sent.
func TestRequestIDIsKept(t *testing.T) {
	w := newWorld(t, map[string]any{"OpenEnrolment": &loddv1.OpenEnrolmentResponse{}})
	w.mustRun("trial", "open", "--request-id", "mine")
	if got := w.fake.calls[0].req.(*loddv1.OpenEnrolmentRequest).GetRequestId(); got != "mine" {
		t.Errorf("request id %q", got)
	}
}

// A session file that others can read is refused, and said to be.
func TestLooseSessionFile(t *testing.T) {
	w := newWorld(t, nil)
	if err := os.Chmod(filepath.Join(w.dirs.State, "session.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	if o := w.run("whoami"); o.code == 0 || !strings.Contains(o.stderr, "chmod 600") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}
