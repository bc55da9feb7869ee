package entry_test

import (
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

var errRead = errors.New("can't be read")

// placed yields entries of a compartment with these sizes of conduct and times in
// seconds, and then an error if there is one.
func placed(in trial.Compartment, err error, sizesAndTimes ...[2]int64) iter.Seq2[entry.Placed, error] {
	return func(yield func(entry.Placed, error) bool) {
		for i, st := range sizesAndTimes {
			e := entry.Entry{ConductSize: st[0], At: time.Unix(st[1], 0)}
			if !yield(entry.Placed{In: in, Index: int64(i), Entry: e}, nil) {
				return
			}
		}
		if err != nil {
			yield(entry.Placed{}, err)
		}
	}
}

// At one place the entries of allocation, outcome and delivery come by their
// times, at one time in that order, then that of conduct; and nothing overtakes
// an entry of its own compartment.
func TestInOrderIsThatOfTheSpecification(t *testing.T) {
	type at struct {
		in    trial.Compartment
		index int64
	}
	given := map[trial.Compartment]iter.Seq2[entry.Placed, error]{
		trial.Conduct:    placed(trial.Conduct, nil, [2]int64{0, 1}, [2]int64{0, 2}, [2]int64{0, 3}),
		trial.Outcome:    placed(trial.Outcome, nil, [2]int64{1, 9}, [2]int64{2, 5}),
		trial.Delivery:   placed(trial.Delivery, nil, [2]int64{1, 8}, [2]int64{2, 5}, [2]int64{9, 1}),
		trial.Allocation: placed(trial.Allocation, nil, [2]int64{1, 99}, [2]int64{2, 5}, [2]int64{3, 1}, [2]int64{0, 1}),
	}
	var got []at
	for p, err := range entry.InOrder(given) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, at{p.In, p.Index})
	}
	want := []at{
		{trial.Conduct, 0},
		{trial.Delivery, 0},
		{trial.Outcome, 0},
		{trial.Allocation, 0},
		{trial.Conduct, 1},
		{trial.Allocation, 1},
		{trial.Outcome, 1},
		{trial.Delivery, 1},
		{trial.Conduct, 2},
		{trial.Allocation, 2},
		{trial.Allocation, 3},
		{trial.Delivery, 2},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(at{})); diff != "" {
		t.Error(diff)
	}
}

// However the entries come, a batch that is used again included, their order is
// the same.
func TestMergeIsInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		single, batched := map[trial.Compartment]iter.Seq2[entry.Placed, error]{}, map[trial.Compartment]iter.Seq2[[]entry.Placed, error]{}
		for _, c := range trial.Compartments() {
			var entries [][2]int64
			at := [2]int64{}
			for range rapid.IntRange(0, 6).Draw(rt, "entries") {
				at[0] += rapid.Int64Range(0, 2).Draw(rt, "size")
				at[1] += rapid.Int64Range(0, 2).Draw(rt, "seconds")
				entries = append(entries, at)
			}
			single[c] = placed(c, nil, entries...)
			batched[c] = inBatches(single[c], rapid.IntRange(1, 4).Draw(rt, "batch"))
		}
		var want, got []entry.Placed
		for p := range entry.InOrder(single) {
			want = append(want, p)
		}
		for p, err := range entry.Merge(batched) {
			if err != nil {
				rt.Fatal(err)
			}
			got = append(got, *p)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Error(diff)
		}
	})
}

// inBatches yields entries n at a time, now and then none, and spoils each batch
// before the next.
func inBatches(entries iter.Seq2[entry.Placed, error], n int) iter.Seq2[[]entry.Placed, error] {
	return func(yield func([]entry.Placed, error) bool) {
		var batch []entry.Placed
		pass := func() bool {
			ok := yield(batch, nil) && yield(nil, nil)
			clear(batch)
			batch = batch[:0]
			return ok
		}
		for p := range entries {
			p.In = "" // Merge knows it
			if batch = append(batch, p); len(batch) == n && !pass() {
				return
			}
		}
		pass()
	}
}

func TestInOrderEndsAfterAnError(t *testing.T) {
	given := map[trial.Compartment]iter.Seq2[entry.Placed, error]{
		trial.Conduct: placed(trial.Conduct, errRead, [2]int64{0, 1}),
		trial.Outcome: placed(trial.Outcome, nil, [2]int64{1, 1}),
	}
	n := 0
	var last error
	for _, err := range entry.InOrder(given) {
		n, last = n+1, err
	}
	if n != 2 || !errors.Is(last, errRead) {
		t.Errorf("%d steps, and then %v", n, last)
	}
	for range entry.InOrder(given) { // whoever stops early leaves nothing behind
		break
	}
}
