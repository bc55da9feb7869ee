package export_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/randomization/table"
	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// unseal ends the story: somebody gets an envelope, slots are lost in a restore,
// one more is randomized, one withdraws from the data, and two people unseal.
func (w *world) unseal() {
	w.t.Helper()
	w.do("custodian", trial.ContingencyPrinted{Envelopes: 3, Recipients: [2][32]byte{{1}, {2}}})
	w.screen(person(20), "OSLO")
	w.submit(person(20), "baseline", "mood", instrument.Values{"score": instrument.Number(3)})
	w.do("coordinator", trial.ContingencyUsed{Participant: person(20), Envelope: 2, On: w.today(), Witness: "investigator", Reason: "server-down"})
	w.do("server", trial.Restored{Allocation: 2})
	w.do("custodian", trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSLO", Slots: 2}}})
	w.enrol(person(21), "OSLO")
	w.erase(person(3))
	w.do("investigator", trial.EnrolmentClosed{})
	w.lock()
	w.do("statistician", trial.PlanFrozen{Version: "2.0", Digest: [32]byte{7}})
	w.do("investigator", trial.UnsealingProposed{})
	w.do("custodian", trial.Unsealed{})
}

// reveal returns the bundle of the unsealed trial, which verifies.
func (w *world) reveal() bundle {
	w.t.Helper()
	r, err := w.trial.Reveal(w.t.Context())
	w.must(err)
	r.SealingRecord = "SEALING RECORD\n"
	var b bytes.Buffer
	w.must(export.BundleReveal(w.t.Context(), &b, r, w.output()))
	return w.read(b.Bytes())
}

// revealed returns what a reader of the bundle learns.
func (b bundle) revealed(t *testing.T) randomization.Reveal {
	t.Helper()
	r, err := table.ReadReveal(strings.NewReader(b.files["unsealed/design.txt"]), strings.NewReader(b.files["unsealed/allocations.csv"]))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRevealIsGolden(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	w.unseal()
	b := w.reveal()
	var got strings.Builder
	for _, name := range b.names {
		if strings.HasPrefix(name, "checkpoints/") || strings.HasPrefix(name, "manifest.") {
			continue // depend on the bytes of log entries, which other tests pin
		}
		text := strings.ReplaceAll(b.files[name], "\r\n", "\n")
		for _, row := range b.rows(t, "unsealed/participants.csv") {
			for i, column := range []string{"conduct_hash", "allocation_hash"} {
				if row[column] != "" {
					text = strings.ReplaceAll(text, row[column], fmt.Sprintf("<hash %d of %s>", i, row["order"]))
				}
			}
		}
		got.WriteString("-- " + name + " --\n" + text)
	}
	const file = "testdata/reveal.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the unsealed view has changed (-want +got):\n%s", diff)
	}
}

// Everybody but the bundle's own maker can compute every allocation, and finds
// who has it in the pooled view and in the log.
func TestRevealMatchesTheCommitmentTheLogAndThePooledView(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	w.unseal()
	b := w.reveal()
	r := b.revealed(t)
	if err := randomization.Verify(r); err != nil {
		t.Error(err)
	}
	var sealed randomization.Commitment
	w.must(w.trial.View(func(s *trial.State) error { sealed, _ = s.Commitment(); return nil }))
	if r.Commitment != sealed {
		t.Errorf("commitment %v, want that of the log, %v", r.Commitment, sealed)
	}
	kinds := map[string]int{}
	pooled := w.bundle(2).rows(t, "participants.csv")
	for i, row := range b.rows(t, "unsealed/participants.csv") {
		a := r.Allocations[i]
		kinds[row["kind"]]++
		if row["order"] != fmt.Sprint(i) || row["stratum"] != strings.ReplaceAll("'"+a.Stratum, "'O", "O") || row["participant"] != a.Participant {
			t.Errorf("row %d is %v, want one of %+v", i, row, a)
		}
		if a.Kind == randomization.Lost {
			continue
		}
		joined := slices.ContainsFunc(pooled, func(p map[string]string) bool { return p["row_key"] == row["row_key"] })
		if erased := a.Participant == "erased"; joined == erased || erased != (row["row_key"] == "") {
			t.Errorf("%s: joined with the pooled view: %v, row key %q", a.Participant, joined, row["row_key"])
		}
		for _, list := range []string{"conduct", "allocation"} {
			var index int64
			if _, err := fmt.Sscan(row[list+"_entry"], &index); err != nil {
				t.Fatal(err)
			}
			entries, err := w.log.Read(t.Context(), "TRIAL-1/"+list, index, index+1)
			w.must(err)
			if leaf := audit.Leaf(entries[0]); row[list+"_hash"] != hex.EncodeToString(leaf[:]) {
				t.Errorf("%s: entry %d of %s has another hash", a.Participant, index, list)
			}
			if who := person(3); a.Participant != "erased" && !bytes.Contains(entries[0], []byte(a.Participant)) || a.Participant == "erased" && !bytes.Contains(entries[0], []byte(who)) {
				t.Errorf("%s: entry %d of %s is about somebody else", a.Participant, index, list)
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"drawn": 9, "contingency": 1, "lost": 2}, kinds); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	if strings.Contains(string(b.raw), string(person(3))) {
		t.Error("the bundle names who withdrew from the data")
	}
	if n := len(b.rows(t, "unsealed/redcap-allocation.csv")); n != 9 {
		t.Errorf("%d lines in REDCap's table, want one for each that was drawn", n)
	}
	if m := b.manifest; m.Blinded || m.View != "unsealed" || m.Lock.Number != 2 || len(m.RevisedBy) != 0 || len(m.Compartments) != 3 {
		t.Errorf("manifest %+v", m)
	}
}

// Whatever happens later, and wherever it is made, the bundle is the same; but
// who withdraws from the data afterwards is not named any more.
func TestRevealIsTheSameForEver(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	if _, err := w.trial.Reveal(t.Context()); err == nil || err.Error() != trial.ErrNotUnsealed.Error() {
		t.Errorf("before the unsealing: %v, want ErrNotUnsealed", err)
	}
	w.unseal()
	first := w.reveal()
	w.do("auditor", trial.Revealed{})
	w.do("coordinator", trial.Died{Participant: person(0), On: w.today()})
	w.submit(person(21), "month-6", "mood", instrument.Values{"score": instrument.Number(3)})
	w.lock()
	w.reopen()
	if !bytes.Equal(first.raw, w.reveal().raw) {
		t.Error("the same trial gave other bytes later")
	}

	w.erase(person(1))
	revised := w.reveal()
	if bytes.Contains(revised.raw, []byte(person(1))) || len(revised.manifest.RevisedBy) != 1 {
		t.Errorf("names who withdrew: revised by %v", revised.manifest.RevisedBy)
	}
	if err := randomization.Verify(revised.revealed(t)); err != nil {
		t.Error(err)
	}
}
