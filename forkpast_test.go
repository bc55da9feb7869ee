package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/trial"
)

// slots are the slots that were drawn, with how often, over all that ever was.
type slots map[int]int

// draw randomizes n more participants and notes their slots.
func (s slots) draw(r *rig, n int) {
	r.t.Helper()
	for range n {
		p := r.randomize(1)
		r.must(r.trial().View(func(state *trial.State) error {
			participant, _ := state.Participant(p)
			s[participant.Slot]++
			return nil
		}))
	}
}

// once wants no slot to be drawn twice, and none from 0 on to be left out.
func (s slots) once(t *testing.T) {
	t.Helper()
	for slot, n := range s {
		if n != 1 {
			t.Errorf("slot %d was drawn %d times", slot, n)
		}
	}
	for slot := range len(s) {
		if s[slot] == 0 {
			t.Errorf("slot %d was given up though nobody drew it; drawn: %v", slot, s)
		}
	}
}

// reconcileExactly wants the trial to wait for this many lost slots and no fewer.
func (r *rig) reconcileExactly(slots int) {
	r.t.Helper()
	if slots > 0 && r.tryReconcile(slots-1) == nil {
		r.t.Fatalf("reconciled with %d slots of %d", slots-1, slots)
	}
	r.reconcile(slots)
}

// database returns the database of the stopped server.
func (r *rig) database() []byte {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.data, "lodd.db"))
	r.must(err)
	return b
}

// heads copies the signed heads of the stopped server, and returns where to.
func (r *rig) heads() string {
	r.t.Helper()
	dir := filepath.Join(r.t.TempDir(), "heads")
	r.must(os.CopyFS(dir, os.DirFS(filepath.Join(r.data, "checkpoints"))))
	return dir
}

// putBack puts a database in the place of the stopped server's.
func (r *rig) putBack(database []byte) {
	r.t.Helper()
	r.must(os.WriteFile(filepath.Join(r.data, "lodd.db"), database, 0o600))
}

// record records that the stopped server's folder was put back, and returns what
// is printed.
func (r *rig) record() string {
	r.t.Helper()
	c := r.config
	c.Data = r.data
	r.must(c.check())
	var out bytes.Buffer
	r.must(restoreInPlace(r.t.Context(), c, restoreOptions{inPlace: true, anyway: true, out: &out, world: operator(io.Discard)}))
	return out.String()
}

// goOn stops the server, restores a backup with the heads that it had, and starts
// the server on that. It returns what is printed.
func (r *rig) goOn(b backupFiles) string {
	r.t.Helper()
	r.stop()
	data, out, err := r.restore(b, func(o *restoreOptions) { o.checkpoints = filepath.Join(r.data, "checkpoints") })
	r.must(err)
	r.data = data
	r.start(data)
	return out
}

// The same old folder is put back over and over: what was lost before stays lost,
// though the entries that said so are gone, too.
func TestPutBackTwiceKnowsAllPasts(t *testing.T) {
	r, drawn := newRig(t), slots{}
	drawn.draw(r, 2)
	r.stop()
	older := r.database()
	r.start(r.data)
	drawn.draw(r, 3)
	r.stop()
	for i := range 3 {
		if i < 2 { // and then recorded again without anything put back: the same
			r.putBack(older)
		}
		out := r.record()
		if again := i > 0; again != strings.Contains(out, "RIG/allocation: 3 entries more were lost by earlier restores") {
			t.Errorf("time %d, it says:\n%s", i, out)
		}
	}
	lost := 3
	for range 3 {
		r.start(r.data)
		r.reconcileExactly(lost)
		drawn.draw(r, 2)
		lost += 2
		r.stop()
		r.putBack(older)
		r.record()
	}
	r.start(r.data)
	r.reconcileExactly(lost)
	drawn.draw(r, 1)
	drawn.once(t)
}

// The same backup is restored over and over, with a reconciliation and
// randomizations between: each branch that was given up counts once.
func TestRestoreTwiceKnowsAllPasts(t *testing.T) {
	r, drawn := newRig(t), slots{}
	drawn.draw(r, 2)
	b := r.backUp()
	drawn.draw(r, 5)
	lost := 5
	for round := range 3 {
		out := r.goOn(b)
		if _, err := r.tryRandomize(); err == nil {
			t.Fatal("randomized before the reconciliation")
		}
		if earlier := lost - map[bool]int{true: 5, false: 2}[round == 0]; earlier > 0 != strings.Contains(out, fmt.Sprintf("RIG/allocation: %d entries more", earlier)) {
			t.Errorf("round %d says:\n%s", round, out)
		}
		r.reconcileExactly(lost)
		drawn.draw(r, 2)
		lost += 2
	}
	// A backup that knows of the last restore owes nothing for those before it.
	after := r.backUp()
	drawn.draw(r, 1)
	r.goOn(after)
	r.reconcileExactly(1)
	drawn.draw(r, 1)
	drawn.once(t)
}

