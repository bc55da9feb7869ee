package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// opening is a world in which an arm can be opened by who proves it.
func opening(t *testing.T) *world {
	t.Helper()
	receipt := &loddv1.Receipt{List: "IPS/allocation", Index: 41, LeafHash: make([]byte, 32), At: timestamppb.New(t0)}
	return newWorld(t, map[string]any{
		"StepUp": func(req proto.Message) any {
			if r := req.(*loddv1.StepUpRequest); r.GetCode() == "" {
				return refusal(t, codes.PermissionDenied, "CODE_NEEDED")
			}
			return &loddv1.StepUpResponse{Token: "proof"}
		},
		"Unblind": func(req proto.Message) any {
			if req.(*loddv1.UnblindRequest).GetStepUp() != "proof" {
				return refusal(t, codes.PermissionDenied, "STEP_UP")
			}
			return &loddv1.UnblindResponse{Receipt: receipt, Arm: &loddv1.Arm{Id: "tau-usual-care", Label: &loddv1.Text{Nb: "Vanlig oppfølging", En: "Usual care"}}}
		},
	})
}

// Whoever sits at a terminal is asked for the reason, the number and the password,
// in this order, and is told the arm once; no file keeps it.
func TestUnblindAsksAndForgets(t *testing.T) {
	w := opening(t)
	console := &script{answers: []string{"found unconscious at home", "OSL-0007", "seven green bottles stand", "123456"}}
	w.console = console
	o := w.mustRun("participant", "unblind", "OSL-0007", "--reason", "medical-emergency", "--output", "table")
	if console.secrets != 1 || len(console.asked) != 4 || !strings.Contains(o.stdout, "tau-usual-care") || !strings.Contains(o.stderr, "stored nowhere") {
		t.Errorf("%d secrets, asked %q\n%s%s", console.secrets, console.asked, o.stdout, o.stderr)
	}
	for _, c := range w.fake.calls {
		if req, ok := c.req.(*loddv1.UnblindRequest); ok && (req.GetText() != "found unconscious at home" || req.GetConfirm() != "OSL-0007") {
			t.Errorf("asked for %v", req)
		}
	}
	for _, dir := range []string{w.dirs.Config, w.dirs.State} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if strings.Contains(string(b), "tau-usual-care") || strings.Contains(string(b), "Usual care") {
				t.Errorf("%s holds the arm", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// Nobody is asked for a password in vain, and without one nothing is opened.
func TestUnblindStopsEarly(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []string
		reason  string
		code    int
		calls   int
	}{
		{"another reason", nil, "curiosity", exitUsage, 0},
		{"no words", []string{""}, "other", exitUsage, 0},
		{"no number", []string{"found unconscious", ""}, "other", exitUsage, 0},
		{"no password", []string{"found unconscious", "OSL-0007"}, "other", exitInterrupted, 0},
		{"no code", []string{"found unconscious", "OSL-0007", "seven green bottles", ""}, "other", exitSignIn, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := opening(t)
			w.console = &script{answers: tt.answers}
			o := w.run("participant", "unblind", "OSL-0007", "--reason", tt.reason)
			if o.code != tt.code || len(w.fake.calls) != tt.calls || o.stdout != "" {
				t.Errorf("exit %d after %d calls\n%s%s", o.code, len(w.fake.calls), o.stdout, o.stderr)
			}
		})
	}
}
