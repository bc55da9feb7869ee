package instrument_test

import (
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/instrument"
)

func options(codes ...string) []instrument.Option {
	var o []instrument.Option
	for _, c := range codes {
		o = append(o, instrument.Option{Code: c, Label: text(c)})
	}
	return o
}

// kitchen is a form with every type of item and every kind of rule.
func kitchen() []instrument.Item {
	return []instrument.Item{
		{ID: "info", Type: instrument.TypeInfo},
		{ID: "job", Type: instrument.TypeChoice, Required: true, Options: options("yes", "no")},
		{ID: "hours", Type: instrument.TypeDecimal, Required: true, Decimals: 1, Min: ptr(0), Max: ptr(80), SoftMax: ptr(45), ShowIf: "job == 'yes'"},
		{ID: "days", Type: instrument.TypeInteger, Min: ptr(1), SoftMin: ptr(5), SoftMax: ptr(200)},
		{ID: "from", Type: instrument.TypeDate},
		{ID: "to", Type: instrument.TypeDate, Check: &instrument.Check{Rule: "to >= from", Message: text("to before from")}},
		{ID: "why", Type: instrument.TypeText, MaxLength: 10, ShowIf: "missing(days) != ''"},
		{ID: "drugs", Type: instrument.TypeMulti, Options: options("a", "b", "none")},
		{ID: "mood", Type: instrument.TypeScale, Min: ptr(1), Max: ptr(7), Reveals: true},
		{ID: "total", Type: instrument.TypeCalc, Calc: "hours * double(days)", Decimals: 1},
		{ID: "ratio", Type: instrument.TypeCalc, Calc: "100 / (days - 7)"},
	}
}

