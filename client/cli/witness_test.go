package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// An auditedLog is the log of a server, of two trials, that can be told to lie.
type auditedLog struct {
	entries map[string][]string
	key     string
	signer  note.Signer
	left    map[string]string // co-signed checkpoints by list
}

// newAudited returns a world in which kari is the auditor of two trials and has
// made a witness's key.
func newAudited(t *testing.T) (*world, *auditedLog) {
	t.Helper()
	private, public, err := note.GenerateKey(entropy(), "lodd/log")
	if err != nil {
		t.Fatal(err)
	}
	l := &auditedLog{key: public, left: map[string]string{}, entries: map[string][]string{
		"IPS/conduct": {"a", "b"}, "TAU/conduct": {"c"}, "system": {"d", "e", "f"},
	}}
	if l.signer, err = note.NewSigner(private); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, map[string]any{
		"Login":  &loddv1.LoginResponse{Token: "fresh", Expires: timestamppb.New(t0.Add(time.Hour))},
		"Logout": &loddv1.LogoutResponse{},
		"WhoAmI": &loddv1.WhoAmIResponse{User: "kari", LogKey: public, ExportKey: "x", Roles: []*loddv1.HeldRole{
			{TrialId: "IPS", Role: "auditor"}, {TrialId: "OLD", Role: "coordinator"}, {TrialId: "TAU", Role: "auditor"},
		}},
		"ListCompartments": func(req proto.Message) any {
			trial := req.(*loddv1.ListCompartmentsRequest).GetTrialId()
			return &loddv1.ListCompartmentsResponse{Lists: []string{
				trial + "/conduct", "system", trial + "/outcome", trial + "/delivery", trial + "/allocation",
			}}
		},
		"GetCheckpoint": func(req proto.Message) any { return l.checkpoint(req.(*loddv1.GetCheckpointRequest).GetList()) },
		"AddCosignature": func(req proto.Message) any {
			r := req.(*loddv1.AddCosignatureRequest)
			l.left[r.GetList()] = r.GetCheckpoint()
			return &loddv1.AddCosignatureResponse{}
		},
		"ListLeaves": func(req proto.Message) any {
			var out []proto.Message
			for _, e := range l.entries[req.(*loddv1.ListLeavesRequest).GetList()] {
				h := audit.Leaf([]byte(e))
				out = append(out, &loddv1.ListLeavesResponse{Hashes: h[:]})
			}
			return out
		},
	})
	w.saveProfile(client.Profile{Server: "lodd.test:443", Pin: w.pin, User: "kari", Trial: "IPS", LogKey: public, ExportKey: "x"})
	w.stdin = "the password\n"
	w.mustRun("witness", "init", "--name", "w.example.org")
	return w, l
}

func (l *auditedLog) checkpoint(list string) any {
	var tree audit.Tree
	for _, e := range l.entries[list] {
		tree.Add(audit.Leaf([]byte(e)))
	}
	b, err := audit.Checkpoint{Origin: "lodd.test/" + list, Size: tree.Size(), Root: tree.Root()}.Sign(l.signer)
	if err != nil {
		return err
	}
	return &loddv1.GetCheckpointResponse{Checkpoint: string(b), Cosigned: l.left[list]}
}

