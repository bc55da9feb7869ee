// Package storetest holds the contract of a [store.Store] as a test, and a
// store in memory. Every engine calls [Run].
package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store"
)

// An Open opens a store, which holds what it held when it was closed last.
type Open func(testing.TB) store.Store

// Run checks that an engine keeps the contract of [store.Store]. Each call of
// fresh gives a new, empty store. A store is closed before it is opened again.
func Run(t *testing.T, fresh func(testing.TB) Open) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, Open)
	}{
		{"ReadsBackInOrder", readsBack},
		{"ReadsBackAfterReopening", survives},
		{"AppendIsAllOrNone", allOrNone},
		{"RefusesAnotherLength", refusesLength},
		{"RefusesWhatIsTooLong", refusesLong},
		{"PartWithoutRecordsOnlyDemandsTheLength", onlyDemands},
		{"OneOfManyWritersWins", oneWins},
		{"ReadersSeeWholeAppends", grows},
		{"TakesAsMuchAsTheLogDoes", large},
		{"ListsAreSortedAndApart", lists},
		{"CallerOwnsWhatItReadAndWrote", owns},
		{"MapForgets", forgets},
		{"KeysAreSortedAndOfTheirPrefix", keys},
		{"ContextStopsBeforeTheWrite", stops},
		{"ClosedStoreServesNothing", closed},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, fresh(t)) })
	}
}

