package instrument_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/instrument"
)

// points returns scale items that take 0, 2 and 4 only.
func points(id string, from, to int) []instrument.Item {
	items := scales(id, to, 0, 4)[from-1:]
	for i := range items {
		items[i].Min, items[i].Max = nil, nil
		items[i].Options = []instrument.Option{{Code: "0", Label: text("0")}, {Code: "2", Label: text("2")}, {Code: "4", Label: text("4")}}
	}
	return items
}

func calc(id, expression string, decimals int) instrument.Item {
	return instrument.Item{ID: id, Type: instrument.TypeCalc, Calc: expression, Decimals: decimals}
}

// audit is the AUDIT: items 1 to 8 score 0 to 4, items 9 and 10 score 0, 2 or 4.
//
// Source: Babor et al., AUDIT (WHO 2001), scoring.
func audit() []instrument.Item {
	return slices.Concat(scales("audit", 8, 0, 4), points("audit", 9, 10), []instrument.Item{
		calc("total", "sum(["+ids("audit", 1, 10)+"])", 0),
		calc("c", "sum(["+ids("audit", 1, 3)+"])", 0),
		calc("zone", "total < 8 ? 1 : total < 16 ? 2 : total < 20 ? 3 : 4", 0),
	})
}

// dudit is the DUDIT: items 1 to 9 score 0 to 4, items 10 and 11 score 0, 2 or 4.
//
// Source: Berman et al., DUDIT manual (2003), scoring.
func dudit() []instrument.Item {
	sex := instrument.Item{ID: "sex", Type: instrument.TypeChoice, Options: []instrument.Option{
		{Code: "female", Label: text("female")}, {Code: "male", Label: text("male")},
	}}
	return slices.Concat([]instrument.Item{sex}, scales("dudit", 9, 0, 4), points("dudit", 10, 11), []instrument.Item{
		calc("total", "sum(["+ids("dudit", 1, 11)+"])", 0),
		calc("problem", "total >= (sex == 'female' ? 2 : 6) ? 1 : 0", 0),
		calc("dependent", "total >= 25 ? 1 : 0", 0),
	})
}

func hscl() []instrument.Item {
	return append(scales("h", 25, 1, 4),
		calc("mean", "mean(["+ids("h", 1, 25)+"])", 2), calc("case", "mean >= 1.75 ? 1 : 0", 0))
}

func eq5d() []instrument.Item {
	return append(scales("eq", 5, 1, 5),
		calc("profile", "string(eq_1) + string(eq_2) + string(eq_3) + string(eq_4) + string(eq_5)", 0),
		calc("levels", "sum(["+ids("eq", 1, 5)+"])", 0))
}

// whoqol is the WHOQOL-BREF: items 3, 4 and 26 are reversed, a domain is four
// times the mean of its items, and then moved to 0 to 100.
//
// Source: WHOQOL-BREF, scoring manual (WHO 1996).
func whoqol() []instrument.Item {
	domain := func(id, items string) []instrument.Item {
		return []instrument.Item{
			calc(id, "mean(["+items+"]) * 4.0", 3),
			calc(id+"_100", "("+id+" - 4.0) * 100.0 / 16.0", 3),
		}
	}
	return slices.Concat(scales("q", 26, 1, 5),
		domain("physical", "6 - q_3, 6 - q_4, q_10, q_15, q_16, q_17, q_18"),
		domain("psychological", "q_5, q_6, q_7, q_11, q_19, 6 - q_26"),
		domain("social", "q_20, q_21, q_22"),
		domain("environment", "q_8, q_9, q_12, q_13, q_14, q_23, q_24, q_25"))
}

// repeat returns n times each number of pairs (number, n).
func repeat(pairs ...int) []int {
	var out []int
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, slices.Repeat([]int{pairs[i]}, pairs[i+1])...)
	}
	return out
}

