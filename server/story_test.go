package server_test

import (
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// at returns the coordinator of a site.
func at(site string) string { return map[string]string{"OSL": "tc-osl", "BGO": "tc-bgo"}[site] }

func (w *world) screened(p, site string) *loddv1.AddScreeningRequest {
	return &loddv1.AddScreeningRequest{
		TrialId: "T1", RequestId: w.id(), Participant: p, Site: site, Levels: map[string]string{"sex": "female"},
		Consent: &loddv1.ConsentGiven{Version: "1", On: "2026-03-01"}, Answers: map[string]bool{"adult": true, "pregnant": false},
	}
}

// ready brings a participant to the point of randomization.
func (w *world) ready(p, site string) {
	w.t.Helper()
	_, err := w.screening().AddScreening(w.as(at(site)), w.screened(p, site))
	w.must(err)
	_, err = w.submit(at(site), p, "baseline", "background", `{"age": 34}`)
	w.must(err)
}

func (w *world) prepare(p, site string) string {
	w.t.Helper()
	resp, err := w.randomization().PrepareRandomization(w.as(at(site)), &loddv1.PrepareRandomizationRequest{TrialId: "T1", RequestId: w.id(), Participant: p})
	w.must(err)
	return resp.GetIntentId()
}

func (w *world) commit(user, intent, confirm string) (*loddv1.CommitRandomizationResponse, error) {
	return w.randomization().CommitRandomization(w.as(user), &loddv1.CommitRandomizationRequest{TrialId: "T1", IntentId: intent, Confirm: confirm})
}

func (w *world) randomize(p, site string) {
	w.t.Helper()
	w.ready(p, site)
	_, err := w.commit(at(site), w.prepare(p, site), p)
	w.must(err)
}

func (w *world) submit(user, p, visit, form, values string) (*loddv1.SubmitFormResponse, error) {
	return w.assessment().SubmitForm(w.as(user), &loddv1.SubmitFormRequest{
		TrialId: "T1", RequestId: w.id(), Participant: p, Visit: visit, Form: form, Values: values,
	})
}
