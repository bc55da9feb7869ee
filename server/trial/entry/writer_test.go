package entry_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// wantSameBytes checks that the quick way, if it writes e at all, writes what
// the standard library does, and reports whether it wrote it.
func wantSameBytes(t interface {
	Helper()
	Fatalf(string, ...any)
}, e entry.Entry,
) bool {
	t.Helper()
	got, quick := entry.QuickMarshal(e)
	want, err := entry.Standard(e)
	if quick && (err != nil || !bytes.Equal(got, want)) {
		t.Fatalf("%+v is written as\n%x, the standard library says\n%x, %v", e, got, want, err)
	}
	return quick
}

// Whatever an entry of a frequent kind holds, the quick way writes the bytes of
// the standard library; other kinds it leaves alone.
func TestQuickWayWritesTheSameBytes(t *testing.T) {
	for _, event := range append(samples(), grown()...) {
		if got, want := wantSameBytes(t, whole(event)), isHot(event); got != want {
			t.Errorf("%T is written the quick way: %t, want %t", event, got, want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		event := reflect.New(reflect.TypeOf(rapid.SampledFrom(hot()).Draw(rt, "kind"))).Elem()
		fill(rt, event)
		e := entry.Entry{}
		v := reflect.ValueOf(&e).Elem()
		for i := range v.NumField() - 1 { // all but the event
			fill(rt, v.Field(i))
		}
		if e.Event = event.Interface(); !wantSameBytes(rt, e) {
			rt.Errorf("%+v isn't written the quick way", e)
		}
	})
}

// Numbers that are negative or too large for their field, no time, no date, and
// text of every length.
func TestQuickWayWritesTheUnusual(t *testing.T) {
	for _, n := range []int{-1, 0, 127, 128, 1 << 31, -1 << 40} {
		for _, event := range []any{
			trial.FormSubmitted{Participant: "P1", Version: n},
			trial.FormCorrected{Version: n, Held: []trial.Code{"", "remarks", ""}},
			trial.Allocated{Slot: n},
			trial.FormSigned{At: int64(n), Name: strings.Repeat("n", max(0, n%1000))},
			trial.ContactRecorded{Sealed: make([]byte, 16_000+n%1000)},
		} {
			if !wantSameBytes(t, entry.Entry{Event: event}) {
				t.Errorf("%+v isn't written the quick way", event)
			}
		}
	}
}

// A text that is no UTF-8 is refused in every field: it could not be read again.
func TestTextThatIsNoUTF8IsRefused(t *testing.T) {
	w := entry.NewWriter(macKey)
	for _, e := range []entry.Entry{
		{Actor: "\xff", Event: trial.Prepared{}},
		{Role: "\xff", Event: trial.Prepared{}},
		{Event: trial.Prepared{Participant: "\xff"}},
		{Event: trial.FormCorrected{Held: []trial.Code{"\xff"}}},
		{Event: trial.Died{Participant: "\xff"}},
		{Event: nil},
	} {
		if _, err := entry.Marshal(e); err == nil {
			t.Errorf("%+v was written", e)
		}
		if _, err := w.Write(e, "IPS/conduct", 1); err == nil {
			t.Errorf("%+v was written by a writer", e)
		}
		if _, err := w.Size(e); err == nil {
			t.Errorf("%+v has a size", e)
		}
	}
}

// A writer writes one entry after another as if each were the only one, and
// keeps none of them.
func TestWriterRemembersNothingOfAnEntry(t *testing.T) {
	w := entry.NewWriter(macKey)
	var first []byte
	for i, event := range append(samples(), grown()...) {
		e := whole(event)
		want := entry.Authenticate(marshal(t, e), macKey, "IPS/conduct", int64(i))
		got, err := w.Write(e, "IPS/conduct", int64(i))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%T: %x, %v; want %x", event, got, err, want)
		}
		if n, err := w.Size(e); err != nil || n != len(want) {
			t.Errorf("%T: size %d, %v; want %d", event, n, err, len(want))
		}
		if first == nil {
			first = got
		}
	}
	want := entry.Authenticate(marshal(t, whole(samples()[0])), macKey, "IPS/conduct", 0)
	if !bytes.Equal(first, want) {
		t.Error("an entry changed after it was written")
	}
}

func BenchmarkWrite(b *testing.B) {
	e := whole(hotSample())
	b.Run("writer", func(b *testing.B) {
		w := entry.NewWriter(macKey)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.Write(e, "IPS/outcome", 5); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("standard library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			body, err := entry.Standard(e)
			if err != nil {
				b.Fatal(err)
			}
			entry.Authenticate(body, macKey, "IPS/outcome", 5)
		}
	})
}
