package protocol_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/protocol"
	"github.com/lodd-rct/lodd/server/trial"
)

// builtin returns a protocol that comes with the program.
func builtin(t *testing.T, name string) trial.Protocol {
	t.Helper()
	data, ok := protocol.Builtin(name)
	if !ok {
		t.Fatalf("there is no protocol %s", name)
	}
	p, err := protocol.Parse(name+".yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// instruments returns the instruments of a protocol, by form.
func instruments(t *testing.T, p trial.Protocol) map[trial.FormID]*instrument.Instrument {
	t.Helper()
	all := map[trial.FormID]*instrument.Instrument{}
	for _, f := range p.Forms {
		in, err := instrument.Parse(f.Definition)
		if err != nil {
			t.Fatal(err)
		}
		all[f.ID] = in
	}
	return all
}

// Every text of a built-in protocol is there in Norwegian and in English.
func TestBuiltinSpeaksBothLanguages(t *testing.T) {
	for _, name := range protocol.BuiltinNames() {
		p := builtin(t, name)
		texts := map[string]trial.Text{"title": p.Title}
		for _, a := range p.Arms {
			texts["arm "+string(a.ID)] = a.Label
		}
		for _, v := range p.Visits {
			texts["visit "+string(v.ID)] = v.Label
		}
		for _, c := range p.Criteria {
			texts["criterion "+string(c.ID)] = c.Text
		}
		for id, in := range instruments(t, p) {
			for item, text := range itemTexts(in.Form()) {
				texts[string(id)+": "+item] = trial.Text(text)
			}
		}
		for what, text := range texts {
			if text.NB == "" || text.EN == "" {
				t.Errorf("%s: %s: nb %q, en %q", name, what, text.NB, text.EN)
			}
		}
	}
}

// itemTexts returns what people read of a form.
func itemTexts(f instrument.Form) map[string]instrument.Text {
	texts := map[string]instrument.Text{"title": f.Title}
	for _, item := range f.Items {
		texts[item.ID] = item.Label
		if item.Help != nil {
			texts[item.ID+" help"] = *item.Help
		}
		if item.Unit != nil {
			texts[item.ID+" unit"] = *item.Unit
		}
		if item.Check != nil {
			texts[item.ID+" check"] = item.Check.Message
		}
		for _, o := range item.Options {
			texts[item.ID+" "+o.Code] = o.Label
		}
	}
	return texts
}

// The visits and forms of the IPS trial are those of its data dictionary, in
// an order in which the scores come before the guess and the guess before what
// could tell the arm.
func TestIPSOrder(t *testing.T) {
	p := builtin(t, protocol.IPS)
	want := map[trial.VisitID][]trial.FormID{
		"baseline": {"demographics", "eq5d", "hscl25", "audit", "dudit", "service-use"},
		"month-6":  {"eq5d", "hscl25", "audit", "dudit", "guess-before", "employment", "service-use", "guess-after"},
		"month-12": {"eq5d", "hscl25", "audit", "dudit", "guess-before", "employment", "service-use", "guess-after"},
	}
	got := map[trial.VisitID][]trial.FormID{}
	for _, v := range p.Visits {
		var done []trial.FormID
		for _, f := range p.Forms {
			if !f.At(v.ID) {
				continue
			}
			if before, _, _ := p.Form(f.After); f.After != "" && before.At(v.ID) && !slices.Contains(done, f.After) {
				t.Errorf("%s at %s waits for %s, which stands below it", f.ID, v.ID, f.After)
			}
			if f.By == trial.Assessor && f.After == "" && len(done) > 1 {
				t.Errorf("%s at %s could come at any time", f.ID, v.ID)
			}
			done = append(done, f.ID)
		}
		got[v.ID] = done
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The coordinator's form is open and all others are kept from whoever knows
// the arm; what could tell it is marked.
func TestIPSBlinding(t *testing.T) {
	for id, in := range instruments(t, builtin(t, protocol.IPS)) {
		if open := id == "demographics"; open != (in.Form().Class == instrument.Open) {
			t.Errorf("%s has class %s", id, in.Form().Class)
		}
		for _, c := range in.Columns() {
			if want := strings.HasPrefix(string(id), "guess-") || id == "service-use"; c.Reveals != want {
				t.Errorf("%s: %s: reveals %v, want %v", id, c.Name, c.Reveals, want)
			}
		}
	}
}

// Before and after what could tell the arm the assessor guesses one of the arms
// or doesn't know; who guesses says how sure, from 1 to 5, and why. The options
// are the same at both moments, and nothing but the guess itself decides what is
// asked.
func TestIPSGuesses(t *testing.T) {
	p := builtin(t, protocol.IPS)
	var arms []string
	for _, a := range p.Arms {
		arms = append(arms, string(a.ID))
	}
	forms := instruments(t, p)
	asked := func(form, values string) (missing []string) {
		v, err := instrument.ParseValues([]byte(values))
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range forms[trial.FormID(form)].Check(v).Problems {
			missing = append(missing, problem.Item)
		}
		return missing
	}
	codes := func(options []instrument.Option) (codes []string) {
		for _, o := range options {
			codes = append(codes, o.Code)
		}
		return codes
	}
	reasons := []string{"participant", "other-person", "record", "impression", "hunch"}
	for _, form := range []string{"guess-before", "guess-after"} {
		item := strings.ReplaceAll(form, "-", "_")
		items := forms[trial.FormID(form)].Form().Items
		for i, want := range []struct {
			id      string
			options []string
		}{{item + "_arm", append(slices.Clone(arms), "unknown")}, {item + "_sure", nil}, {item + "_reason", reasons}} {
			if got := items[i]; got.ID != want.id || !slices.Equal(codes(got.Options), want.options) || !got.Required {
				t.Errorf("%s asks for %s of %v, want %s of %v", form, got.ID, codes(got.Options), want.id, want.options)
			}
		}
		if sure := items[1]; sure.Min == nil || sure.Max == nil || *sure.Min != 1 || *sure.Max != 5 {
			t.Errorf("%s isn't a scale from 1 to 5", sure.ID)
		}
		for _, arm := range arms {
			missing := asked(form, `{"`+item+`_arm":"`+arm+`"}`)
			if !slices.Contains(missing, item+"_sure") || !slices.Contains(missing, item+"_reason") {
				t.Errorf("%s: who guesses %s is asked for %v", form, arm, missing)
			}
		}
		if missing := asked(form, `{"`+item+`_arm":"unknown"}`); slices.Contains(missing, item+"_sure") {
			t.Errorf("%s: who doesn't know is asked for %v", form, missing)
		}
	}
}

// The scores of the forms are those of their manuals, and the skip rule of the
// AUDIT leaves its total right.
func TestIPSScores(t *testing.T) {
	forms := instruments(t, builtin(t, protocol.IPS))
	for _, tt := range []struct{ form, values, want string }{
		{"eq5d", `{"eq5d_1":2,"eq5d_2":3,"eq5d_3":2,"eq5d_4":4,"eq5d_5":5,"eq5d_vas":60}`, `{"eq5d_level_sum":16,"eq5d_profile":"23245"}`},
		{"hscl25", hscl(19), `{"hscl_case":1,"hscl_mean":1.76}`},
		{"hscl25", hscl(18), `{"hscl_case":0,"hscl_mean":1.72}`},
		{"audit", `{"audit_1":4,"audit_2":2,"audit_3":3,"audit_4":1,"audit_5":1,"audit_6":0,"audit_7":1,"audit_8":2,"audit_9":2,"audit_10":4}`, `{"audit_c":9,"audit_sum":20}`},
		{"audit", `{"audit_1":0,"audit_9":0,"audit_10":2}`, `{"audit_c":0,"audit_sum":2}`},
		{"dudit", `{"dudit_1":4,"dudit_2":1,"dudit_3":3,"dudit_4":2,"dudit_5":1,"dudit_6":1,"dudit_7":0,"dudit_8":2,"dudit_9":0,"dudit_10":2,"dudit_11":4}`, `{"dudit_sum":20}`},
		{"employment", `{"emp_any":"no"}`, `{"emp_hours_total":0}`},
		{"employment", `{"emp_any":"yes","emp_first_date":"2026-03-02","emp_days":70,"emp_hours_week":37.5,"emp_now":"no","emp_last_date":"2026-05-11"}`, `{"emp_hours_total":375}`},
	} {
		values, err := instrument.ParseValues([]byte(tt.values))
		if err != nil {
			t.Fatal(err)
		}
		report := forms[trial.FormID(tt.form)].Check(values)
		if len(report.Problems)+len(report.Warnings) > 0 {
			t.Errorf("%s: problems %v, warnings %v", tt.form, report.Problems, report.Warnings)
		}
		got, err := report.Calculated.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, string(got)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.form, diff)
		}
	}
}

// hscl returns HSCL-25 answers: so many twos, the other ones.
func hscl(twos int) string {
	var b strings.Builder
	for i := 1; i <= 25; i++ {
		b.WriteString(`,"hscl_` + string(rune('0'+i/10)) + string(rune('0'+i%10)) + `":` + map[bool]string{true: "2", false: "1"}[i <= twos])
	}
	return "{" + b.String()[1:] + "}"
}

// The trial is the one that the documents describe: two arms at 1:1, three
// sites, 6 and 12 months, two versions of the consent form.
func TestIPSDesign(t *testing.T) {
	p := builtin(t, protocol.IPS)
	var sites []trial.SiteID
	for _, s := range p.Sites {
		sites = append(sites, s.ID)
	}
	if diff := cmp.Diff([]trial.SiteID{"OSL", "BGO", "TRD"}, sites); diff != "" {
		t.Errorf("sites (-want +got)\n%s", diff)
	}
	if len(p.Arms) != 2 || p.Arms[0].ID != "ips" || p.Arms[1].ID != "tau" || p.Arms[0].Ratio != 1 || p.Arms[1].Ratio != 1 {
		t.Errorf("arms %+v", p.Arms)
	}
	for i, months := range []int{0, 6, 12} {
		if v := p.Visits[i]; v.Months != months || v.Before != v.After || (v.After != 30) != (i == 0) {
			t.Errorf("visit %+v", v)
		}
	}
	if len(p.Consents) != 2 || p.ID != "IPS" || p.TimeZone != "Europe/Oslo" {
		t.Errorf("id %s, time zone %s, %d consents", p.ID, p.TimeZone, len(p.Consents))
	}
}

// The caller owns what Builtin returns: changing it changes nothing else.
func TestBuiltinIsACopy(t *testing.T) {
	data, _ := protocol.Builtin(protocol.IPS)
	clear(data)
	clear(protocol.RandomizationExample())
	builtin(t, protocol.IPS)
	if _, ok := protocol.Builtin("nothing"); ok {
		t.Error("there is a protocol named nothing")
	}
}

// The example of a randomization file is the default design of a 1:1 trial.
func TestRandomizationExample(t *testing.T) {
	got, err := protocol.ParseRandomization("randomization.yaml", protocol.RandomizationExample(), []int{1, 1})
	if err != nil {
		t.Fatal(err)
	}
	var want randomization.Design = randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}, {Size: 8, Weight: 1}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
