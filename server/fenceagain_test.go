package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/trial"
)

// opened returns what a signed head says.
func (w *world) opened(signed string) audit.Checkpoint {
	w.t.Helper()
	verifier, err := note.NewVerifier(w.keys.LogVerifier)
	w.must(err)
	c, err := audit.OpenCheckpoint([]byte(signed), note.VerifierList(verifier))
	w.must(err)
	return c
}

// signed returns a head as this server would have signed it in another past.
func (w *world) signed(list string, size int64, root byte) string {
	w.t.Helper()
	b, err := audit.Checkpoint{Origin: "example.org/" + list, Size: size, Root: tlog.Hash{root}}.Sign(w.keys.LogSigner)
	w.must(err)
	return string(b)
}

// shows reports a head that is lost, and demands what the trial is then.
func (w *world) shows(head, state string) {
	w.t.Helper()
	if behind, err := w.report("au", head); err != nil || !behind {
		w.t.Errorf("behind = %t, %v", behind, err)
	}
	if got := w.state(); got != state {
		w.t.Errorf("the trial is %s, want %s", got, state)
	}
}

// What is reconciled is one past. Whoever puts an older copy back once more makes
// another, and its first head fences the trial, however much the first has shown.
func TestLeakL25SecondOlderCopyIsFencedToo(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	older := w.store.Reopen()
	for i := 2; i <= 6; i++ {
		w.randomize(fmt.Sprintf("S-%d", i), "OSL")
	}
	first := []string{w.head("T1/conduct"), w.head("T1/allocation")}
	w.putBack(older)
	w.shows(first[0], "fenced")
	w.shows(first[1], "fenced")
	w.must(w.reconcile(5))

	copied := w.store.Reopen()
	w.randomize("S-60", "OSL")
	used := w.slotOf("S-60")
	second := []string{w.head("T1/conduct"), w.head("T1/allocation")}
	for i, head := range second {
		if got, noted := w.opened(head).Size, w.opened(first[i]).Size; got > noted {
			t.Fatalf("%d entries, not fewer than the %d that are noted", got, noted)
		}
	}
	w.putBack(copied)
	w.shows(second[0], "fenced")
	w.ready("S-61", "OSL")
	refused(t, w.tryPrepare("S-61"), codes.FailedPrecondition, "FENCED")
	w.shows(second[1], "fenced")
	refused(t, w.reconcile(0), codes.InvalidArgument, "") // one allocation is known to be lost
	w.must(w.reconcile(1))
	w.randomize("S-62", "OSL")
	if slot := w.slotOf("S-62"); slot != used+1 {
		t.Errorf("S-62 has slot %d, want the one behind S-60's, which was %d", slot, used)
	}
	for range 2 {
		for _, head := range append(first, second...) {
			w.shows(head, "open")
		}
		w.restart()
	}
}

// Every copy that is put back makes a past of its own, and what is known of one
// makes the loss of another no smaller: no slot is used twice.
func TestLeakL25CopiesPutBackOverAndOverAreFenced(t *testing.T) {
	w := newTrial(t, nil)
	drawn := map[int]trial.ParticipantID{}
	for round := range 3 {
		copied := w.store.Reopen()
		for i := range round + 1 {
			p := trial.ParticipantID(fmt.Sprintf("S-%d-%d", round, i))
			w.randomize(string(p), "OSL")
			slot := w.slotOf(p)
			if other, again := drawn[slot]; again {
				t.Errorf("%s has slot %d, as %s had", p, slot, other)
			}
			drawn[slot] = p
		}
		seen := w.head("T1/allocation")
		w.putBack(copied)
		w.shows(seen, "fenced")
		refused(t, w.reconcile(int32(round)), codes.InvalidArgument, "")
		w.must(w.reconcile(int32(round + 1)))
	}
}

// Of what one run of the server is shown, the largest head that was reconciled
// counts: a larger one adds what lies beyond, a smaller one a slot to be safe.
func TestLeakL25LargerHeadsAddWhatLiesBeyond(t *testing.T) {
	w := newTrial(t, nil)
	for _, step := range []struct {
		size  int64
		slots int32 // that must be given up, and no fewer
	}{{9, 9}, {5, 1}, {11, 2}} {
		w.shows(w.signed("T1/allocation", step.size, 1), "fenced")
		refused(t, w.reconcile(step.slots-1), codes.InvalidArgument, "")
		w.must(w.reconcile(step.slots))
	}
}