// What a witness does by night: sign in, check, sign, and sign out.
func TestWitness(t *testing.T) {
	w, l := newAudited(t)
	if err := w.dirs.RemoveSession(); err != nil {
		t.Fatal(err)
	}
	o := w.mustRun("witness", "--password-stdin", "-o", "csv")
	want := "list,entries,seen_before,cosigned\r\n" +
		"IPS/conduct,2,0,true\r\nsystem,3,0,true\r\nIPS/outcome,0,0,false\r\nIPS/delivery,0,0,false\r\nIPS/allocation,0,0,false\r\n" +
		"TAU/conduct,1,0,true\r\nTAU/outcome,0,0,false\r\nTAU/delivery,0,0,false\r\nTAU/allocation,0,0,false\r\n"
	if o.stdout != want {
		t.Errorf("put out %q, want %q", o.stdout, want)
	}
	if _, err := w.dirs.LoadSession(w.pin, t0); !errors.Is(err, client.ErrNoSession) {
		t.Errorf("a session is left: %v", err)
	}
	if last := w.fake.calls[len(w.fake.calls)-1].method; last != "Logout" {
		t.Errorf("the last call is %s", last)
	}
	if o := w.mustRun("witness", "--password-stdin", "--trial", "TAU", "-o", "csv"); !strings.Contains(o.stdout, "TAU/conduct,1,1,true") || strings.Contains(o.stdout, "IPS") {
		t.Errorf("put out %q", o.stdout)
	}

	// Those who trust the witness see it, others don't.
	w.mustRun("login", "--password-stdin")
	if o := w.mustRun("audit", "verify", "-o", "csv"); !strings.Contains(o.stdout, ",true,0,\r\n") || strings.Contains(o.stdout, "example") {
		t.Errorf("unknown: %s", o.stdout)
	}
	key, err := os.ReadFile(filepath.Join(w.dirs.State, "witness", "witness.key"))
	if err != nil {
		t.Fatal(err)
	}
	private, err := audit.NewCosigner(strings.TrimSpace(string(key)), t0)
	if err != nil {
		t.Fatal(err)
	}
	w.mustRun("witness", "trust", private.Verifier().String())
	w.mustRun("witness", "trust", private.Verifier().String())
	o = w.mustRun("audit", "verify", "-o", "csv")
	if !strings.Contains(o.stdout, "true,2,w.example.org 2026-11-21T22:41:07Z") || strings.Count(o.stdout, "w.example.org") != 2 {
		t.Errorf("known: %s", o.stdout)
	}
	l.entries["IPS/conduct"] = append(l.entries["IPS/conduct"][:0:0], "a", "x")
	if o := w.run("audit", "verify"); o.code != exitNotVerified {
		t.Errorf("forked: exit %d, %s", o.code, o.stderr)
	}
}

func (w *world) witnessKey() string { return filepath.Join(w.dirs.State, "witness", "witness.key") }

