package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
)

// The second verifier tells a file that is none of Lodd's from a bundle whose key
// it wasn't given, and names the key that it wants.
func TestPythonVerifierSaysWhatIsMissing(t *testing.T) {
	python := needPython(t)
	for _, tt := range []struct {
		name, content string
		code          int
		want          string
	}{
		{"protocol.yaml", "id: IPS\ntitle: {nb: En studie, en: A trial}\n", 1, "NOT VERIFIED: it is neither an archive of the log nor a bundle"},
		{"empty.zip", "", 1, "NOT VERIFIED: it is neither an archive of the log nor a bundle"},
		{"bundle.zip", "PK\x03\x04" + strings.Repeat("x", 100), 2, "a bundle is verified with the key of exports: give it with --key"},
	} {
		path := filepath.Join(t.TempDir(), tt.name)
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), python, "docs/verify/lodd_verify.py", path)
		cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
		out, err := cmd.CombinedOutput()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exit.ExitCode() != tt.code || !strings.Contains(string(out), tt.want) || strings.Contains(string(out), "key of the log") {
			t.Errorf("%s: %v\n%s", tt.name, err, out)
		}
	}
}

// cmdSecond lets the second verifier judge an archive, with the key in a file if there
// is one: second FILE [KEY]. It must say what this program says.
func cmdSecond(ts *testscript.TestScript, neg bool, args []string) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			ts.Fatalf("python3 is missing: install it to run the second verifier")
		}
		ts.Logf("python3 is missing: the second verifier says nothing of %s", args[0])
		return
	}
	asked := []string{"docs/verify/lodd_verify.py", "--json", ts.MkAbs(args[0])}
	key := ""
	if len(args) > 1 {
		key = strings.TrimSpace(ts.ReadFile(args[1]))
		asked = append(asked, "--key", key)
	}
	cmd := exec.Command(python, asked...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out, _ := cmd.Output() // it ends with 1 if a file isn't verified, and says so
	var theirs verdict
	ts.Check(json.Unmarshal(out, &theirs))
	ours, err := firstSays(key, []byte(ts.ReadFile(args[0])))
	ts.Check(err)
	if ours.place() != theirs.place() || ours.OK == neg {
		ts.Fatalf("of %s Go says %+v, Python %+v", args[0], ours, theirs)
	}
}

// Both judge the released files alike: the bundle is good, and the archive is up to its
// first entry, which is none of a trial.
func TestBothVerifiersReadTheGoldenFiles(t *testing.T) {
	const name = "lodd.example.org"
	seed := sha256.Sum256([]byte(name))
	_, key, err := note.GenerateKey(bytes.NewReader(seed[:]), name)
	if err != nil {
		t.Fatal(err)
	}
	s := newSecond(t, key)
	golden := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("audit", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if v := s.mustAgree(t, key, golden("archive.golden")); v.OK || v.List != "T1/conduct" || v.Index != 0 {
		t.Errorf("archive: %+v", v)
	}
	bundle := golden("bundle.golden")
	for _, b := range [][]byte{bundle, flipped(bundle, len(bundle)/2)} {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			t.Fatal(err)
		}
		_, ours := audit.VerifyBundle(bytes.NewReader(b), int64(len(b)), note.VerifierList(verifier))
		v, err := s.says(b)
		if err != nil || v.OK != (ours == nil) || v.OK != bytes.Equal(b, bundle) {
			t.Errorf("bundle: %+v, %v, %v", v, ours, err)
		}
	}
}
