package audit_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// The form of checkpoints is that of C2SP tlog-checkpoint, for ever.
func TestCheckpointIsAsReleased(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "T1/conduct", 300)
	signed, err := l.Checkpoint(t.Context(), "T1/conduct")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "checkpoint.golden", signed)
	again, err := l.Checkpoint(t.Context(), "T1/conduct")
	if err != nil || string(again) != string(signed) {
		t.Errorf("the same size was signed differently: %q, %v", again, err)
	}
}

func TestCheckpointIsReadStrictly(t *testing.T) {
	signer, verifier := key(t, origin)
	const root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"plain", "o/a\n0\n" + root + "\n", true},
		{"with extensions", "o/a\n5\n" + root + "\nsome extension\nanother\n", true},
		{"no root", "o/a\n0\n", false},
		{"no origin", "\n0\n" + root + "\n", false},
		{"negative size", "o/a\n-1\n" + root + "\n", false},
		{"size with zeros", "o/a\n01\n" + root + "\n", false},
		{"size with sign", "o/a\n+1\n" + root + "\n", false},
		{"size out of range", "o/a\n9223372036854775808\n" + root + "\n", false},
		{"short root", "o/a\n0\n" + root[4:] + "\n", false},
		{"root with loose bits", "o/a\n0\n" + strings.Replace(root, "FU=", "FV=", 1) + "\n", false},
	} {
		signed, err := note.Sign(&note.Note{Text: tt.text}, signer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := audit.OpenCheckpoint(signed, note.VerifierList(verifier)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := audit.OpenCheckpoint(make([]byte, 1<<20), note.VerifierList(verifier)); err == nil {
		t.Error("a megabyte of zeros is a checkpoint")
	}
}

func TestCheckpointOfAnotherListIsNoPast(t *testing.T) {
	var empty audit.Tree
	a := audit.Checkpoint{Origin: "o/a", Root: empty.Root()}
	b := audit.Checkpoint{Origin: "o/b", Size: 1}
	if err := b.CheckTree(a, nil); err == nil {
		t.Error("a list is the past of another one")
	}
	if err := (audit.Checkpoint{Origin: "o/a", Size: 1}).CheckTree(audit.Checkpoint{Origin: "o/a"}, nil); err == nil {
		t.Error("an empty list has a root of zeros")
	}
	other := audit.Checkpoint{Origin: "o/b", Size: 1, Root: b.Root}
	other.Root[0]++
	if err := b.CheckTree(other, nil); err == nil || !strings.Contains(err.Error(), "two heads of size 1") {
		t.Errorf("two roots of one size: %v", err)
	}
}

// A server can sign a head of any size. Whoever checks a proof against it comes to
// an end.
func TestProofsOfHugeListsEnd(t *testing.T) {
	past := audit.Checkpoint{Origin: "o/a", Size: 1}
	for _, size := range []int64{1 << 62, 1<<62 + 1, 1<<63 - 1} {
		huge := audit.Checkpoint{Origin: "o/a", Size: size}
		checks := make(chan error, 2)
		go func() {
			checks <- huge.CheckRecord(0, tlog.Hash{}, tlog.RecordProof{{1}})
			checks <- huge.CheckTree(past, tlog.TreeProof{{1}})
		}()
		for range cap(checks) {
			select {
			case err := <-checks:
				if err == nil {
					t.Errorf("size %d: something is proven", size)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("size %d: a check doesn't end", size)
			}
		}
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	signer, verifier := key(f, origin)
	signed, err := audit.Checkpoint{Origin: "o/a", Size: 7}.Sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add([]byte("o/a\n7\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := audit.OpenCheckpoint(b, note.VerifierList(verifier))
		if err == nil && (c.Origin != "o/a" || c.Size != 7) {
			t.Errorf("a forged checkpoint was opened: %+v", c)
		}
	})
}
