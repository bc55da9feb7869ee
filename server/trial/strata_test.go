package trial_test

import (
	"slices"
	"testing"

	"github.com/lodd-rct/lodd/server/trial"
)

// The strata are the combinations of sites and levels, in the protocol's order,
// and the indexes of whoever is in one say which.
func TestStrataAreSitesByLevels(t *testing.T) {
	p := trial.Protocol{
		Sites: []trial.Site{{ID: "B"}, {ID: "A"}},
		Factors: []trial.Factor{
			{ID: "sex", Levels: []trial.Option{{ID: "f"}, {ID: "m"}}},
			{ID: "age", Levels: []trial.Option{{ID: "old"}, {ID: "young"}}},
		},
	}
	want := []trial.Stratum{
		"B/sex=f/age=old", "B/sex=f/age=young", "B/sex=m/age=old", "B/sex=m/age=young",
		"A/sex=f/age=old", "A/sex=f/age=young", "A/sex=m/age=old", "A/sex=m/age=young",
	}
	if got := p.Strata(); !slices.Equal(got, want) || p.CountStrata() != len(want) {
		t.Errorf("%d strata %v, want %v", p.CountStrata(), got, want)
	}
	p.Factors = nil
	if got := p.Strata(); !slices.Equal(got, []trial.Stratum{"B", "A"}) || p.CountStrata() != 2 {
		t.Errorf("without factors: %v", got)
	}
}

func TestLevelIndexesAreThoseOfTheProtocol(t *testing.T) {
	p := trial.Protocol{
		Sites:   []trial.Site{{ID: "B"}, {ID: "A"}},
		Factors: []trial.Factor{{ID: "sex", Levels: []trial.Option{{ID: "f"}, {ID: "m"}}}},
	}
	who := &trial.Participant{Site: "A", Levels: []trial.Code{"m"}, CorrectedLevels: []trial.Code{"f"}}
	if got := p.LevelIndexes(who); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("indexes %v, want those at randomization: [1 1]", got)
	}
	if got := p.LevelIndexes(&trial.Participant{Site: "C"}); !slices.Equal(got, []int{-1, -1}) {
		t.Errorf("of nobody: %v", got)
	}
}
