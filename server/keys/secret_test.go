package keys_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/server/keys"
)

func TestReadSecret(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		mode os.FileMode
		want string
		err  string
	}{
		{"a line", "correct horse\n", 0o600, "correct horse", ""},
		{"no end of the line", "correct horse", 0o400, "correct horse", ""},
		{"Windows' end of the line", "correct horse\r\n", 0o600, "correct horse", ""},
		{"a comment below", "correct horse\nof March\n", 0o600, "correct horse", ""},
		{"blanks count", " correct horse \n", 0o600, " correct horse ", ""},
		{"for the group", "correct horse\n", 0o440, "correct horse", ""},
		{"for all", "correct horse\n", 0o604, "", "chmod 600"},
		{"empty", "", 0o600, "", "is empty"},
		{"an empty line", "\ncorrect horse\n", 0o600, "", "is empty"},
		{"as long as may be", strings.Repeat("x", 4096), 0o600, strings.Repeat("x", 4096), ""},
		{"longer", strings.Repeat("x", 4097), 0o600, "", "longer than 4096"},
		{"much longer", strings.Repeat("x", 1<<20), 0o600, "", "longer than 4096"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && tt.mode == 0o604 {
				t.Skip("modes say nothing there")
			}
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			got, err := keys.ReadSecret(path)
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("ReadSecret = %.20q, %v; want %.20q, %q", got, err, tt.want, tt.err)
			}
			if err != nil && strings.Contains(err.Error(), "horse") {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
	if _, err := keys.ReadSecret(filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("a file that isn't there is read")
	}
}
