package instrument_test

import (
	"fmt"
	"testing"

	"github.com/lodd-rct/lodd/server/instrument"
)

// text returns s in both languages.
func text(s string) instrument.Text { return instrument.Text{NB: s + " (nb)", EN: s} }

func ptr(f float64) *float64 { return &f }

// form returns a form of these items.
func form(items ...instrument.Item) instrument.Form {
	for i := range items {
		if items[i].Label == (instrument.Text{}) {
			items[i].Label = text(items[i].ID)
		}
	}
	return instrument.Form{
		Schema: instrument.Schema, ID: "test", Version: 1, Title: text("Test"), Class: instrument.Blinded, Items: items,
	}
}

// parse returns the instrument of these items.
func parse(t testing.TB, items ...instrument.Item) *instrument.Instrument {
	t.Helper()
	definition, err := form(items...).Encode()
	if err != nil {
		t.Fatal(err)
	}
	in, err := instrument.Parse(definition)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// scales returns scale items id_1 to id_n that are required and take low to
// high.
func scales(id string, n int, low, high float64) []instrument.Item {
	var items []instrument.Item
	for i := range n {
		items = append(items, instrument.Item{
			ID: fmt.Sprintf("%s_%d", id, i+1), Type: instrument.TypeScale, Required: true, Min: &low, Max: &high,
		})
	}
	return items
}

// answers returns the values of items id_1, id_2, ...
func answers(id string, numbers ...int) instrument.Values {
	v := instrument.Values{}
	for i, n := range numbers {
		v[fmt.Sprintf("%s_%d", id, i+1)] = instrument.Number(n)
	}
	return v
}

// ids returns id_from, ..., id_to as the arguments of a function.
func ids(id string, from, to int) string {
	s := fmt.Sprintf("%s_%d", id, from)
	for i := from + 1; i <= to; i++ {
		s += fmt.Sprintf(", %s_%d", id, i)
	}
	return s
}
