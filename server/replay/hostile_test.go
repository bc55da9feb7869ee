package replay_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/replay"
	"github.com/lodd-rct/lodd/server/trial"
)

// verdict returns what becomes of a log: the place that is named, or nothing.
// Whatever the entries are, it is one of the two.
func verdict(t testing.TB, steps []step) (place, bool) {
	t.Helper()
	a := read(t, archive(t, steps, nil))
	_, err := replay.Verify(a)
	if err == nil {
		return place{}, true
	}
	wrong, ok := errors.AsType[*audit.ArchiveError](err)
	if !ok {
		t.Fatalf("%v, want an ArchiveError", err)
	}
	i := slices.IndexFunc(a.Lists, func(l audit.ArchivedList) bool { return l.List == wrong.List })
	if i < 0 || wrong.Index < 0 || wrong.Index >= a.Lists[i].Size {
		t.Fatalf("%v names no entry of %+v", wrong, a.Lists)
	}
	return place{wrong.List, wrong.Index}, false
}

// A log in which anything was changed, and that was signed all the same, has a
// verdict, and the same one each time.
func TestEveryChangedLogHasAVerdict(t *testing.T) {
	steps := learned(t).steps
	rapid.Check(t, func(rt *rapid.T) {
		changed := slices.Clone(steps)
		for range rapid.IntRange(1, 4).Draw(rt, "changes") {
			changed = change(rt, changed)
		}
		got, ok := verdict(t, changed)
		if again, okAgain := verdict(t, changed); again != got || okAgain != ok {
			rt.Fatalf("refused at %+v (%t), and then at %+v (%t)", got, ok, again, okAgain)
		}
	})
}

// change changes one thing in a log.
func change(rt *rapid.T, steps []step) []step {
	i, j := rapid.IntRange(0, len(steps)-1).Draw(rt, "step"), rapid.IntRange(0, len(steps)-1).Draw(rt, "other step")
	s := &steps[i]
	switch rapid.IntRange(0, 9).Draw(rt, "change") {
	case 0:
		if len(steps) > 1 {
			return slices.Delete(steps, i, i+1)
		}
	case 1:
		return slices.Insert(steps, j, *s)
	case 2:
		steps[i], steps[j] = steps[j], steps[i]
	case 3:
		s.Event = steps[j].Event
	case 4:
		s.list = steps[j].list
	case 5:
		s.At = s.At.Add(time.Duration(rapid.Int64Range(-1000, 1000).Draw(rt, "ms")) * time.Millisecond)
	case 6:
		s.ConductSize += rapid.Int64Range(-2, 2).Draw(rt, "more")
	case 7:
		s.Role = string(rapid.SampledFrom([]trial.Role{trial.Assessor, trial.Coordinator, ""}).Draw(rt, "role"))
	case 8:
		s.Request = steps[j].Request
	default:
		s.At = time.UnixMilli(rapid.Int64().Draw(rt, "time")).UTC()
	}
	return steps
}

// Entries of any content never do more than get an archive refused.
func FuzzVerify(f *testing.F) {
	var seed []byte
	for i, s := range learned(f).steps {
		b := s.stored(f, int64(i))
		seed = append(binary.BigEndian.AppendUint16(append(seed, byte(slices.Index(lists, s.list))), uint16(len(b))), b...)
	}
	f.Add(seed)
	f.Add(seed[:200])
	f.Fuzz(func(t *testing.T, b []byte) {
		var steps []step
		for len(b) > 3 && len(steps) < 200 {
			list, n := lists[int(b[0])%len(lists)], min(int(binary.BigEndian.Uint16(b[1:])), len(b)-3)
			steps = append(steps, step{list: list, raw: bytes.Clone(b[3 : 3+n])})
			b = b[3+n:]
		}
		verdict(t, steps)
	})
}
