package instrument_test

import (
	"fmt"
	"testing"

	"github.com/lodd-rct/lodd/server/instrument"
)

// large is a form near its limits: 400 items, each with a rule, a quarter of
// them calculated.
func large() []instrument.Item {
	var items []instrument.Item
	for i := range 400 {
		item := instrument.Item{ID: fmt.Sprintf("i_%d", i), Type: instrument.TypeScale, Min: ptr(0), Max: ptr(4), Label: instrument.Text{EN: "x"}}
		if i%4 == 3 {
			item = calc(item.ID, fmt.Sprintf("sum([i_%d, i_%d])", i-2, i-1), 0)
			item.Label.EN = "x"
		}
		if i > 0 {
			item.ShowIf = fmt.Sprintf("i_%d >= 0", i-1)
		}
		items = append(items, item)
	}
	return items
}

func BenchmarkParse(b *testing.B) {
	definition, err := form(large()...).Encode()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := instrument.Parse(definition); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	in := parse(b, large()...)
	values := instrument.Values{}
	for i := range 400 {
		if i%4 != 3 {
			values[fmt.Sprintf("i_%d", i)] = instrument.Number(i % 5)
		}
	}
	if p := in.Check(values).Problems; len(p) > 0 {
		b.Fatal(p[0])
	}
	for b.Loop() {
		in.Check(values)
	}
}
