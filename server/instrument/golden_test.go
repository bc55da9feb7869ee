package instrument_test

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/instrument"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got)\n%s", path, diff)
	}
}

// complete is a form that uses every key.
func complete() instrument.Form {
	help, unit := text("Help & <more>"), instrument.Text{NB: "timer"}
	items := kitchen()
	items[2].Help, items[2].Unit = &help, &unit
	items[3].Label = instrument.Text{EN: "Days"}
	return form(items...)
}

// A form's document stands in the log for ever: its bytes don't change, and
// what was written can be read.
func TestFormGolden(t *testing.T) {
	b, err := complete().Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "form.golden.json", b)
	in, err := instrument.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(complete(), in.Form()); diff != "" {
		t.Errorf("read back (-want +got)\n%s", diff)
	}
}

// There is one column for each item that is entered or calculated, whatever
// the answers.
func TestColumns(t *testing.T) {
	definition, err := complete().Encode()
	if err != nil {
		t.Fatal(err)
	}
	in, err := instrument.Parse(definition)
	if err != nil {
		t.Fatal(err)
	}
	yes := func(codes ...string) []instrument.Option { return options(codes...) }
	want := []instrument.Column{
		{Name: "job", Type: instrument.TypeChoice, Label: text("job"), Options: yes("yes", "no"), Required: true},
		{Name: "hours", Type: instrument.TypeDecimal, Label: text("hours"), Unit: instrument.Text{NB: "timer"}, Min: ptr(0), Max: ptr(80), Decimals: 1, Required: true},
		{Name: "days", Type: instrument.TypeInteger, Label: instrument.Text{EN: "Days"}, Min: ptr(1)},
		{Name: "from", Type: instrument.TypeDate, Label: text("from")},
		{Name: "to", Type: instrument.TypeDate, Label: text("to")},
		{Name: "why", Type: instrument.TypeText, Label: text("why"), MaxLength: 10},
		{Name: "drugs", Type: instrument.TypeMulti, Label: text("drugs"), Options: yes("a", "b", "none")},
		{Name: "mood", Type: instrument.TypeScale, Label: text("mood"), Min: ptr(1), Max: ptr(7), Reveals: true},
		{Name: "total", Type: instrument.TypeDecimal, Calculated: true, Label: text("total"), Decimals: 1},
		{Name: "ratio", Type: instrument.TypeInteger, Calculated: true, Label: text("ratio")},
	}
	if diff := cmp.Diff(want, in.Columns()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A calculated text is a text column.
func TestColumnsOfText(t *testing.T) {
	columns := parse(t, eq5d()...).Columns()
	want := instrument.Column{Name: "profile", Type: instrument.TypeText, Calculated: true, Label: text("profile"), MaxLength: 500}
	if diff := cmp.Diff(want, columns[5]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	b, err := complete().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(document(age)))
	f.Add([]byte(document(`{"id":"x","type":"calc","label":{"en":"X"},"calc":"[1].map(i, i * 2)[0] / 0"}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := instrument.Parse(data)
		if err != nil {
			return
		}
		in.Check(nil)
		in.Columns()
		canonical, err := in.Form().Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := instrument.Parse(canonical)
		if err != nil {
			t.Fatalf("%s: %v", canonical, err)
		}
		if b, err := again.Form().Encode(); err != nil || string(b) != string(canonical) {
			t.Fatalf("%s, then %s, %v", canonical, b, err)
		}
	})
}