// use opens a store for the rest of the test.
func use(t *testing.T, open Open) store.Store {
	t.Helper()
	s := open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func part(list string, at int64, records ...string) store.Part {
	p := store.Part{List: list, At: at}
	for _, r := range records {
		p.Records = append(p.Records, []byte(r))
	}
	return p
}

func mustAppend(t *testing.T, s store.Store, parts ...store.Part) {
	t.Helper()
	if err := s.Append(t.Context(), parts...); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

// wantList checks the length and the records of a list.
func wantList(t *testing.T, s store.Store, list string, want ...string) {
	t.Helper()
	n, err := s.Len(t.Context(), list)
	if err != nil || n != int64(len(want)) {
		t.Fatalf("Len(%s) = %d, %v; want %d", list, n, err, len(want))
	}
	records, err := s.Read(t.Context(), list, 0, n)
	if err != nil {
		t.Fatalf("Read(%s): %v", list, err)
	}
	var got []string
	for _, r := range records {
		got = append(got, string(r))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list %s (-want +got):\n%s", list, diff)
	}
}

func readsBack(t *testing.T, open Open) {
	s := use(t, open)
	records := []string{"", strings.Repeat("x", store.MaxRecord)} // the shortest and the longest
	for i := range 3000 {
		records = append(records, fmt.Sprint(i))
	}
	for at := 0; at < len(records); at += 1000 {
		mustAppend(t, s, part("a", int64(at), records[at:min(at+1000, len(records))]...))
	}
	wantList(t, s, "a", records...)
	for _, r := range [][2]int64{{0, 0}, {2999, 3002}, {3002, 3002}} {
		got, err := s.Read(t.Context(), "a", r[0], r[1])
		if err != nil || int64(len(got)) != r[1]-r[0] {
			t.Errorf("Read%v = %d records, %v", r, len(got), err)
		}
	}
	for _, r := range [][2]int64{{3001, 3003}, {3003, 3003}, {-1, 1}, {2, 1}} {
		if _, err := s.Read(t.Context(), "a", r[0], r[1]); err == nil {
			t.Errorf("Read%v of 3002 records succeeded", r)
		}
	}
	if _, err := s.Read(t.Context(), "b", 0, 1); err == nil {
		t.Error("Read of a list that doesn't exist succeeded")
	}
}

func survives(t *testing.T, open Open) {
	s := open(t)
	mustAppend(t, s, part("a", 0, "0", "1"), part("b", 0, ""))
	for _, key := range []string{"k", "gone"} {
		if err := s.Put(t.Context(), key, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = use(t, open)
	wantList(t, s, "a", "0", "1")
	wantList(t, s, "b", "")
	if v, err := s.Get(t.Context(), "k"); err != nil || string(v) != "v" {
		t.Errorf("Get = %q, %v", v, err)
	}
	if _, err := s.Get(t.Context(), "gone"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get of a deleted key: %v, want ErrNotFound", err)
	}
	mustAppend(t, s, part("a", 2, "2"))
	wantList(t, s, "a", "0", "1", "2")
}

func allOrNone(t *testing.T, open Open) {
	s := use(t, open)
	mustAppend(t, s, part("a", 0, "0"), part("b", 0, "x"), part("a", 1, "1", "2"))
	wantList(t, s, "a", "0", "1", "2")
	err := s.Append(t.Context(), part("a", 3, "3"), part("c", 0, "new"), part("b", 0, "late"))
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("Append with one wrong length: %v, want ErrConflict", err)
	}
	wantList(t, s, "a", "0", "1", "2")
	wantList(t, s, "b", "x")
	names, err := s.Lists(t.Context(), "")
	if diff := cmp.Diff([]string{"a", "b"}, names); diff != "" || err != nil {
		t.Errorf("Lists (-want +got), %v:\n%s", err, diff)
	}
}

func refusesLength(t *testing.T, open Open) {
	s := use(t, open)
	mustAppend(t, s, part("a", 0, "0"))
	for _, at := range []int64{-1, 0, 2} {
		if err := s.Append(t.Context(), part("a", at, "x")); !errors.Is(err, store.ErrConflict) {
			t.Errorf("Append at %d of a list of one: %v, want ErrConflict", at, err)
		}
	}
	if err := s.Append(t.Context(), part("a", 1, "1"), part("a", 1, "1")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Append twice at 1: %v, want ErrConflict", err)
	}
	wantList(t, s, "a", "0")
}

func refusesLong(t *testing.T, open Open) {
	s := use(t, open)
	long := strings.Repeat("x", store.MaxRecord+1)
	name := strings.Repeat("n", store.MaxName+1)
	for what, err := range map[string]error{
		"a record": s.Append(t.Context(), part("a", 0, "0", long)),
		"a list":   s.Append(t.Context(), part(name, 0, "0")),
		"no list":  s.Append(t.Context(), part("", 0, "0")),
		"a key":    s.Put(t.Context(), name, nil),
		"no key":   s.Put(t.Context(), "", nil),
		"a value":  s.Put(t.Context(), "k", []byte(long)),
	} {
		if err == nil || errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s: %v, want a refusal", what, err)
		}
	}
	mustAppend(t, s, part(name[1:], 0, "0"))
	wantList(t, s, name[1:], "0")
	wantList(t, s, "a")
}

func onlyDemands(t *testing.T, open Open) {
	s := use(t, open)
	mustAppend(t, s, part("a", 0), part("b", 0, "0"))
	if err := s.Append(t.Context(), part("a", 1), part("b", 1, "1")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Append: %v, want ErrConflict", err)
	}
	wantList(t, s, "b", "0")
	if names, err := s.Lists(t.Context(), "a"); err != nil || len(names) != 0 {
		t.Errorf("Lists = %v, %v; a list without records exists", names, err)
	}
}

func oneWins(t *testing.T, open Open) {
	s := use(t, open)
	var wg sync.WaitGroup
	var won atomic.Int32
	for range 8 {
		wg.Go(func() {
			switch err := s.Append(t.Context(), part("a", 0, "x", "y"), part("b", 0, "z")); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrConflict):
				t.Errorf("Append: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d writers won, want 1", won.Load())
	}
	wantList(t, s, "a", "x", "y")
	wantList(t, s, "b", "z")
}

func lists(t *testing.T, open Open) {
	s := use(t, open)
	for _, name := range []string{"t/b", "t/a", "t", "u", "t/a#tile/0", "Æ"} {
		mustAppend(t, s, part(name, 0, "of "+name))
	}
	for prefix, want := range map[string][]string{
		"":    {"t", "t/a", "t/a#tile/0", "t/b", "u", "Æ"},
		"t/":  {"t/a", "t/a#tile/0", "t/b"},
		"t/a": {"t/a", "t/a#tile/0"},
		"v":   nil,
	} {
		got, err := s.Lists(t.Context(), prefix)
		if !slices.Equal(got, want) || err != nil {
			t.Errorf("Lists(%q) = %q, %v; want %q", prefix, got, err, want)
		}
		for _, name := range got {
			wantList(t, s, name, "of "+name)
		}
	}
}
