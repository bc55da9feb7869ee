package replay_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/replay"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// stepped is the worked example of the document: three entries of system, the
// head over them, and the archive of both.
type stepped struct {
	key     string // of the log
	witness *audit.CosignatureVerifier
	entries [][]byte
	head    audit.Checkpoint
	older   audit.Checkpoint // over the first two
	note    []byte
	archive []byte
}

// run returns n bytes that count up from first.
func run(first, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(first + i)
	}
	return b
}

func singleSteps(t *testing.T) (s stepped) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var tree audit.Tree
	var leaves, records []byte
	for i, e := range []people.Event{people.SignedIn{Session: "s1"}, people.FactorEnrolled{}, people.SignedOut{Session: "s1"}} {
		body, err := entry.Marshal(entry.Entry{
			At: time.UnixMilli(1795000000000 + int64(i)), Actor: "kari", Event: e, Nonce: [16]byte(run(16*(i+1), 16)),
		})
		must(err)
		stored := entry.Authenticate(body, [32]byte(bytes.Repeat([]byte{7}, 32)), "system", int64(i))
		leaf := audit.Leaf(stored)
		s.older = audit.Checkpoint{Origin: origin + "/system", Size: tree.Size(), Root: tree.Root()}
		tree.Add(leaf)
		s.entries, leaves, records = append(s.entries, stored), append(leaves, leaf[:]...), audit.AppendRecord(records, int64(i), stored)
	}
	s.head = audit.Checkpoint{Origin: origin + "/system", Size: 3, Root: tree.Root()}

	private, key, err := note.GenerateKey(bytes.NewReader(run(0, 32)), origin+"/log")
	must(err)
	signer, err := note.NewSigner(private)
	must(err)
	private, _, err = audit.GenerateCosigner(bytes.NewReader(run(32, 32)), "witness.example.org")
	must(err)
	witness, err := audit.NewCosigner(private, time.Unix(1795000060, 0))
	must(err)
	s.key, s.witness = key, witness.Verifier()
	s.note, err = s.head.Sign(signer, witness)
	must(err)

	var b bytes.Buffer
	must(audit.WriteArchive(&b, audit.Archive{Origin: origin, Trial: "T1", Key: key}, []audit.Copy{{
		ArchivedList: audit.ArchivedList{List: "system", Size: 3, Entries: 3},
		Checkpoint:   s.note, Leaves: audit.Bytes(leaves), Records: audit.Bytes(records),
	}}))
	s.archive = b.Bytes()
	return s
}

// Every value of the worked example in the document is the one that comes out,
// and the archive of it is as it was released.
func TestSingleStepsAreThoseOfTheDocument(t *testing.T) {
	s := singleSteps(t)
	values := fmt.Sprintf("    log      %s\n    witness  %s\n", s.key, s.witness)
	for i, e := range s.entries {
		values += fmt.Sprintf("    entry %d  %x\n    leaf %d   %s\n", i, e, i, hexOf(audit.Leaf(e)))
	}
	values += fmt.Sprintf("    root 2   %s\n    root 3   %s\n", hexOf(s.older.Root), hexOf(s.head.Root))
	signed := ""
	for line := range strings.Lines(string(s.note)) {
		signed += strings.TrimRight("    "+line, " \n") + "\n"
	}
	document, err := os.ReadFile("../../docs/log-format.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range []string{values, signed} {
		if !strings.Contains(string(document), "\n\n"+block) {
			t.Errorf("the document has other values than\n\n%s", block)
		}
	}

	const name = "../../audit/testdata/steps.golden"
	if *update {
		if err := os.WriteFile(name, s.archive, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(golden, s.archive); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// The example is an archive like any other, and its proofs are those that the
// document names.
func TestSingleStepsAreVerified(t *testing.T) {
	s := singleSteps(t)
	verifier, err := note.NewVerifier(s.key)
	if err != nil {
		t.Fatal(err)
	}
	a, err := audit.ReadArchive(bytes.NewReader(s.archive), int64(len(s.archive)), note.VerifierList(verifier), s.witness)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]audit.Cosignature{"system": {{Witness: "witness.example.org", At: time.Unix(1795000060, 0).UTC()}}}
	if diff := cmp.Diff(want, a.Cosignatures); diff != "" {
		t.Errorf("co-signatures (-want +got):\n%s", diff)
	}
	if replayed, err := replay.Verify(a); err != nil || replayed != nil {
		t.Errorf("replayed %v, %v", replayed, err)
	}
	first, last := audit.Leaf(s.entries[0]), audit.Leaf(s.entries[2])
	if err := s.head.CheckRecord(1, audit.Leaf(s.entries[1]), tlog.RecordProof{first, last}); err != nil {
		t.Error(err)
	}
	if err := s.head.CheckTree(s.older, tlog.TreeProof{last}); err != nil {
		t.Error(err)
	}
}

func hexOf(h tlog.Hash) string { return hex.EncodeToString(h[:]) }