// Whatever the form can't take is a problem that names the item; nothing is
// dropped, and a soft limit only warns.
func TestCheck(t *testing.T) {
	type (
		values = instrument.Values
		num    = instrument.Number
		str    = instrument.String
	)
	in := parse(t, kitchen()...)
	for _, tt := range []struct {
		name               string
		values             values
		problems, warnings []string // item: kind
	}{
		{"nothing", nil, []string{"job: missing"}, nil},
		{"enough", values{"job": str("no")}, nil, nil},
		{"a reason for a missing answer", values{"job": instrument.Refused}, nil, nil},
		{"all", values{
			"job": str("yes"), "hours": num(37.5), "days": num(100), "from": str("2026-02-28"), "to": str("2026-02-28"),
			"drugs": instrument.Codes{"b", "a"}, "mood": num(7),
		}, nil, nil},
		{"shown and required", values{"job": str("yes")}, []string{"hours: missing"}, nil},
		{"hidden", values{"job": str("no"), "hours": num(1)}, []string{"hours: hidden"}, nil},
		{"hidden since nothing is known", values{"hours": num(1)}, []string{"job: missing", "hours: hidden"}, nil},
		{"a reason for what is hidden", values{"job": str("no"), "hours": instrument.Refused}, []string{"hours: hidden"}, nil},
		{"hidden by a wrong answer", values{"job": str("maybe"), "hours": num(1)}, []string{"job: option", "hours: hidden"}, nil},
		{"shown by a reason", values{"job": str("no"), "days": instrument.NotDone, "why": str("no time")}, nil, nil},
		{"an answer to a text", values{"job": str("no"), "info": str("x")}, []string{"info: unknown"}, nil},
		{"an answer to a calculation", values{"job": str("no"), "total": num(1)}, []string{"total: unknown"}, nil},
		{"no such item", values{"job": str("no"), "zz": num(1), "aa": num(1)}, []string{"aa: unknown", "zz: unknown"}, nil},
		{"above", values{"job": str("yes"), "hours": num(80.1)}, []string{"hours: range"}, nil},
		{"below", values{"job": str("yes"), "hours": num(-0.1)}, []string{"hours: range"}, nil},
		{"bounds", values{"job": str("yes"), "hours": num(80)}, nil, []string{"hours: range"}},
		{"soft bounds", values{"job": str("yes"), "hours": num(45), "days": num(5)}, nil, nil},
		{"unusual", values{"job": str("yes"), "hours": num(45.1)}, nil, []string{"hours: range"}},
		{"unusually few", values{"job": str("no"), "days": num(4)}, nil, []string{"days: range"}},
		{"too many decimals", values{"job": str("yes"), "hours": num(1.25)}, []string{"hours: type"}, nil},
		{"no number", values{"job": str("yes"), "hours": num(math.NaN())}, []string{"hours: type"}, nil},
		{"infinite", values{"job": str("yes"), "hours": num(math.Inf(1))}, []string{"hours: type"}, nil},
		{"fraction of a day", values{"job": str("no"), "days": num(1.5)}, []string{"days: type"}, nil},
		{"beyond all bounds", values{"job": str("no"), "days": num(1e9 + 1)}, []string{"days: range"}, nil},
		{"text for a number", values{"job": str("no"), "days": str("10")}, []string{"days: type"}, nil},
		{"number for a text", values{"job": num(1)}, []string{"job: type"}, nil},
		{"codes for a code", values{"job": instrument.Codes{"yes"}}, []string{"job: type"}, nil},
		{"code for codes", values{"job": str("no"), "drugs": str("a")}, []string{"drugs: type"}, nil},
		{"no codes", values{"job": str("no"), "drugs": instrument.Codes{}}, []string{"drugs: type"}, nil},
		{"other code", values{"job": str("no"), "drugs": instrument.Codes{"a", "c"}}, []string{"drugs: option"}, nil},
		{"code twice", values{"job": str("no"), "drugs": instrument.Codes{"a", "a"}}, []string{"drugs: option"}, nil},
		{"no day", values{"job": str("no"), "from": str("2026-02-29")}, []string{"from: type"}, nil},
		{"date in another form", values{"job": str("no"), "from": str("28.02.2026")}, []string{"from: type"}, nil},
		{"date out of time", values{"job": str("no"), "from": str("1899-12-31")}, []string{"from: type"}, nil},
		{"check", values{"job": str("no"), "from": str("2026-03-01"), "to": str("2026-02-28")}, []string{"to: check"}, nil},
		{"check without the other answer", values{"job": str("no"), "to": str("2026-02-28")}, nil, nil},
		{"long text", values{"job": str("no"), "days": instrument.Unknown, "why": str(strings.Repeat("å", 11))}, []string{"why: range"}, nil},
		{"text that fits", values{"job": str("no"), "days": instrument.Unknown, "why": str(strings.Repeat("å", 10))}, nil, nil},
		{"line break", values{"job": str("no"), "days": instrument.Unknown, "why": str("a\nb")}, []string{"why: type"}, nil},
		{"empty text", values{"job": str("no"), "days": instrument.Unknown, "why": str("")}, []string{"why: type"}, nil},
		{"unknown reason", values{"job": instrument.Missing("lazy")}, []string{"job: type"}, nil},
		{"no value", values{"job": nil}, []string{"job: type"}, nil},
		{"a calculation that fails", values{"job": str("no"), "days": num(7)}, nil, []string{"ratio: check"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report := in.Check(tt.values)
			if diff := cmp.Diff(tt.problems, short(report.Problems)); diff != "" {
				t.Errorf("problems (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.warnings, short(report.Warnings)); diff != "" {
				t.Errorf("warnings (-want +got)\n%s", diff)
			}
		})
	}
}

func short(problems []instrument.Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Item+": "+string(p.Kind))
	}
	return out
}