// The scores of the trial's questionnaires are those of their manuals.
func TestScores(t *testing.T) {
	with := func(v instrument.Values, item, answer string) instrument.Values {
		v[item] = instrument.String(answer)
		return v
	}
	for _, tt := range []struct {
		name   string
		items  []instrument.Item
		values instrument.Values
		want   instrument.Values
	}{
		{
			"AUDIT", audit(), answers("audit", 4, 2, 3, 1, 1, 0, 1, 2, 2, 4),
			instrument.Values{"total": instrument.Number(20), "c": instrument.Number(9), "zone": instrument.Number(4)},
		},
		{
			"AUDIT, zone I ends at 7", audit(), answers("audit", 4, 3, 0, 0, 0, 0, 0, 0, 0, 0),
			instrument.Values{"total": instrument.Number(7), "c": instrument.Number(7), "zone": instrument.Number(1)},
		},
		{
			"AUDIT, zone II begins at 8", audit(), answers("audit", 4, 4, 0, 0, 0, 0, 0, 0, 0, 0),
			instrument.Values{"total": instrument.Number(8), "c": instrument.Number(8), "zone": instrument.Number(2)},
		},
		{
			"AUDIT, greatest", audit(), answers("audit", repeat(4, 10)...),
			instrument.Values{"total": instrument.Number(40), "c": instrument.Number(12), "zone": instrument.Number(4)},
		},
		{
			"DUDIT", dudit(), with(answers("dudit", 4, 1, 3, 2, 1, 1, 0, 2, 0, 2, 4), "sex", "male"),
			instrument.Values{"total": instrument.Number(20), "problem": instrument.Number(1), "dependent": instrument.Number(0)},
		},
		{
			"DUDIT, a man below 6", dudit(), with(answers("dudit", 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0), "sex", "male"),
			instrument.Values{"total": instrument.Number(5), "problem": instrument.Number(0), "dependent": instrument.Number(0)},
		},
		{
			"DUDIT, a woman at 2", dudit(), with(answers("dudit", 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), "sex", "female"),
			instrument.Values{"total": instrument.Number(2), "problem": instrument.Number(1), "dependent": instrument.Number(0)},
		},
		{
			"DUDIT without the sex", dudit(), answers("dudit", 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
			instrument.Values{"total": instrument.Number(2), "dependent": instrument.Number(0)},
		},
		{
			"HSCL-25, a case", hscl(), answers("h", repeat(2, 19, 1, 6)...),
			instrument.Values{"mean": instrument.Number(1.76), "case": instrument.Number(1)},
		},
		{
			"HSCL-25, no case", hscl(), answers("h", repeat(2, 18, 1, 7)...),
			instrument.Values{"mean": instrument.Number(1.72), "case": instrument.Number(0)},
		},
		{
			"EQ-5D-5L", eq5d(), answers("eq", 2, 3, 2, 4, 5),
			instrument.Values{"profile": instrument.String("23245"), "levels": instrument.Number(16)},
		},
		{"EQ-5D-5L without an answer", eq5d(), answers("eq", 2, 3, 2, 4), instrument.Values{}},
		{"WHOQOL-BREF, all 3", whoqol(), answers("q", repeat(3, 26)...), instrument.Values{
			"physical": instrument.Number(12), "physical_100": instrument.Number(50),
			"psychological": instrument.Number(12), "psychological_100": instrument.Number(50),
			"social": instrument.Number(12), "social_100": instrument.Number(50),
			"environment": instrument.Number(12), "environment_100": instrument.Number(50),
		}},
		{"WHOQOL-BREF, all 1", whoqol(), answers("q", repeat(1, 26)...), instrument.Values{
			"physical": instrument.Number(8.571), "physical_100": instrument.Number(28.571),
			"psychological": instrument.Number(6.667), "psychological_100": instrument.Number(16.667),
			"social": instrument.Number(4), "social_100": instrument.Number(0),
			"environment": instrument.Number(4), "environment_100": instrument.Number(0),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report := parse(t, tt.items...).Check(tt.values)
			if diff := cmp.Diff(tt.want, report.Calculated); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// The last items of AUDIT and DUDIT score 0, 2 or 4; 1 and 3 are refused.
func TestScoresOfZeroTwoFour(t *testing.T) {
	for _, tt := range []struct {
		items []instrument.Item
		item  string
	}{{audit(), "audit_9"}, {audit(), "audit_10"}, {dudit(), "dudit_10"}, {dudit(), "dudit_11"}} {
		in := parse(t, tt.items...)
		for n := -1; n <= 5; n++ {
			refused := slices.ContainsFunc(in.Check(instrument.Values{tt.item: instrument.Number(n)}).Problems, func(p instrument.Problem) bool {
				return p.Item == tt.item && p.Kind == instrument.KindOption
			})
			if want := n != 0 && n != 2 && n != 4; refused != want {
				t.Errorf("%s = %d: refused %v, want %v", tt.item, n, refused, want)
			}
		}
	}
}
