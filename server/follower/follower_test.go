package follower

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/client"
)

// A follower connects again after what passes, and ends with everything else.
func TestOnlyABrokenConnectionIsMadeAgain(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"the server is away", &cutOff{&client.Error{Code: codes.Unavailable}}, false},
		{"the server ends", &cutOff{io.EOF}, false},
		{"another machine answers", &cutOff{&client.CertificateError{}}, true},
		{"the server doesn't list it", &cutOff{&client.Error{Code: codes.PermissionDenied}}, true},
		{"the copy is damaged", fmt.Errorf("read: %w", &store.DamageError{List: "system", Index: 1}), true},
		{"the disk is full", fmt.Errorf("write: %w", store.ErrFull), true},
		{"a file can't be read", os.ErrPermission, true},
		{"another past", &audit.ForkError{List: "system"}, true},
	} {
		if got := final(tt.err); got != tt.want {
			t.Errorf("%s: final is %v", tt.name, got)
		}
	}
}

// The server knows a follower by its key: that is made once, and never in the
// place of a file that it can't read.
func TestKeyIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "follow.key")
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	_, first, err := Key(path, rand.Reader, at)
	if err != nil {
		t.Fatal(err)
	}
	certificate, second, err := Key(path, nil, at.AddDate(1, 0, 0))
	if err != nil || second != first || !certificate.Leaf.NotAfter.After(at.AddDate(3, 0, 0)) {
		t.Errorf("pins %s and %s, %v", first, second, err)
	}
	for _, damaged := range []string{"", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Key(path, rand.Reader, at); err == nil {
			t.Errorf("%q is a key", damaged)
		}
		if left, err := os.ReadFile(path); err != nil || string(left) != damaged {
			t.Errorf("%q became %q, %v", damaged, left, err)
		}
	}
	if _, _, err := Key(filepath.Join(t.TempDir(), "follow.key"), iotest.ErrReader(errors.New("dry")), at); err == nil {
		t.Error("a key without randomness")
	}
}
