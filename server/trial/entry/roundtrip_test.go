package entry_test

import (
	"bytes"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// Whatever an event holds comes back, and the same entry has the same bytes.
func TestUnmarshalIsTheInverseOfMarshal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		event := reflect.New(reflect.TypeOf(rapid.SampledFrom(samples()).Draw(rt, "kind"))).Elem()
		fill(rt, event)
		if g, ok := event.Interface().(people.Granted); ok && g.Expires.UnixMilli() < 0 {
			return // a role that ends before 1970 is none
		}
		e := entry.Entry{Event: event.Interface()}
		v := reflect.ValueOf(&e).Elem()
		for i := range v.NumField() - 1 { // all but the event
			fill(rt, v.Field(i))
		}
		b, err := entry.Marshal(e)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := entry.Unmarshal(b)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(e, got, cmpopts.EquateEmpty()); diff != "" {
			rt.Fatal(diff)
		}
		if again, err := entry.Marshal(got); err != nil || !bytes.Equal(again, b) {
			rt.Fatalf("the second time the bytes are %x, %v; the first time %x", again, err, b)
		}
	})
}

// fill sets v to something random that can be kept.
func fill(t *rapid.T, v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *trial.Date:
		if days := rapid.IntRange(-1, 100_000).Draw(t, "date"); days >= 0 {
			*x = date(1900, 1, 1).AddDays(days)
		}
		return
	case *time.Time:
		*x = time.UnixMilli(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "time")).UTC()
		return
	case *time.Duration:
		*x = time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "duration")) * time.Millisecond
		return
	case *[]trial.Form: // are entries of their own
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, "len"), 3))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.String:
		v.SetString(rapid.String().Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Uint8:
		v.SetUint(uint64(rapid.Byte().Draw(t, "byte")))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(rapid.Int32().Draw(t, "number")))
	default:
		t.Fatalf("no random %v", v.Type())
	}
}

// Unmarshal never panics, and what it takes is an entry: written again, it is
// the same one.
func FuzzUnmarshal(f *testing.F) {
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) == 0 {
		f.Fatalf("golden files: %v, %v", files, err)
	}
	for _, name := range files {
		f.Add(read(f, name))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, detail, errDescribe := entry.Describe(b)
		e, err := entry.Unmarshal(b)
		if err != nil {
			return
		}
		if errDescribe != nil || kind == "" || detail == "" {
			t.Errorf("an entry that can be read is described as %q %q, %v", kind, detail, errDescribe)
		}
		again, err := entry.Marshal(e)
		if err != nil {
			t.Fatalf("%+v can't be written: %v", e, err)
		}
		got, err := entry.Unmarshal(again)
		if err != nil {
			t.Fatalf("%+v can't be read again: %v", e, err)
		}
		if diff := cmp.Diff(e, got, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
