package ledger_test

import (
	"fmt"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

func protocol() trial.Protocol {
	all := []trial.VisitID{"baseline", "month-6", "month-12"}
	return trial.Protocol{
		ID: "IPS", Title: trial.Text{EN: "IPS"}, TimeZone: "Europe/Oslo",
		Arms:     []trial.Arm{{ID: "ips", Label: trial.Text{EN: "IPS"}, Ratio: 1}, {ID: "tau", Label: trial.Text{EN: "TAU"}, Ratio: 1}},
		Sites:    []trial.Site{{ID: "OSLO", Name: "Oslo"}, {ID: "BERGEN", Name: "Bergen"}},
		Visits:   []trial.Visit{{ID: "baseline"}, {ID: "month-6", Months: 6, Before: 14, After: 28}, {ID: "month-12", Months: 12, Before: 14, After: 28}},
		Criteria: []trial.Criterion{{ID: "adult", Want: true}, {ID: "in-work", Want: false}},
		Consents: []trial.Consent{{Version: "1.0", Approved: date("2020-01-15")}},
		Forms: []trial.Form{
			{ID: "history", Version: 1, Visits: all[:1], By: trial.Coordinator, Definition: definition("history", instrument.Open)},
			{ID: "audit", Version: 1, Visits: all, By: trial.Assessor, Definition: definition("audit", instrument.Blinded)},
		},
	}
}

// definition is a form of ten numbers, the last of which is at most the one
// before it, and ten long texts.
func definition(id string, class instrument.Class) []byte {
	f := instrument.Form{Schema: instrument.Schema, ID: id, Version: 1, Title: instrument.Text{EN: id}, Class: class}
	for i := range 10 {
		low, high := 0.0, 100.0
		f.Items = append(f.Items,
			instrument.Item{ID: fmt.Sprintf("n%d", i), Type: instrument.TypeInteger, Label: instrument.Text{EN: "n"}, Min: &low, Max: &high},
			instrument.Item{ID: fmt.Sprintf("t%d", i), Type: instrument.TypeText, Label: instrument.Text{EN: "t"}, MaxLength: 4000})
	}
	f.Items[18].Check = &instrument.Check{Rule: "n9 <= n8", Message: instrument.Text{EN: "n9 is more than n8"}}
	b, err := f.Encode()
	if err != nil {
		panic(err)
	}
	return b
}
