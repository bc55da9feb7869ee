package replay_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/replay"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// inTrial counts the steps in the compartments of the trial.
func inTrial(steps []step) (n int64) {
	for _, s := range steps {
		if s.list != "system" {
			n++
		}
	}
	return n
}

// total returns how many entries were replayed; -1 if the rules weren't applied.
func total(replayed map[string]int64) (n int64) {
	if replayed == nil {
		return -1
	}
	for _, of := range replayed {
		n += of
	}
	return n
}

// A log that a correct server wrote is in order, from its beginning to any
// moment of its life.
func TestEveryBeginningOfAGoodLogIsInOrder(t *testing.T) {
	steps := learned(t).steps
	for n := range len(steps) + 1 {
		if n > 0 && n < len(steps) {
			switch steps[n].Event.(type) {
			case trial.Allocated, trial.EventTakenIn:
				continue // is appended together with the one before
			}
		}
		replayed, err := replay.Verify(read(t, archive(t, steps[:n], nil)))
		if err != nil || total(replayed) != inTrial(steps[:n]) {
			t.Errorf("%d steps: %v replayed of %d, %v", n, replayed, inTrial(steps[:n]), err)
		}
	}
}

// Where a part of the trial isn't there, nothing is replayed, and what is there
// is still looked at.
func TestPartOfATrialIsNotReplayed(t *testing.T) {
	steps := whole(t).steps
	own := func(i int64) bool { return i%3 == 1 }
	for _, list := range []string{"IPS/conduct", "IPS/outcome", "IPS/delivery", "IPS/allocation"} {
		replayed, err := replay.Verify(read(t, archive(t, steps, holding{list: none})))
		if err != nil || replayed != nil {
			t.Errorf("without %s: %v replayed, %v", list, replayed, err)
		}
	}
	if replayed, err := replay.Verify(read(t, archive(t, steps, holding{"IPS/conduct": own, "system": own}))); err != nil || replayed != nil {
		t.Errorf("one's own entries: %v replayed, %v", replayed, err)
	}
	if replayed, err := replay.Verify(read(t, archive(t, steps, holding{"system": none}))); err != nil || total(replayed) != inTrial(steps) {
		t.Errorf("without system: %v replayed, %v", replayed, err)
	}
	steps[find[trial.Locked](t, steps, 0)].At = steps[0].At // earlier than what is before it
	want := at(steps, find[trial.Locked](t, steps, 0))
	wantRefused(t, archive(t, steps, holding{"IPS/outcome": none}), want, "earlier")
}

// The head of conduct is taken first: what the others have more isn't replayed.
func TestEntriesAfterTheHeadOfConductAreNotReplayed(t *testing.T) {
	s := whole(t)
	n := len(s.steps)
	s.do(trial.Withdrawn{Participant: "P3", Scope: trial.FromIntervention, Reason: "burden", On: s.today()})
	s.do(trial.ArmsViewed{Site: "OSL", Team: "tau"})
	s.ready("P4")
	s.randomize("P4")
	late := slices.DeleteFunc(slices.Clone(s.steps[n:]), func(s step) bool { return s.list == "IPS/conduct" })
	if len(late) != 2 {
		t.Fatalf("%d entries after the head of conduct", len(late))
	}
	replayed, err := replay.Verify(read(t, archive(t, append(s.steps[:n:n], late...), nil)))
	want := map[string]int64{}
	for _, s := range s.steps[:n] {
		if s.list != "system" {
			want[s.list]++
		}
	}
	if diff := cmp.Diff(want, replayed); diff != "" || err != nil {
		t.Errorf("%v, replayed (-want +got): %s", err, diff)
	}
}

// wantRefused checks that an archive whose entries are as they were signed is
// refused, and where.
func wantRefused(t *testing.T, b []byte, want place, reason string) {
	t.Helper()
	_, err := replay.Verify(read(t, b))
	wrong, ok := errors.AsType[*audit.ArchiveError](err)
	if !ok {
		t.Fatalf("%v, want an ArchiveError", err)
	}
	if got := (place{wrong.List, wrong.Index}); got != want || !strings.Contains(wrong.Reason, reason) {
		t.Errorf("refused at %+v: %s; want %+v: %s", got, wrong.Reason, want, reason)
	}
}

// An entry that says the same in other bytes is refused: another reader could
// find something else in it.
func TestEntryIsWrittenInOneWay(t *testing.T) {
	steps := whole(t).steps
	i := find[trial.EnrolmentOpened](t, steps, 0)
	good := steps[i].stored(t, at(steps, i).index)
	body, code := good[:len(good)-entry.MACOverhead], good[len(good)-entry.MACOverhead:]
	field := func(n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
	}
	nonce := bytes.Repeat([]byte{1}, entry.NonceSize)
	for name, b := range map[string][]byte{
		"no code":                   body,
		"a code twice":              slices.Concat(body, code, code),
		"the code first":            slices.Concat(code, body),
		"a code of 15 bytes":        slices.Concat(body, []byte{0xa2, 0x06, 15}, code[3:18]),
		"a code of 17 bytes":        slices.Concat(body, []byte{0xa2, 0x06, 17}, code[3:], []byte{1}),
		"a code of no bytes":        slices.Concat(body, []byte{0xa2, 0x06, 0}),
		"a byte behind":             append(bytes.Clone(good), 0),
		"nothing":                   {},
		"a field twice":             slices.Concat(field(1, 1), good),
		"a field out of order":      slices.Concat(good[2:], good[:2]),
		"a varint longer than need": slices.Concat([]byte{0x08, 0x81, 0x00}, good[2:]),
		"a zero that is left out":   slices.Concat(body, field(7, 0), code),
		"an unknown field":          slices.Concat(body, field(99, 1), code),
		"version 2":                 slices.Concat(field(1, 2), good[2:]),
		"another kind behind":       slices.Concat(body, []byte{0xca, 0x01, 0}, code),
		"two nonces":                slices.Concat(good[:20], protowire.AppendBytes([]byte{0x12}, nonce), good[20:]),
		"no entry":                  []byte("no entry"),
	} {
		t.Run(name, func(t *testing.T) {
			changed := slices.Clone(steps)
			changed[i].raw = b
			wantRefused(t, archive(t, changed, nil), at(steps, i), "")
		})
	}
	steps[i].raw = good
	if _, err := replay.Verify(read(t, archive(t, steps, nil))); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

// What goes wrong when reading isn't said of the archive.
func TestFailureToReadIsNoVerdict(t *testing.T) {
	b := archive(t, whole(t).steps, nil)
	f := &failing{r: bytes.NewReader(b)}
	a, err := audit.ReadArchive(f, int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	f.failed = true
	_, err = replay.Verify(a)
	if _, ok := errors.AsType[*audit.ArchiveError](err); ok || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
}

type failing struct {
	r      io.ReaderAt
	failed bool
}

func (f *failing) ReadAt(b []byte, at int64) (int, error) {
	if f.failed {
		return 0, io.ErrClosedPipe
	}
	return f.r.ReadAt(b, at)
}