// The exit code tells a log that is not what it was from one that could not be
// checked; neither is signed, and the rest is checked all the same.
func TestWitnessExitCodes(t *testing.T) {
	down := status.Error(codes.Internal, "internal error")
	for _, tt := range []struct {
		name string
		lie  func(*world, *auditedLog)
		args []string
		code int
		says string
	}{
		{"as it was", func(*world, *auditedLog) {}, nil, exitDone, ""},
		{"rewritten", func(_ *world, l *auditedLog) { l.entries["TAU/conduct"] = []string{"x"} }, nil, exitNotVerified, "TAU/conduct: the log was rewritten"},
		{"shorter", func(_ *world, l *auditedLog) { l.entries["IPS/conduct"] = []string{"a"} }, nil, exitNotVerified, "witness/checkpoints away"},
		{"rewritten, and the rest not reached", func(w *world, l *auditedLog) {
			l.entries["IPS/conduct"] = []string{"x", "y"}
			w.fake.answers["AddCosignature"] = down
		}, nil, exitNotVerified, "IPS/conduct: the log was rewritten"},
		{"the server is ill", func(w *world, _ *auditedLog) { w.fake.answers["GetCheckpoint"] = down }, nil, exitUnknown, "we do not know yet"},
		{"the signature isn't taken", func(w *world, _ *auditedLog) {
			w.fake.answers["AddCosignature"] = status.Error(codes.InvalidArgument, "checkpoint: no witness")
		}, nil, exitUnknown, "did not take the signature of IPS/conduct, system, TAU/conduct: checkpoint: no witness"},
		{"signed out", func(w *world, _ *auditedLog) { w.dirs.RemoveSession() }, nil, exitUnknown, "not signed in"},
		{"another password", func(w *world, _ *auditedLog) {
			w.fake.answers["Login"] = status.Error(codes.Unauthenticated, "no")
		}, []string{"--password-stdin"}, exitUnknown, "we do not know yet"},
		{"no auditor", func(w *world, l *auditedLog) {
			w.fake.answers["WhoAmI"] = &loddv1.WhoAmIResponse{User: "kari", LogKey: l.key, ExportKey: "x"}
		}, nil, exitUnknown, "any more: IPS, TAU;"},
		{"another log key", func(w *world, _ *auditedLog) {
			w.fake.answers["WhoAmI"] = &loddv1.WhoAmIResponse{User: "kari", LogKey: anotherLogKey, ExportKey: "x"}
		}, []string{"--password-stdin"}, exitNotVerified, "log_key"},
		{"no key of a witness", func(*world, *auditedLog) {}, []string{"--dir", "/nowhere"}, exitUsage, "lodd witness init"},
		{"an empty key", func(w *world, _ *auditedLog) { os.WriteFile(w.witnessKey(), nil, 0o600) }, nil, exitUsage, "doesn't hold the whole key"},
		{"a key for all to read", func(w *world, _ *auditedLog) { os.Chmod(w.witnessKey(), 0o644) }, nil, exitUsage, "make another key in another folder"},
		{"a damaged memory", func(w *world, _ *auditedLog) { w.damageMemory("witness/checkpoints") }, nil, exitNotVerified, "bring it back from the backup, or move "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, l := newAudited(t)
			w.mustRun("witness")
			before := map[string]string{}
			for list, checkpoint := range l.left {
				before[list] = checkpoint
			}
			tt.lie(w, l)
			l.left = map[string]string{}
			o := w.run(append([]string{"witness"}, tt.args...)...)
			if o.code != tt.code || !strings.Contains(o.stderr, tt.says) {
				t.Errorf("exit %d, want %d with %q\n%s", o.code, tt.code, tt.says, o.stderr)
			}
			for list, checkpoint := range l.left {
				if before[list] != checkpoint {
					t.Errorf("signed another %s", list)
				}
			}
			if tt.code == exitNotVerified && strings.Contains(tt.says, "rewritten") && !strings.Contains(o.stderr, w.dirs.Evidence()) {
				t.Errorf("no evidence is named: %s", o.stderr)
			}
		})
	}
}