// A report lists every item as shown or hidden, and what was calculated.
func TestCheckReports(t *testing.T) {
	report := parse(t, kitchen()...).Check(instrument.Values{
		"job": instrument.String("yes"), "hours": instrument.Number(7.5), "days": instrument.Number(11),
	})
	want := instrument.Report{
		Shown:      []string{"info", "job", "hours", "days", "from", "to", "drugs", "mood", "total", "ratio"},
		Hidden:     []string{"why"},
		Calculated: instrument.Values{"total": instrument.Number(82.5), "ratio": instrument.Number(25)},
	}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// One instrument judges answers for many callers at once.
func TestCheckConcurrently(t *testing.T) {
	in := parse(t, audit()...)
	var wg sync.WaitGroup
	for n := range 5 {
		wg.Go(func() {
			for range 20 {
				got := in.Check(answers("audit", repeat(n, 8, 4, 2)...)).Calculated["total"]
				if want := instrument.Number(8*n + 8); got != want {
					t.Errorf("total %v, want %v", got, want)
				}
			}
		})
	}
	wg.Wait()
}

// A calculated zero is stored as 0, not as -0.
func TestCheckStoresNoNegativeZero(t *testing.T) {
	in := parse(t, instrument.Item{ID: "a", Type: instrument.TypeInteger}, calc("b", "double(a) * -1.0", 1))
	b, err := in.Check(instrument.Values{"a": instrument.Number(0)}).Calculated.Encode()
	if err != nil || string(b) != `{"b":0}` {
		t.Errorf("%s, %v", b, err)
	}
}

// A result that could not be read back is not stored, and somebody is told.
func TestCheckStoresNoUnreadableResult(t *testing.T) {
	for _, tt := range []struct {
		expression string
		decimals   int
	}{{"a * 1000000001", 0}, {"double(a) / 0.0", 1}, {"0.0 / 0.0 * double(a)", 1}, {"double(a) * 1234567890.5", 1}} {
		in := parse(t, instrument.Item{ID: "a", Type: instrument.TypeInteger}, calc("b", tt.expression, tt.decimals))
		report := in.Check(instrument.Values{"a": instrument.Number(1)})
		if diff := cmp.Diff([]string{"b: check"}, short(report.Warnings)); diff != "" || len(report.Calculated) > 0 {
			t.Errorf("%s: calculated %v, warnings (-want +got)\n%s", tt.expression, report.Calculated, diff)
		}
	}
}

// Messages say in both languages what was wrong and what is expected.
func TestCheckMessages(t *testing.T) {
	in := parse(t, kitchen()...)
	for _, tt := range []struct {
		item   string
		value  instrument.Value
		nb, en string
	}{
		{"days", instrument.Number(0), "0 er utenfor det tillatte: 1 til 1000000000.", "0 is outside what is allowed: 1 to 1000000000."},
		{"job", instrument.String("maybe"), `"maybe" er ikke et av alternativene: yes, no.`, `"maybe" is not one of the options: yes, no.`},
		{
			"from", instrument.Number(1),
			"Svaret har feil form. Her ventes en dato på formen ÅÅÅÅ-MM-DD mellom 1900 og 2199.",
			"The answer has the wrong form. Expected is a date of the form YYYY-MM-DD from 1900 to 2199.",
		},
		{
			strings.Repeat("x", 50), instrument.Number(1),
			`Skjemaet har ikke noe ledd "` + strings.Repeat("x", 40) + `…". Fjern svaret.`,
			`The form has no item "` + strings.Repeat("x", 40) + `…". Remove the answer.`,
		},
	} {
		values := instrument.Values{"job": instrument.String("no")}
		values[tt.item] = tt.value
		problems := in.Check(values).Problems
		want := []instrument.Text{{NB: tt.nb, EN: tt.en}}
		var got []instrument.Text
		for _, p := range problems {
			got = append(got, p.Message)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.item, diff)
		}
	}
}

// A rule can't run for long, whatever the answers: it fails, and says so.
func TestCheckLimitsCost(t *testing.T) {
	list := "[" + strings.Repeat("a, ", 99) + "a]"
	in := parse(t,
		instrument.Item{ID: "a", Type: instrument.TypeInteger},
		calc("b", list+".map(x, "+list+".map(y, "+list+".map(z, x + y + z))).size()", 0))
	report := in.Check(instrument.Values{"a": instrument.Number(1)})
	if diff := cmp.Diff([]string{"b: check"}, short(report.Warnings)); diff != "" || len(report.Calculated) > 0 {
		t.Errorf("calculated %v, warnings (-want +got)\n%s", report.Calculated, diff)
	}
}
