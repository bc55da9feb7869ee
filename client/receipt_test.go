package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/lodd-rct/lodd/audit"
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func TestPendingReceiptsAreReadStrictly(t *testing.T) {
	hash := strings.Repeat("0a", 32)
	good := `{"schema":"lodd.receipt/1","pin":"p","list":"IPS/conduct","index":7,"leaf_hash":"` + hash + `"}`
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"as written", good, true},
		{"another version", strings.Replace(good, "/1", "/2", 1), false},
		{"an unknown field", strings.Replace(good, `"pin"`, `"more":1,"pin"`, 1), false},
		{"half a hash", strings.Replace(good, hash, hash[:32], 1), false},
		{"a hash in capitals", strings.Replace(good, hash, strings.ToUpper(hash), 1), false},
		{"no hash", strings.Replace(good, hash, "", 1), false},
		{"an index below 0", strings.Replace(good, "7", "-7", 1), false},
		{"no compartment", strings.Replace(good, "IPS/conduct", "system", 1), false},
		{"no trial", strings.Replace(good, "IPS/conduct", "/conduct", 1), false},
		{"twice", good + good, false},
		{"cut off", good[:len(good)-1], false},
		{"nothing", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if p, err := parsePending([]byte(tt.text)); (err == nil) != tt.ok {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
}

// Receipts wait for the trial and the server that they are of, in the order of
// the log, each once.
func TestReceiptsWaitPerTrialAndServer(t *testing.T) {
	m := memory{dir: t.TempDir(), pin: "p"}
	a := Receipt{List: "IPS/conduct", Index: 9, Leaf: leaf{1}}
	b := Receipt{List: "IPS/conduct", Index: 10, Leaf: leaf{2}}
	c := Receipt{List: "IPS/outcome", Index: 3}
	for _, r := range []Receipt{c, b, a, a, {List: "TAU/conduct"}} {
		if err := m.keep(r, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := (memory{dir: m.dir, pin: "q"}).keep(a, 0); err != nil {
		t.Fatal(err)
	}
	got, err := m.pending("IPS")
	var receipts []Receipt
	for _, r := range got {
		receipts = append(receipts, r.Receipt)
	}
	if diff := cmp.Diff([]Receipt{a, b, c}, receipts); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
	if err := m.drop(b); err != nil {
		t.Fatal(err)
	}
	if err := m.drop(b); err != nil { // another process was faster
		t.Fatal(err)
	}
	if got, err := m.pending("IPS"); err != nil || len(got) != 2 {
		t.Error(got, err)
	}
	if info, err := os.Stat(m.receiptPath(a)); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}

// A receipt of a compartment where nothing of the kind stands is refused at once: it
// isn't kept until somebody may see that compartment.
func TestReceiptsOfAnotherCompartmentDoNotWait(t *testing.T) {
	m := newMachine(t)
	c := m.begin()
	m.must(m.exclude(c, "P1"))
	m.server.lie(func() {
		m.server.fail = status.Error(codes.NotFound, "compartment")
		m.server.receipt = func(r *loddv1.Receipt) *loddv1.Receipt { r.List = "IPS/allocation"; return r }
	})
	m.wrong(m.exclude(c, "P2"), "is of IPS/allocation, where no entry")
	if files := m.files("checkpoints/*.receipt"); len(files) != 0 {
		t.Errorf("kept %v", files)
	}
}

// What is written is never changed by a later finding.
func TestEvidenceIsNeverOverwritten(t *testing.T) {
	m := newMachine(t)
	c := m.begin()
	one, two := c.found(finding{List: "a", Problem: "x"}), c.found(finding{List: "a", Problem: "y"})
	if again := c.found(finding{List: "a", Problem: "x"}); one.Evidence == two.Evidence || again.Evidence != one.Evidence || len(m.files("evidence/*")) != 2 {
		t.Errorf("%v, %v, %v", one, two, again)
	}
	b, err := os.ReadFile(one.Evidence)
	m.must(err)
	if err := createPrivate(one.Evidence, []byte("z")); err == nil {
		t.Error("evidence was overwritten")
	}
	if after, err := os.ReadFile(one.Evidence); err != nil || !bytes.Equal(b, after) {
		t.Error(err)
	}
	m.must(os.RemoveAll(m.dir + "/evidence"))
	m.must(os.WriteFile(m.dir+"/evidence", nil, 0o600)) // no folder can be made there
	if e := c.found(finding{List: "a", Problem: "x"}); e.Evidence != "" || !strings.Contains(e.Error(), "x; the evidence could not be written") {
		t.Errorf("%v", e)
	}
}

// What a full disk or a crash left of a finding doesn't silence the next one.
func TestHalfEvidenceIsWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	f := finding{List: "L", Problem: "rewritten", Remembered: "A", Given: "B"}
	at := time.Unix(1700000000, 0)
	one, err := writeEvidence(dir, f, at)
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range []string{one, one} {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, whole[:len(whole)/2*i], 0o600); err != nil {
			t.Fatal(err)
		}
		two, err := writeEvidence(dir, f, at.Add(time.Duration(i)*time.Hour)) // at the same second, and later
		if err != nil || two == path {
			t.Fatalf("%s again, %v", two, err)
		}
		if !holds(two, f) {
			t.Errorf("%s doesn't hold it", two)
		}
		if again, err := writeEvidence(dir, f, at.Add(48*time.Hour)); err != nil || again != two {
			t.Errorf("written again as %s, %v", again, err)
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(two); err != nil {
			t.Fatal(err)
		}
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(files) != 1 {
		t.Errorf("left %v, %v", files, err)
	}
}

func FuzzPendingReceipt(f *testing.F) {
	f.Add([]byte(`{"schema":"lodd.receipt/1","pin":"p","list":"IPS/conduct","index":7,"leaf_hash":"` + strings.Repeat("0a", 32) + `"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePending(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if q, err := parsePending(again); err != nil || q != p || q.trial() == "" {
			t.Errorf("%q is read as %+v, then as %+v, %v", b, p, q, err)
		}
	})
}

// Whatever a server sends as receipt and proof, the client ends with a verdict.
func FuzzReceiptAndProof(f *testing.F) {
	f.Add("IPS/conduct", int64(3), make([]byte, 32), make([]byte, 96))
	f.Fuzz(func(t *testing.T, list string, index int64, hash, hashes []byte) {
		r, err := openReceipt(&loddv1.Receipt{List: list, Index: index, LeafHash: hash}, Request{})
		if err == nil && (r.trial() == "" || r.Index < 0 || !bytes.Equal(r.Leaf[:], hash)) {
			t.Errorf("%+v", r)
		}
		var pieces [][]byte
		for len(hashes) > 0 {
			n := min(len(hashes), int(hashes[0])%48+1)
			pieces, hashes = append(pieces, hashes[:n]), hashes[n:]
		}
		proof, err := openHashes(pieces)
		if err == nil && len(proof) != len(pieces) {
			t.Errorf("%d hashes of %d", len(proof), len(pieces))
		}
		if err == nil {
			now := head{}
			now.Size = index
			_ = now.CheckRecord(index-1, [32]byte(r.Leaf), proof)
			_ = now.CheckTree(now.Checkpoint, proof)
		}
	})
}

// Whatever entry a server shows for a receipt, it answers the request only if it was
// made by it.
func FuzzEntryOfAReceipt(f *testing.F) {
	f.Add([]byte(excluded("kari", requestOf("P1"), "P1")))
	f.Add([]byte(excluded("kari", requestOf("P2"), "P1")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, entry []byte) {
		r := Receipt{
			List: "IPS/conduct", Leaf: leaf(audit.Leaf(entry)),
			Request: Request{ID: requestOf("P1"), Actor: "kari", Kind: "excluded", Participant: "P1"},
		}
		if r.answers(entry) != nil {
			return
		}
		var e logv1.Entry
		if err := proto.Unmarshal(entry, &e); err != nil || e.GetExcluded() == nil || e.GetActor() != "kari" || fmt.Sprintf("%x", e.GetRequestId()) != strings.ReplaceAll(requestOf("P1"), "-", "") {
			t.Errorf("%v was taken for the entry, %v", &e, err)
		}
	})
}
