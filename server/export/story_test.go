package export_test

import (
	"fmt"
	"testing"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

func both(s string) trial.Text { return trial.Text{NB: s + " (nb)", EN: s} }

// protocol is a trial of two arms, two sites and two follow-up visits. Names of
// items are chosen to get in the way of other columns.
func protocol(t testing.TB) trial.Protocol {
	low, high := 0.0, 10.0
	label := func(s string) instrument.Text { return instrument.Text(both(s)) }
	mood := instrument.Form{
		Schema: instrument.Schema, ID: "mood", Version: 2, Title: label("Mood"), Class: instrument.Blinded,
		Items: []instrument.Item{
			{ID: "score", Type: instrument.TypeScale, Label: label("Score, \"today\""), Required: true, Min: &low, Max: &high},
			{ID: "note", Type: instrument.TypeText, Label: label("=Note")},
			{ID: "visit", Type: instrument.TypeChoice, Label: label("Where"), Options: []instrument.Option{
				{Code: "-1", Label: label("unknown")}, {Code: "home", Label: label("at home")},
			}},
			{ID: "score_missing_reason", Type: instrument.TypeDate, Label: label("Why was score missing")},
			{ID: "weight", Type: instrument.TypeDecimal, Label: label("Weight"), Unit: &instrument.Text{EN: "kg"}, Min: &low, Decimals: 1},
			{ID: "twice", Type: instrument.TypeCalc, Label: label("Twice the score"), Calc: "score * 2"},
		},
	}
	services := instrument.Form{
		Schema: instrument.Schema, ID: "corrections", Version: 1, Title: label("Services"), Class: instrument.Blinded,
		Items: []instrument.Item{{
			ID: "used", Type: instrument.TypeMulti, Label: label("Used"), Reveals: true,
			Options: []instrument.Option{{Code: "nav", Label: label("NAV")}, {Code: "gp", Label: label("GP")}},
		}},
	}
	form := func(f instrument.Form, visits ...trial.VisitID) trial.Form {
		definition, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return trial.Form{
			ID: trial.FormID(f.ID), Version: f.Version, Title: trial.Text(f.Title), Visits: visits,
			By: trial.Assessor, Definition: definition,
		}
	}
	return trial.Protocol{
		ID: "TRIAL-1", Title: both("Zulu or yankee"), TimeZone: "Europe/Oslo",
		Arms:  []trial.Arm{{ID: "zulu", Label: both("Zulu treatment"), Ratio: 1}, {ID: "yankee", Label: both("Yankee treatment"), Ratio: 1}},
		Sites: []trial.Site{{ID: "OSLO", Name: "Oslo"}, {ID: "-BERGEN", Name: "Bergen"}},
		Visits: []trial.Visit{
			{ID: "baseline", Label: both("Baseline")},
			{ID: "month-6", Label: both("Month 6"), Months: 6, Before: 14, After: 28},
			{ID: "month-12", Label: both("Month 12"), Months: 12, Before: 14, After: 28},
		},
		Criteria: []trial.Criterion{{ID: "adult", Text: both("Adult"), Want: true}},
		Consents: []trial.Consent{{Version: "1", Approved: trial.Date{Year: 2025, Month: 12, Day: 1}}},
		Forms: []trial.Form{
			form(services, "month-6"),
			form(mood, "baseline", "month-6", "month-12"),
		},
	}
}

// person returns the screening number of person i.
func person(i int) trial.ParticipantID {
	return trial.ParticipantID(fmt.Sprintf("SCREEN-%04d", 7000+i))
}

// story is a small trial until after its first lock: eight are randomized, one
// each stops the intervention, withdraws, dies, is a duplicate, misses a visit
// and is assessed late; two are screened only.
func (w *world) story() {
	w.t.Helper()
	for i := range 8 {
		w.enrol(person(i), []trial.SiteID{"OSLO", "-BERGEN"}[i%2])
		w.now = w.now.AddDate(0, 0, 1)
	}
	w.screen(person(8), "OSLO")
	w.do("coordinator", trial.Excluded{Participant: person(9), Site: "OSLO", Reason: "declined"})
	w.do("coordinator", trial.ErrorRecorded{Participant: person(3), Kind: "duplicate"})
	w.now = w.now.AddDate(0, 6, 0)
	w.submit(person(0), "month-6", "corrections", instrument.Values{"used": instrument.Codes{"nav", "gp"}})
	w.submit(person(0), "month-6", "mood", instrument.Values{
		"score": instrument.Number(10), "note": instrument.String("=HYPERLINK(\"x\")"), "visit": instrument.String("-1"), "weight": instrument.Number(71.5),
	})
	w.submit(person(1), "month-6", "mood", instrument.Values{"score": instrument.Refused, "weight": instrument.NotDone})
	w.do("assessor", trial.VisitMissed{Participant: person(2), Visit: "month-6", Reason: "not-reached"})
	w.do("coordinator", trial.Withdrawn{Participant: person(4), Scope: trial.FromIntervention, Reason: "burden", On: w.today()})
	w.do("coordinator", trial.Withdrawn{Participant: person(5), Scope: trial.FromFollowUp, Reason: "health", On: w.today()})
	w.do("coordinator", trial.Died{Participant: person(6), On: w.today()})
	w.correct(person(0), "month-6", "mood", instrument.Values{"score": instrument.Unknown, "note": instrument.String("'quoted'"), "weight": instrument.Number(72)})
	w.correct(person(0), "month-6", "corrections", instrument.Values{"used": instrument.Codes{"gp"}})
	w.now = w.now.AddDate(0, 1, 5)
	w.submit(person(7), "month-6", "mood", instrument.Values{"score": instrument.Number(0)})
	w.lock()
}