// A trial that was checked before is checked again, whatever the server offers; that
// it doesn't offer it any more is said.
func TestWitnessRemembersItsTrials(t *testing.T) {
	w, l := newAudited(t)
	offer := w.fake.answers["WhoAmI"]
	w.fake.answers["WhoAmI"] = &loddv1.WhoAmIResponse{User: "kari", LogKey: l.key, ExportKey: "x"}
	if o := w.run("witness"); o.code != exitUnknown || !strings.Contains(o.stderr, "auditor of no trial") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
	w.fake.answers["WhoAmI"] = offer
	w.mustRun("witness")
	w.fake.answers["WhoAmI"] = &loddv1.WhoAmIResponse{User: "kari", LogKey: l.key, ExportKey: "x", Roles: []*loddv1.HeldRole{{TrialId: "TAU", Role: "auditor"}}}
	o := w.run("witness", "-o", "csv")
	if o.code != exitUnknown || !strings.Contains(o.stderr, "not offered to this account any more: IPS;") || !strings.Contains(o.stdout, "IPS/conduct,2,2,true") || !strings.Contains(o.stdout, "TAU/conduct,1,1,true") {
		t.Errorf("exit %d, %s%s", o.code, o.stdout, o.stderr)
	}
	if o := w.run("witness", "--trial", "TAU"); o.code != exitDone {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
	l.entries["IPS/conduct"] = []string{"x"}
	if o := w.run("witness"); o.code != exitNotVerified || !strings.Contains(o.stderr, "IPS/conduct: the log has become shorter") || !strings.Contains(o.stderr, "not offered to this account any more: IPS;") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}

// Whoever trusts a witness is told if its signature disappears, or is displaced.
func TestAuditVerifyMissesWitnesses(t *testing.T) {
	w, l := newAudited(t)
	w.mustRun("witness")
	key, err := os.ReadFile(filepath.Join(w.dirs.State, "witness", "witness.key"))
	if err != nil {
		t.Fatal(err)
	}
	private, err := audit.NewCosigner(strings.TrimSpace(string(key)), t0)
	if err != nil {
		t.Fatal(err)
	}
	w.mustRun("witness", "trust", private.Verifier().String())
	w.mustRun("audit", "verify")
	l.left = map[string]string{}
	if o := w.run("audit", "verify"); o.code != exitNotVerified || !strings.Contains(o.stderr, "w.example.org had co-signed 2 entries") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}

// A log that couldn't be checked is told of, once, though the answer is there.
func TestUncheckedLogsAreTold(t *testing.T) {
	w, _ := newAudited(t)
	w.mustRun("audit", "verify")
	w.fake.answers["GetCheckpoint"] = status.Error(codes.Internal, "internal error")
	w.fake.answers["ListLocks"] = &loddv1.ListLocksResponse{}
	o := w.run("export", "list")
	if o.code != exitDone || strings.Count(o.stderr, "the log of IPS could not be checked") != 1 {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}

// A witness's key is shown with what to do with it, and never the secret half.
func TestWitnessInit(t *testing.T) {
	w := newWorld(t, nil)
	o := w.mustRun("witness", "init", "--name", "w.example.org", "-o", "csv")
	b, err := os.ReadFile(w.witnessKey())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(o.stdout+o.stderr, strings.TrimSpace(string(b))) || !strings.Contains(o.stderr, `witnesses = ["w.example.org+`) || !strings.Contains(o.stdout, "w.example.org+") {
		t.Errorf("%s%s", o.stdout, o.stderr)
	}
	if again := w.mustRun("witness", "init", "--name", "w.example.org", "-o", "csv"); again.stdout != o.stdout || !strings.Contains(again.stderr, "it was not replaced") {
		t.Errorf("%s%s", again.stdout, again.stderr)
	}
	for name, want := range map[string]string{"w2.example.org": "the witness w.example.org already", "w 2": "letters without spaces"} {
		if o := w.run("witness", "init", "--name", name); o.code != exitUsage || !strings.Contains(o.stderr, want) {
			t.Errorf("%s: exit %d, %s", name, o.code, o.stderr)
		}
	}
	if now, err := os.ReadFile(w.witnessKey()); err != nil || string(now) != string(b) {
		t.Errorf("the key was replaced: %v", err)
	}
	if o := w.run("witness", "trust", "nonsense"); o.code != exitUsage || !strings.Contains(o.stderr, "it is no key") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
	w.saveProfile(client.Profile{Server: "lodd.test:443", Pin: w.pin, Witnesses: []string{"nonsense"}})
	if o := w.run("whoami"); o.code != exitUsage || !strings.Contains(o.stderr, "config.toml") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
}

// Nobody forgets what was seen without saying so.
func TestAcceptForkIsConfirmed(t *testing.T) {
	w, l := newAudited(t)
	w.mustRun("audit", "verify")
	l.entries["IPS/conduct"] = []string{"a"}
	if o := w.run("audit", "verify"); o.code != exitNotVerified || !strings.Contains(o.stderr, "older copy") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
	if o := w.run("audit", "accept-fork", "--confirm", "TAU"); o.code != exitUsage || !strings.Contains(o.stderr, "--confirm names TAU, and the trial is IPS") {
		t.Errorf("exit %d, %s", o.code, o.stderr)
	}
	if o := w.mustRun("audit", "accept-fork", "--confirm", "IPS"); strings.Count(o.stdout, "-accepted-") < 2 {
		t.Errorf("%s", o.stdout)
	}
	w.mustRun("audit", "verify")
}
