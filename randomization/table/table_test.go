package table_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/randomization/table"
)

func expected() table.Expected {
	return table.Expected{Ratio: []int{1, 1}, Arms: []string{"IPS", "TAU"}, Strata: []string{"oslo", "bergen"}}
}

// want is the list of most tables here.
func want() randomization.List {
	return randomization.List{Ratio: []int{1, 1}, Strata: []randomization.ListStratum{
		{Name: "bergen", Arms: []randomization.Arm{1, 0}},
		{Name: "oslo", Arms: []randomization.Arm{0, 1, 1, 0}},
	}}
}

// A list is read whatever the order of columns and of strata, and in the ways
// in which spreadsheets write it.
func TestReadCSV(t *testing.T) {
	for name, text := range map[string]string{
		"without slots": "stratum,arm\noslo,IPS\noslo,TAU\nbergen,TAU\noslo,TAU\nbergen,IPS\noslo,IPS\n",
		"with slots":    "stratum,slot,arm\nbergen,0,TAU\nbergen,1,IPS\noslo,0,IPS\noslo,1,TAU\noslo,2,TAU\noslo,3,IPS\n",
		"columns moved": "arm,stratum\nIPS,oslo\nTAU,oslo\nTAU,oslo\nIPS,oslo\nTAU,bergen\nIPS,bergen",
		"spreadsheet":   "\ufeffstratum;arm\r\n\"oslo\";IPS\r\noslo;TAU\r\noslo;TAU\r\noslo;IPS\r\nbergen;TAU\r\nbergen;IPS\r\n",
	} {
		got, err := table.ReadCSV(strings.NewReader(text), expected())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want(), got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

// What doesn't fit is refused, with line, column and what was expected.
func TestReadCSVSaysWhere(t *testing.T) {
	good := "stratum,arm\nbergen,TAU\nbergen,IPS\noslo,IPS\noslo,TAU\n"
	for _, tt := range []struct {
		text   string
		change func(*table.Expected)
		say    string
	}{
		{"", nil, "line 1: nothing, want the names of the columns: stratum, arm"},
		{"stratum,group\n", nil, "line 1: there is no column arm: want stratum, arm"},
		{"stratum,arm,arm\n", nil, "line 1, column arm: stands there twice"},
		{"stratum,arm,block\n", nil, "line 1, column block: has no meaning here: want stratum, slot, arm"},
		{"stratum,arm\noslo,IPS\noslo,ips\n", nil, `line 3, column arm: "ips", want one of "IPS", "TAU"`},
		{"stratum,arm\noslo,IPS\nOslo,TAU\n", nil, `line 3, column stratum: "Oslo", want one of "oslo", "bergen"`},
		{"stratum,arm\noslo,IPS\noslo\n", nil, "line 3: wrong number of fields"},
		{"stratum,arm\n\"oslo,IPS\n", nil, "line 2: extraneous or missing \" in quoted-field"},
		{"stratum,slot,arm\noslo,0,IPS\noslo,0,TAU\n", nil, `line 3, column slot: "0", want 1: the slots of a stratum are 0, 1, 2, … in order, each once`},
		{"stratum,slot,arm\noslo,1,IPS\n", nil, `line 2, column slot: "1", want 0`},
		{"stratum,arm\noslo,IPS\noslo,TAU\n", nil, `stratum "bergen" has no arms: want at least one`},
		{"stratum,arm\nbergen,TAU\noslo,IPS\noslo,TAU\n", nil, `stratum "bergen" has arms 0:1 in the list, which is ahead of the ratio 1:1 by 1`},
		{good, func(e *table.Expected) { e.Ratio = []int{1, 1, 1} }, "2 arms for a ratio of 3"},
		{good, func(e *table.Expected) { e.Ratio = []int{2, 2} }, "not in lowest terms"},
	} {
		e := expected()
		if tt.change != nil {
			tt.change(&e)
		}
		got, err := table.ReadCSV(strings.NewReader(tt.text), e)
		if err == nil || !strings.Contains(err.Error(), tt.say) || got.Strata != nil {
			t.Errorf("%q: %v, error %v, want %q", tt.text, got, err, tt.say)
		}
		_, placed := errors.AsType[*table.Error](err)
		if !placed && !errors.Is(err, randomization.ErrDesign) {
			t.Errorf("%q: error %v is neither placed nor an ErrDesign", tt.text, err)
		}
	}
}

func TestReadCSVWithTolerance(t *testing.T) {
	e := expected()
	e.Tolerance = 1
	l, err := table.ReadCSV(strings.NewReader("stratum,arm\nbergen,TAU\noslo,IPS\noslo,TAU\n"), e)
	if err != nil || l.Tolerance != 1 {
		t.Errorf("%v, error %v", l, err)
	}
}

func TestReadCSVRefusesMoreThanAListHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("a million lines, which take seconds beside the race detector")
	}
	text := "stratum,arm\nbergen,IPS\n" + strings.Repeat("oslo,IPS\noslo,TAU\n", 1<<19)
	if _, err := table.ReadCSV(strings.NewReader(text), expected()); err == nil || !strings.Contains(err.Error(), "line 1048578: more than 1048576 arms") {
		t.Errorf("error %v", err)
	}
}

func redcap() table.REDCap {
	return table.REDCap{
		Columns: []string{"sex", "redcap_data_access_group"},
		Strata:  []table.REDCapStratum{{"oslo/m", []string{"1", "17"}}, {"oslo/f", []string{"2", "17"}}, {"bergen/m", []string{"1", "18"}}, {"bergen/f", []string{"2", "18"}}},
	}
}

