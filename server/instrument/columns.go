package instrument

import "cel.dev/cel-go/cel"

// A Column is what exports and dictionaries need to know of one item.
type Column struct {
	Name       string
	Type       Type // of a calculated item: integer, decimal or text
	Calculated bool
	Label      Text
	Unit       Text     // empty if there is none
	Options    []Option // the caller must not change them
	Min, Max   *float64 // nil if there is none
	Decimals   int      // of decimal columns
	MaxLength  int      // characters, of text columns
	Required   bool
	Reveals    bool
}

// Columns returns one column for each item that is entered or calculated, in
// the order of the form. It depends on the form alone: whatever the answers,
// an export has the same columns.
func (in *Instrument) Columns() []Column {
	var columns []Column
	for i, item := range in.form.Items {
		if item.Type == TypeInfo {
			continue
		}
		c := Column{
			Name: item.ID, Type: item.Type, Label: item.Label, Options: item.Options,
			Min: item.Min, Max: item.Max, Decimals: item.Decimals,
			Required: item.Required, Reveals: item.Reveals,
		}
		if item.Unit != nil {
			c.Unit = *item.Unit
		}
		if item.Type == TypeCalc {
			c.Calculated, c.Type = true, calculated(in.items[i].calc.result)
		}
		if c.Type == TypeText {
			c.MaxLength = item.length()
		}
		columns = append(columns, c)
	}
	return columns
}

func calculated(t *cel.Type) Type {
	switch {
	case t.IsExactType(cel.IntType):
		return TypeInteger
	case t.IsExactType(cel.DoubleType):
		return TypeDecimal
	default:
		return TypeText
	}
}
