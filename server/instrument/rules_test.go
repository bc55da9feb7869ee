package instrument_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/instrument"
)

// An item without an answer has no value, and what is computed from it has
// none either, unless the answers that are there decide it.
func TestRulesWithoutAnswers(t *testing.T) {
	items := []instrument.Item{
		{ID: "a", Type: instrument.TypeInteger},
		{ID: "b", Type: instrument.TypeInteger},
		{ID: "d", Type: instrument.TypeDecimal, Decimals: 1},
		{ID: "c", Type: instrument.TypeChoice, Options: []instrument.Option{{Code: "yes", Label: text("yes")}, {Code: "no", Label: text("no")}}},
		{ID: "m", Type: instrument.TypeMulti, Options: []instrument.Option{{Code: "x", Label: text("x")}, {Code: "y", Label: text("y")}}},
		{ID: "from", Type: instrument.TypeDate},
		{ID: "to", Type: instrument.TypeDate},
	}
	one := instrument.Values{"a": instrument.Number(1)}
	both := instrument.Values{"a": instrument.Number(1), "b": instrument.Number(4)}
	for _, tt := range []struct {
		expression string
		decimals   int
		values     instrument.Values
		want       instrument.Value
	}{
		{"a + b", 0, both, instrument.Number(5)},
		{"a + b", 0, one, nil},
		{"sum([a, b])", 0, one, nil},
		{"sum([a, b])", 0, both, instrument.Number(5)},
		{"sum(answered(a, b))", 0, one, instrument.Number(1)},
		{"sum(answered(a, b))", 0, nil, instrument.Number(0)},
		{"mean([a, b])", 1, both, instrument.Number(2.5)},
		{"mean(answered(a, b))", 1, nil, nil},
		{"mean(at_least(2, answered(a, b)))", 1, one, nil},
		{"mean(at_least(1, answered(a, b)))", 1, one, instrument.Number(1)},
		{"count(a, b, c)", 0, one, instrument.Number(1)},
		{"count(a, b)", 0, instrument.Values{"a": instrument.Refused}, instrument.Number(0)},
		{"given(a) ? 1 : 0", 0, nil, instrument.Number(0)},
		{"given(a) ? 1 : 0", 0, one, instrument.Number(1)},
		{"missing(a)", 0, instrument.Values{"a": instrument.Refused}, instrument.String("refused")},
		{"missing(a)", 0, one, nil}, // the empty text is no value
		{"missing(a) + '.'", 0, one, instrument.String(".")},
		{"a > 0 || b > 0 ? 1 : 0", 0, one, instrument.Number(1)},
		{"b > 0 || a > 0 ? 1 : 0", 0, one, instrument.Number(1)},
		{"a > 1 && b > 0 ? 1 : 0", 0, one, instrument.Number(0)},
		{"b > 1 && a > 1 ? 1 : 0", 0, one, instrument.Number(0)},
		{"a > 1 || b > 0 ? 1 : 0", 0, one, nil},
		{"!(b > 0) ? 1 : 0", 0, one, nil},
		{"[a, b].exists(v, v == 1) ? 1 : 0", 0, both, instrument.Number(1)},
		{"c == 'yes' ? 1 : 0", 0, instrument.Values{"c": instrument.String("yes")}, instrument.Number(1)},
		{"c in ['yes', 'no'] ? 1 : 0", 0, instrument.Values{"c": instrument.String("no")}, instrument.Number(1)},
		{"'x' in m ? 1 : 0", 0, instrument.Values{"m": instrument.Codes{"y", "x"}}, instrument.Number(1)},
		{"'x' in m ? 1 : 0", 0, nil, nil},
		{"size(m)", 0, instrument.Values{"m": instrument.Codes{"y", "x"}}, instrument.Number(2)},
		{"d > 1 ? 1 : 0", 0, instrument.Values{"d": instrument.Number(1.5)}, instrument.Number(1)},
		{"days(from, to)", 0, instrument.Values{"from": instrument.String("2022-03-26"), "to": instrument.String("2022-03-28")}, instrument.Number(2)},
		{"to < from ? 1 : 0", 0, instrument.Values{"from": instrument.String("2022-03-26"), "to": instrument.String("2022-03-25")}, instrument.Number(1)},
		{"string(a) + string(b)", 0, both, instrument.String("14")},
	} {
		t.Run(tt.expression, func(t *testing.T) {
			calc := instrument.Item{ID: "calc", Type: instrument.TypeCalc, Calc: tt.expression, Decimals: tt.decimals}
			report := parse(t, append(items, calc)...).Check(tt.values)
			if diff := cmp.Diff(tt.want, report.Calculated["calc"]); diff != "" {
				t.Errorf("with %v: (-want +got)\n%s", tt.values, diff)
			}
			if len(report.Problems)+len(report.Warnings) > 0 {
				t.Errorf("problems %v, warnings %v", report.Problems, report.Warnings)
			}
		})
	}
}