// What was shown while the trial waited is reconciled with the rest. A head that
// wasn't, though smaller, may be of another past and raises one fence, and so does
// one of the same size.
func TestLeakL25EachHeadIsReconciledOnce(t *testing.T) {
	w := newTrial(t, nil)
	older := w.store.Reopen()
	var heads []string
	for i := range 4 {
		w.ready(fmt.Sprintf("S-%d", i), "OSL")
		heads = append(heads, w.head("T1/conduct"))
	}
	w.putBack(older)
	w.shows(heads[3], "fenced")
	w.shows(heads[1], "fenced")
	w.shows(heads[2], "fenced")
	if n := w.count("T1/conduct", "restored"); n != 1 {
		t.Errorf("%d fences for three heads, the largest first", n)
	}
	w.must(w.reconcile(0))
	late := []string{heads[0], w.signed("T1/conduct", w.opened(heads[3]).Size, 7)}
	for _, head := range late {
		for _, known := range heads[1:] {
			w.shows(known, "open")
		}
		w.shows(head, "fenced")
		w.shows(head, "fenced")
		w.must(w.reconcile(0))
		w.shows(head, "open")
		w.restart()
		w.shows(head, "open")
	}
	if n := w.count("T1/conduct", "restored"); n != 3 {
		t.Errorf("%d fences for three times", n)
	}
}

// What is noted of losses is bounded, by what a value of the map may hold: the
// newest stay. Nothing that isn't a note keeps a fence down.
func TestLeakL25NotedLossesAreBounded(t *testing.T) {
	w := newTrial(t, nil)
	lost := w.signed("T1/conduct", 1<<20, 1)
	for name, value := range map[string]string{
		"a size":    "9999999",
		"damage":    "1048576 AAAA\n1048576\n\n \n1048576 AAAA T1 x\nx AAAA T1 1\n1048576 AAAA T1 -1\n1048576 AAAA T1 9999\n1048576 AAAA T9 1",
		"one fewer": notedHeads(1597),
		"full":      notedHeads(1598),
	} {
		t.Run(name, func(t *testing.T) {
			w.must(w.store.Put(t.Context(), "restored/T1/conduct", []byte(value)))
			w.shows(lost, "fenced")
			w.must(w.reconcile(0))
			w.shows(lost, "open")
			old, err := w.store.Get(t.Context(), "restored/T1/conduct")
			w.must(err)
			for i := range 3 {
				head := w.signed("T1/conduct", 1<<20, byte(i+2))
				w.shows(head, "fenced")
				w.must(w.reconcile(0))
				w.shows(head, "open")
				w.shows(lost, "open")
			}
			b, err := w.store.Get(t.Context(), "restored/T1/conduct")
			if err != nil || len(b) > store.MaxRecord || name == "full" && len(b) < len(old)-100 {
				t.Errorf("%d bytes are noted, after %d, %v", len(b), len(old), err)
			}
		})
	}
}

// notedHeads returns as many heads as a value of the map notes them, but for the
// codes.
func notedHeads(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d %s== T1 9999\n", 1<<20+i, strings.Repeat("A", 22))
	}
	return b.String()
}

// A restore notes the heads that it has counted: those that are lost, of trials
// that exist, that the server has signed, each once, and beside what was noted.
func TestNoteRestoredNotesWhatIsLost(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.store.Put(t.Context(), "restored/T1/conduct", []byte(notedHeads(1))))
	lost := w.signed("T1/conduct", 1<<20+1, 1)
	heads := []string{
		lost, w.head("T1/conduct"), w.signed("GONE/conduct", 1<<20, 1), "no note", lost,
		w.signed("system", 1<<20, 3), w.signed("T1/conduct", 5, 4),
	}
	c := server.Config{Ledger: w.ledger, Log: w.log, Vault: w.vault, Keys: w.keys, Credentials: w.store, NotFound: store.ErrNotFound}
	for range 2 {
		w.must(server.NoteRestored(t.Context(), c, heads))
	}
	got := map[string][]string{}
	for _, list := range []string{"T1/conduct", "GONE/conduct", "system", "T1/outcome"} {
		b, _ := w.store.Get(t.Context(), "restored/"+list)
		for line := range strings.Lines(string(b)) {
			size, _, _ := strings.Cut(line, " ")
			got[list] = append(got[list], size)
		}
	}
	want := map[string][]string{"T1/conduct": {"5", "1048577", "1048576"}, "system": {"1048576"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	w.shows(lost, "fenced")
	w.must(w.reconcile(0))
	w.shows(lost, "open")
}