func redcapWant() randomization.List {
	return randomization.List{Ratio: []int{1, 1}, Strata: []randomization.ListStratum{
		{Name: "bergen/f", Arms: []randomization.Arm{0, 1}},
		{Name: "bergen/m", Arms: []randomization.Arm{1, 0}},
		{Name: "oslo/f", Arms: []randomization.Arm{0, 1}},
		{Name: "oslo/m", Arms: []randomization.Arm{0, 1, 1, 0}},
	}}
}

const redcapRows = "1,1,17\n2,1,17\n2,1,17\n1,1,17\n1,2,17\n2,2,17\n2,1,18\n1,1,18\n1,2,18\n2,2,18\n"

// Numbers and notes say nothing of the arms.
func TestReadREDCap(t *testing.T) {
	numbered := ""
	for i, row := range strings.SplitAfter(redcapRows, "\n") {
		if row != "" {
			numbered += "R-" + string(rune('a'+i)) + "," + strings.TrimSuffix(row, "\n") + ",\n"
		}
	}
	for name, text := range map[string]string{
		"arms alone":   "redcap_randomization_group,sex,redcap_data_access_group\n" + redcapRows,
		"with numbers": "redcap_randomization_number,redcap_randomization_group,sex,redcap_data_access_group,notes\n" + numbered,
	} {
		e := table.Expected{Ratio: []int{1, 1}, Arms: []string{"1", "2"}}
		got, err := table.ReadREDCap(strings.NewReader(text), e, redcap())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(redcapWant(), got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

// What is written is read again.
func TestWriteREDCapIsReadAgain(t *testing.T) {
	c := redcap()
	var out bytes.Buffer
	if err := table.WriteREDCap(&out, redcapWant(), []string{"1", "2"}, c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("redcap_randomization_group,sex,redcap_data_access_group\n"+redcapRows, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	got, err := table.ReadREDCap(&out, table.Expected{Ratio: []int{1, 1}, Arms: []string{"1", "2"}}, c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(redcapWant(), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestREDCapSaysWhere(t *testing.T) {
	const header = "redcap_randomization_group,sex,redcap_data_access_group\n"
	for _, tt := range []struct {
		text   string
		change func(*table.REDCap)
		say    string
	}{
		{"sex,redcap_data_access_group\n", nil, "there is no column redcap_randomization_group with the arm"},
		{"redcap_randomization_number,sex,redcap_data_access_group\n", nil, "numbers alone doesn't tell arms"},
		{"redcap_randomization_group,sex\n", nil, "there is no column redcap_data_access_group: want sex, redcap_data_access_group"},
		{"redcap_randomization_group,sex,redcap_data_access_group,age\n", nil, "line 1, column age: has no meaning here"},
		{header + "3,1,17\n", nil, `line 2, column redcap_randomization_group: "3", want one of "1", "2"`},
		{header + "1,3,17\n", nil, `line 2: sex, redcap_data_access_group are "3", "17", which is no stratum of the trial: want one such as "1", "17"`},
		{"redcap_randomization_number," + header + "7,1,1,17\n7,2,1,17\n", nil, `line 3, column redcap_randomization_number: "7" stands there twice`},
		{header + "1,1,17\n", nil, `stratum "bergen/f" has no arms`},
		{header, func(c *table.REDCap) { c.Strata[1].Values[0] = "1" }, `stratum "oslo/f" has the values "1", "17", and so has "oslo/m"`},
		{header, func(c *table.REDCap) { c.Strata[1].Values = []string{"1"} }, "want one for each of 2 columns"},
	} {
		c := redcap()
		if tt.change != nil {
			tt.change(&c)
		}
		_, err := table.ReadREDCap(strings.NewReader(tt.text), table.Expected{Ratio: []int{1, 1}, Arms: []string{"1", "2"}}, c)
		if err == nil || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%q: error %v, want %q", tt.text, err, tt.say)
		}
	}
}

func TestWriteREDCapRefuses(t *testing.T) {
	other := redcap()
	other.Strata[0].Name = "tromsø/m"
	fewer := redcap()
	fewer.Strata = fewer.Strata[:3]
	for _, tt := range []struct {
		list randomization.List
		arms []string
		c    table.REDCap
		say  string
	}{
		{randomization.List{}, []string{"1", "2"}, redcap(), "0 arms"},
		{redcapWant(), []string{"1"}, redcap(), "1 arms and 4 strata for a list of 2 and 4"},
		{redcapWant(), []string{"1", "2"}, fewer, "2 arms and 3 strata"},
		{redcapWant(), []string{"1", "2"}, other, `stratum "tromsø/m" isn't in the list`},
	} {
		var out bytes.Buffer
		if err := table.WriteREDCap(&out, tt.list, tt.arms, tt.c); err == nil || !strings.Contains(err.Error(), tt.say) || out.Len() > 0 {
			t.Errorf("error %v, want %q; %d bytes written", err, tt.say, out.Len())
		}
	}
}

// Whatever is read as a list can be used, and is read again.
func FuzzReadCSV(f *testing.F) {
	f.Add("stratum,arm\nbergen,TAU\nbergen,IPS\noslo,IPS\noslo,TAU\n")
	f.Add("stratum;slot;arm\nbergen;0;TAU\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := table.ReadCSV(strings.NewReader(text), expected())
		if err != nil {
			return
		}
		if err := l.Validate(); err != nil {
			t.Fatalf("read a list that can't be used: %v", err)
		}
		if !slices.ContainsFunc(l.Strata, func(s randomization.ListStratum) bool { return s.Name == "oslo" }) {
			t.Fatalf("a list without an expected stratum: %v", l)
		}
	})
}
