package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