// A backup from between a restore and its reconciliation owes what that one lost,
// too: the slots that were given up then, and those that were drawn behind them.
func TestRestoreOfAFencedBackup(t *testing.T) {
	r, drawn := newRig(t), slots{}
	drawn.draw(r, 2)
	b := r.backUp()
	drawn.draw(r, 3)
	r.goOn(b)
	fenced := r.backUp()
	r.reconcileExactly(3)
	drawn.draw(r, 2)
	r.goOn(fenced)
	r.reconcileExactly(5)
	drawn.draw(r, 1)
	drawn.once(t)
}

// A restore that ended before the trials knew of it is repeated: the same branch
// isn't counted twice.
func TestRestoreInPlaceRepeatedAfterAnError(t *testing.T) {
	r, drawn := newRig(t), slots{}
	drawn.draw(r, 2)
	r.stop()
	older := r.database()
	r.start(r.data)
	drawn.draw(r, 3)
	r.stop()
	heads, checkpoints := r.heads(), filepath.Join(r.data, "checkpoints")
	for range 2 {
		// As it is when the record is written and nothing else.
		r.putBack(older)
		r.must(os.CopyFS(checkpoints+".new", os.DirFS(heads)))
		records, err := readForks(checkpoints)
		r.must(err)
		for i := range records {
			for j := range records[i].Lists {
				records[i].Lists[j].Noted = ""
			}
			r.must(records[i].write(checkpoints + ".new"))
		}
		r.must(os.RemoveAll(checkpoints))
		r.must(os.Rename(checkpoints+".new", checkpoints))
		r.record()
	}
	r.start(r.data)
	r.reconcileExactly(3)
	drawn.draw(r, 1)
	drawn.once(t)
}

// Heads bear no date: that all of them are reached doesn't show that nothing is
// lost, and so nobody is randomized after any restore before the custodian has
// spoken.
func TestRestoreWithTheHeadsOfItsOwnDayFences(t *testing.T) {
	r := newRig(t)
	r.randomize(2)
	r.stop()
	old := r.heads()
	r.start(r.data)
	b := r.backUp()
	r.randomize(3)
	r.stop()
	data, _, err := r.restore(b, func(o *restoreOptions) { o.checkpoints = old })
	r.must(err)
	r.start(data)
	if _, err := r.tryRandomize(); err == nil || !r.fenced() {
		t.Errorf("a randomization after the restore: %v", err)
	}
}

// A copy of a branch that was given up is put back: what the newest heads show
// began where that branch was left, and not where the copy ends, whichever of the
// two is longer.
func TestPutBackOfABranchThatWasGivenUp(t *testing.T) {
	for _, after := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d after it", after), func(t *testing.T) {
			r, drawn := newRig(t), slots{}
			drawn.draw(r, 2)
			r.stop()
			older, heads, checkpoints := r.database(), r.heads(), filepath.Join(r.data, "checkpoints")
			r.start(r.data)
			drawn.draw(r, 1)
			r.stop()
			branch := r.database()

			r.putBack(older)
			r.must(os.RemoveAll(checkpoints)) // put back, too: nothing is known of what came after
			r.must(os.CopyFS(checkpoints, os.DirFS(heads)))
			r.record()
			r.start(r.data)
			r.reconcile(1) // as the sites say
			drawn.draw(r, after)
			r.stop()

			r.putBack(branch)
			r.record()
			r.start(r.data)
			r.reconcileExactly(after)
			drawn.draw(r, 1)
			drawn.once(t)
		})
	}
}

// A record bears no signature: one that makes less of a loss than its own head
// shows, or nothing, takes nothing from what is known to be lost.
func TestRestoreCountsWhatTheEvidenceOfARecordShows(t *testing.T) {
	r, drawn := newRig(t), slots{}
	drawn.draw(r, 2)
	r.stop()
	heads := r.heads()
	r.start(r.data)
	b := r.backUp()
	drawn.draw(r, 3)
	r.stop()
	newest, err := audit.FileGuard{Dir: filepath.Join(r.data, "checkpoints")}.Load()
	r.must(err)
	record := fork{Kind: "restore", name: "20200101T000000.000Z.json"}
	for list, head := range newest {
		record.Lists = append(record.Lists, forkList{List: list, Restored: 1 << 40, Evidence: string(head)})
	}
	r.must(record.write(heads))
	data, _, err := r.restore(b, func(o *restoreOptions) { o.checkpoints = heads })
	r.must(err)
	r.start(data)
	r.reconcileExactly(3)
	drawn.draw(r, 1)
	drawn.once(t)
}
