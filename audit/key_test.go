package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
)

// keyOf returns the text of a public key, and of the same one as a witness's.
func keyOf(point []byte) (log, witness string) {
	text := func(kind byte) string {
		b := append([]byte{kind}, point...)
		sum := sha256.Sum256(append([]byte("lodd/log\n"), b...))
		return fmt.Sprintf("lodd/log+%x+%s", sum[:4], base64.StdEncoding.EncodeToString(b))
	}
	return text(1), text(4)
}

// A point has one way to be written, and a key in another one is refused wherever
// keys are read: other verifiers refuse it, too.
func TestKeysAreWrittenInOneWay(t *testing.T) {
	point := func(first, middle, last byte) []byte {
		return slices.Concat([]byte{first}, bytes.Repeat([]byte{middle}, 30), []byte{last})
	}
	for _, tt := range []struct {
		name string
		key  []byte
		ok   bool
	}{
		{"a small y", point(3, 0, 0), true},
		{"its negative", point(3, 0, 0x80), true},
		{"x is 0", point(1, 0, 0), true},
		{"-0", point(1, 0, 0x80), false},
		{"the largest y, x is 0", point(0xec, 0xff, 0x7f), true},
		{"the largest y, -0", point(0xec, 0xff, 0xff), false},
		{"the prime", point(0xed, 0xff, 0x7f), false},
		{"the prime and a sign", point(0xed, 0xff, 0xff), false},
		{"y as large as can be", point(0xff, 0xff, 0x7f), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log, witness := keyOf(tt.key)
			if _, err := note.NewVerifier(log); err != nil {
				t.Fatal(err)
			}
			v, err := audit.NewVerifier(log)
			if (err == nil) != tt.ok || err == nil && v.Name() != "lodd/log" {
				t.Errorf("as a log's: %v", err)
			}
			if _, err := audit.NewCosignatureVerifier(witness); (err == nil) != tt.ok {
				t.Errorf("as a witness's: %v", err)
			}
			err = audit.WriteArchive(&bytes.Buffer{}, audit.Archive{Origin: "lodd", Trial: "T1", Key: log}, []audit.Copy{{
				ArchivedList: audit.ArchivedList{List: "system"}, Leaves: audit.Bytes(nil), Records: audit.Bytes(nil),
			}})
			if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), "is no key of a log") {
				t.Errorf("in an archive: %v", err)
			}
		})
	}
	if _, err := audit.NewVerifier("no key"); err == nil {
		t.Error("a text that is no key is taken")
	}
}
