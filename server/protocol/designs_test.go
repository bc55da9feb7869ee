package protocol

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/trial"
)

// rehearsal is a protocol with two sites and a factor.
func rehearsal() *trial.Protocol {
	return &trial.Protocol{
		Arms:    []trial.Arm{{ID: "northern", Ratio: 1}, {ID: "southern", Ratio: 1}},
		Sites:   []trial.Site{{ID: "OSL"}, {ID: "BGO-2"}, {ID: "BGO"}},
		Factors: []trial.Factor{{ID: "sex", Levels: []trial.Option{{ID: "female"}, {ID: "male"}}}},
	}
}

func small() *trial.Protocol {
	p := rehearsal()
	p.Sites = p.Sites[:1]
	return p
}

func TestMinimizationBalancesSiteAndFactorsOfTheProtocol(t *testing.T) {
	const rest = "\nmeasure: variance\nchance: 4/5"
	for _, tt := range []struct {
		factors string
		want    []randomization.Factor
	}{
		{"[site, sex]", []randomization.Factor{{Levels: 3, Weight: 1}, {Levels: 2, Weight: 1}}},
		{"[sex, {id: site, weight: 3}]", []randomization.Factor{{Levels: 3, Weight: 3}, {Levels: 2, Weight: 1}}},
		{"[{id: sex, weight: 2, levels: 2}, {id: site, levels: 3}]", []randomization.Factor{{Levels: 3, Weight: 1}, {Levels: 2, Weight: 2}}},
	} {
		got, err := ParseDesign("r.yaml", []byte("design: minimization\nfactors: "+tt.factors+rest), List{}, rehearsal())
		want := randomization.Minimization{Ratio: []int{1, 1}, Factors: tt.want, Measure: randomization.Variance, Favored: 4, Of: 5}
		if diff := cmp.Diff(randomization.Design(want), got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", tt.factors, err, diff)
		}
	}
	// Without the protocol the file itself says the levels, in any order: the
	// site comes first, as it is sealed.
	got, err := ParseRandomization("r.yaml", []byte("design: minimization\nfactors: [{id: sex, levels: 2}, {id: site, levels: 7}]"+rest), []int{2, 1})
	want := randomization.Minimization{Ratio: []int{2, 1}, Factors: []randomization.Factor{{Levels: 7, Weight: 1}, {Levels: 2, Weight: 1}}, Measure: randomization.Variance, Favored: 4, Of: 5}
	if diff := cmp.Diff(randomization.Design(want), got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestMinimizationThatDoesNotFitIsRefused(t *testing.T) {
	named := rehearsal()
	named.Factors[0].ID = "site"
	for _, tt := range []struct {
		rest string
		p    *trial.Protocol
		want string
	}{
		{"factors: [site]\nmeasure: range\nchance: 4/5", rehearsal(), `2: randomization: factors: sex is missing, want all of site, sex`},
		{"factors: [sex]\nmeasure: range\nchance: 4/5", rehearsal(), `2: randomization: factors: site is missing, want all of site, sex`},
		{"factors: [site, sex, age]\nmeasure: range\nchance: 4/5", rehearsal(), `2: randomization: factors: "age" is no factor of the protocol, want all of site, sex`},
		{"factors: [site, sex, sex]\nmeasure: range\nchance: 4/5", rehearsal(), `2: factor: id: "sex" stands twice`},
		{"factors: [site]\nmeasure: range\nchance: 4/5", named, `2: randomization: factors: the protocol has a factor site, which can't be told from the site: use another design`},
		{"factors: [site, {id: sex, levels: 3}]\nmeasure: range\nchance: 4/5", rehearsal(), `2: randomization: factors: sex has 3 levels, but 2 in the protocol`},
		{"factors: [{id: site, weight: 2}, {id: sex, weight: 2}]\nmeasure: range\nchance: 4/5", rehearsal(), `2: randomization: factors: weights 2:2 of the factors are not in lowest terms: divide them by 2`},
		{"factors: [site, {id: sex, weight: 0}]\nmeasure: range\nchance: 4/5", rehearsal(), `2: factor: weight: 0, want 1 to 100`},
		{"factors: [site, sex]\nmeasure: entropy\nchance: 4/5", rehearsal(), `3: randomization: measure: "entropy", want range or variance`},
		{"factors: [site, sex]\nmeasure: range\nchance: 0.8", rehearsal(), `4: randomization: chance: "0.8", want a fraction as 4/5`},
		{"factors: [site, sex]\nmeasure: range\nchance: 1/1", rehearsal(), `4: randomization: chance: minimization that always takes the preferred arm can be predicted: use a chance below 1, as 4/5`},
		{"factors: [site, sex]\nmeasure: range\nchance: 1/2", rehearsal(), `4: randomization: chance: chance 1/2 of the preferred arm: use more than its share 1/2 of the ratio, or the complete design`},
		{"measure: range\nchance: 4/5", rehearsal(), `1: randomization: key "factors" is missing`},
		{"factors: [site, sex]\nchance: 4/5", rehearsal(), `1: randomization: key "measure" is missing`},
	} {
		_, err := ParseDesign("r.yaml", []byte("design: minimization\n"+tt.rest), List{}, tt.p)
		if err == nil || !strings.HasPrefix(err.Error()+"\n", "r.yaml:"+tt.want+"\n") {
			t.Errorf("%s: %v\nwant %s", tt.rest, err, tt.want)
		}
	}
	for factors, want := range map[string]string{
		"[{id: site, levels: 2}, sex]": "how many levels sex has isn't known without the protocol",
		"[{id: sex, levels: 2}]":       "site is missing",
	} {
		_, err := ParseRandomization("r.yaml", []byte("design: minimization\nfactors: "+factors+"\nmeasure: range\nchance: 4/5"), []int{1, 1})
		if err == nil || !strings.HasPrefix(err.Error(), "r.yaml:2: randomization: factors: "+want) {
			t.Errorf("%s without the protocol: %v", factors, err)
		}
	}
}

var wantList = randomization.List{Ratio: []int{1, 1}, Strata: []randomization.ListStratum{
	{Name: "OSL/sex=female", Arms: []randomization.Arm{1, 0}}, {Name: "OSL/sex=male", Arms: []randomization.Arm{0, 1, 1, 0}},
}}

// However a list writes arms, levels and sites, it is the same list.
func TestListFormatsSayTheSame(t *testing.T) {
	for name, tt := range map[string]struct{ format, table string }{
		"csv":               {"csv", "stratum,arm\nOSL/sex=female,southern\nOSL/sex=female,northern\nOSL/sex=male,northern\nOSL/sex=male,southern\nOSL/sex=male,southern\nOSL/sex=male,northern\n"},
		"csv with slots":    {"csv", "arm;slot;stratum\r\nsouthern;0;OSL/sex=female\r\nnorthern;0;OSL/sex=male\r\nnorthern;1;OSL/sex=female\r\nsouthern;1;OSL/sex=male\r\nsouthern;2;OSL/sex=male\r\nnorthern;3;OSL/sex=male\r\n"},
		"redcap, ids":       {"redcap", "redcap_randomization_group,sex\nsouthern,female\nnorthern,female\nnorthern,male\nsouthern,male\nsouthern,male\nnorthern,male\n"},
		"redcap, positions": {"redcap", "redcap_randomization_number,redcap_randomization_group,sex\nR1,2,1\nR2,1,1\nR3,1,2\nR4,2,2\nR5,2,2\nR6,1,2\n"},
		"redcap, groups":    {"redcap", "redcap_data_access_group,redcap_randomization_group,sex\nosl,2,1\nOSL,1,female\nosl,1,2\nosl,2,2\nosl,2,2\nosl,1,2\n"},
	} {
		got, err := ParseDesign("r.yaml", []byte("design: list\n"), List{[]byte(tt.table), tt.format}, small())
		if diff := cmp.Diff(randomization.Design(wantList), got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}
}

// The site is a group of REDCap's, whose names have no capitals and no hyphens.
func TestRedcapGroupsAreSites(t *testing.T) {
	table := "redcap_randomization_group,sex,redcap_data_access_group\n"
	for _, site := range []string{"osl", "BGO-2", "bgo"} {
		for _, sex := range []string{"1", "male"} {
			table += "1," + sex + "," + site + "\n2," + sex + "," + strings.ReplaceAll(strings.ToLower(site), "-", "_") + "\n"
		}
	}
	got, err := ParseDesign("r.yaml", []byte("design: list\n"), List{[]byte(table), "redcap"}, rehearsal())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range got.(randomization.List).Strata {
		names = append(names, s.Name)
		if len(s.Arms) != 2 || s.Arms[0] != 0 || s.Arms[1] != 1 {
			t.Errorf("%s: %v", s.Name, s.Arms)
		}
	}
	if got, want := strings.Join(names, " "), "BGO-2/sex=female BGO-2/sex=male BGO/sex=female BGO/sex=male OSL/sex=female OSL/sex=male"; got != want {
		t.Errorf("strata %s, want %s", got, want)
	}
}

// What is wrong with a list is said with its line; arms of other lines aren't.
func TestListThatDoesNotFitIsRefused(t *testing.T) {
	const good = "stratum,arm\nOSL/sex=female,southern\nOSL/sex=female,northern\nOSL/sex=male,northern\nOSL/sex=male,southern\n"
	for name, tt := range map[string]struct{ file, format, table, want string }{
		"no list":             {"design: list", "csv", "", "r.yaml:1: randomization: design: the list itself is missing: hand it in together with this file"},
		"no format":           {"design: list", "", good, `r.yaml:1: randomization: design: the list has the format "", want csv or redcap`},
		"a list for blocks":   {"design: complete", "csv", good, "r.yaml:1: randomization: design: complete is drawn, but a list is given too: give none, or use the design list"},
		"another key":         {"design: list\nchance: 4/5", "csv", good, "r.yaml:2: randomization: chance: the design list has no such key; it has design, tolerance"},
		"an unknown arm":      {"design: list", "csv", good + "OSL/sex=male,northren\n", `list:6: arm: "northren", want one of "northern", "southern"`},
		"an unknown stratum":  {"design: list", "csv", good + "OSL/sex=other,northern\n", `list:6: stratum: "OSL/sex=other", want one of "OSL/sex=female", "OSL/sex=male"`},
		"a missing stratum":   {"design: list", "csv", "stratum,arm\nOSL/sex=female,southern\nOSL/sex=female,northern\n", `list:1: stratum "OSL/sex=male" has no arms: want at least one`},
		"out of ratio":        {"design: list", "csv", good + "OSL/sex=male,northern\n", `list:1: stratum "OSL/sex=male" has arms 2:1 in the list, which is ahead of the ratio 1:1 by 1: the tolerated imbalance is 0`},
		"redcap, unknown arm": {"design: list", "redcap", "redcap_randomization_group,sex\n1,1\n2,1\n1,2\n3,2\n", `list:5: redcap_randomization_group: "3", want one of "1", "2"`},
		"redcap, misspelt id": {"design: list", "redcap", "redcap_randomization_group,sex\nnorthern,1\nsouthren,1\n", `list:3: redcap_randomization_group: "southren", want one of "northern", "southern"`},
		"redcap, twice":       {"design: list", "redcap", "redcap_randomization_group,redcap_randomization_number,sex\n1,7,1\n2,7,1\n", `list:3: redcap_randomization_number: "7" stands there twice: want each number once`},
		"redcap, no stratum":  {"design: list", "redcap", "redcap_randomization_group\n1\n2\n", `list:1: there is no column sex: want sex`},
	} {
		_, err := ParseDesign("r.yaml", []byte(tt.file), List{[]byte(tt.table), tt.format}, small())
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v\nwant %s", name, err, tt.want)
		}
	}
	if _, err := ParseDesign("r.yaml", []byte("design: list\ntolerance: 1"), List{[]byte(good + "OSL/sex=male,northern\n"), "csv"}, small()); err != nil {
		t.Errorf("within the tolerance: %v", err)
	}
	many := small()
	for range 4 {
		many.Sites = append(many.Sites, many.Sites...)
		many.Factors[0].Levels = append(many.Factors[0].Levels, many.Factors[0].Levels...)
	}
	many.Factors = append(many.Factors, many.Factors[0])
	if _, err := ParseDesign("r.yaml", []byte("design: list"), List{[]byte(good), "csv"}, many); err == nil || !strings.Contains(err.Error(), "the protocol has 16384 strata, a list has at most 10000") {
		t.Errorf("too many strata: %v", err)
	}
	_, err := ParseRandomization("r.yaml", []byte("design: list"), []int{1, 1})
	if err == nil || !strings.HasPrefix(err.Error(), "r.yaml:1: randomization: design: a statistician's own list is read when it is sealed") {
		t.Errorf("without a protocol: %v", err)
	}
}
