package entry_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// hot are the kinds of which a log has most.
func hot() []any {
	return []any{
		trial.Screened{},
		trial.Consented{},
		trial.EligibilityAssessed{},
		trial.Prepared{},
		trial.Randomized{},
		trial.Allocated{},
		trial.FormSubmitted{},
		trial.FormCorrected{},
		trial.FormSigned{},
		trial.ContactRecorded{},
		people.SignedIn{},
		people.SignedOut{},
	}
}

func isHot(event any) bool {
	for _, h := range hot() {
		if reflect.TypeOf(h) == reflect.TypeOf(event) {
			return true
		}
	}
	return false
}

// wantSame checks that the quick way, if it reads b at all, reads what the
// standard library does, and reports whether it read it.
func wantSame(t testing.TB, b []byte) bool {
	t.Helper()
	got, quick := entry.Quick(b)
	want, err := entry.Unmarshal(b)
	if quick && err != nil {
		t.Fatalf("the quick way reads %x as %+v, Unmarshal says %v", b, got, err)
	}
	if !quick {
		return false
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%x (-Unmarshal +quick):\n%s", b, diff)
	}
	wantSameBytes(t, got)
	return true
}

// Whatever an entry of a frequent kind holds, the quick way reads it, and reads
// the same; other kinds it leaves alone.
func TestQuickWayReadsTheFrequentKinds(t *testing.T) {
	for _, event := range append(samples(), grown()...) {
		b := marshal(t, whole(event))
		if got, want := wantSame(t, b), isHot(event); got != want {
			t.Errorf("%T is read the quick way: %t, want %t", event, got, want)
		}
		if wantSame(t, entry.Authenticate(b, macKey, "IPS/conduct", 1)) != isHot(event) {
			t.Errorf("%T with its code is read another way than without", event)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		event := reflect.New(reflect.TypeOf(rapid.SampledFrom(hot()).Draw(rt, "kind"))).Elem()
		fill(rt, event)
		e := whole(event.Interface())
		b, err := entry.Marshal(e)
		if err != nil {
			rt.Fatal(err)
		}
		if !wantSame(t, b) {
			rt.Errorf("%x isn't read the quick way", b)
		}
	})
}

// A byte changed, added or taken away: the quick way says what the standard
// library says, or nothing.
func TestQuickWayIsNoOtherWay(t *testing.T) {
	read := 0
	for _, event := range hot() {
		for _, sample := range append(samples(), grown()...) {
			if reflect.TypeOf(sample) != reflect.TypeOf(event) {
				continue
			}
			b := entry.Authenticate(marshal(t, whole(sample)), macKey, "IPS/conduct", 1)
			for i := range b {
				for _, x := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 0xFF} {
					changed := bytes.Clone(b)
					changed[i] ^= x
					if wantSame(t, changed) {
						read++
					}
				}
				wantSame(t, b[:i])
				wantSame(t, append(bytes.Clone(b[:i]), b[i+1:]...))
				wantSame(t, append(bytes.Clone(b), b[i:]...)) // fields that come twice
			}
			wantSame(t, append(bytes.Clone(b), b...))
		}
	}
	if read < 500 {
		t.Errorf("only %d changed entries were read: the test has lost its power", read)
	}
}

// Any bytes at all.
func FuzzQuickWay(f *testing.F) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) == 0 {
		f.Fatalf("golden files: %v, %v", files, err)
	}
	for _, name := range files {
		b := read(f, name)
		f.Add(b)
		f.Add(append(bytes.Clone(b), b...))
	}
	f.Fuzz(func(t *testing.T, b []byte) { wantSame(t, b) })
}

// A reader reads one entry after another as if each were the only one.
func TestReaderRemembersNothingOfAnEntry(t *testing.T) {
	r := entry.NewReader(macKey)
	for round := range 2 {
		for i, event := range samples() {
			index := int64(i)
			b := entry.Authenticate(marshal(t, whole(event)), macKey, "IPS/conduct", index)
			if !r.Authentic(b, "IPS/conduct", index) || r.Authentic(b, "IPS/conduct", index+1) || r.Authentic(b, "IPS/outcome", index) || r.Authentic(b[1:], "IPS/conduct", index) {
				t.Fatalf("round %d: %T: the code is read wrongly", round, event)
			}
			want, err := entry.Unmarshal(b)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.Unmarshal(b); err != nil || !cmp.Equal(want, got, cmpopts.EquateEmpty()) {
				t.Errorf("round %d: %T: %v\n%s", round, event, err, cmp.Diff(want, got))
			}
		}
		for i := range 3000 { // more words than a reader remembers
			want := fmt.Sprintf("word-%d", i)
			e := whole(trial.Prepared{Participant: "P1"})
			e.Actor = want
			if got, err := r.Unmarshal(marshal(t, e)); err != nil || got.Actor != want {
				t.Fatalf("actor %q, %v; want %q", got.Actor, err, want)
			}
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", r, *r, r); strings.Contains(s, "\a\a\a") || strings.Contains(s, "7, 7, 7") || strings.Contains(s, "7 7 7") {
		t.Error("a reader prints its key")
	}
}

func BenchmarkRead(b *testing.B) {
	data := entry.Authenticate(marshal(b, whole(hotSample())), macKey, "IPS/outcome", 5)
	b.Run("reader", func(b *testing.B) {
		r := entry.NewReader(macKey)
		for b.Loop() {
			if _, err := r.Unmarshal(data); err != nil || !r.Authentic(data, "IPS/outcome", 5) {
				b.Fatal(err)
			}
		}
	})
	b.Run("standard library", func(b *testing.B) {
		for b.Loop() {
			if _, err := entry.Unmarshal(data); err != nil || !entry.Authentic(data, macKey, "IPS/outcome", 5) {
				b.Fatal(err)
			}
		}
	})
}

func hotSample() trial.Event {
	return trial.FormSubmitted{Participant: "P1", Visit: "month-6", Form: "audit", Version: 2, On: date(2026, 11, 22), Sealed: make([]byte, 120)}
}
