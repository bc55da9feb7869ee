package server_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// What belongs to another site is answered as what doesn't exist, in the same
// words, whatever is asked.
func TestOtherSitesLookLikeNothing(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	w.ready("S-2", "OSL")
	intent := w.prepare("S-2", "OSL")
	consent := &loddv1.ConsentGiven{Version: "1", On: "2026-03-01"}

	for name, ask := range map[string]func(user, p, intent string) error{
		"consent": func(user, p, _ string) error {
			_, err := w.screening().RecordConsent(w.as(user), &loddv1.RecordConsentRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Consent: consent})
			return err
		},
		"eligibility": func(user, p, _ string) error {
			_, err := w.screening().AssessEligibility(w.as(user), &loddv1.AssessEligibilityRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Answers: map[string]bool{"adult": true, "pregnant": false}})
			return err
		},
		"prepare": func(user, p, _ string) error {
			_, err := w.randomization().PrepareRandomization(w.as(user), &loddv1.PrepareRandomizationRequest{TrialId: "T1", RequestId: w.id(), Participant: p})
			return err
		},
		"commit": func(user, p, intent string) error {
			_, err := w.commit(user, intent, p)
			return err
		},
		"randomization": func(user, p, _ string) error {
			_, err := w.randomization().GetRandomization(w.as(user), &loddv1.GetRandomizationRequest{TrialId: "T1", Participant: p})
			return err
		},
		"submit": func(user, p, _ string) error {
			_, err := w.submit(user, p, "baseline", "background", `{"age": 34}`)
			return err
		},
		"read": func(user, p, _ string) error {
			_, err := w.assessment().ReadForm(w.as(user), &loddv1.ReadFormRequest{TrialId: "T1", Participant: p, Visit: "baseline", Form: "background"})
			return err
		},
		"correct": func(user, p, _ string) error {
			_, err := w.assessment().CorrectForm(w.as(user), &loddv1.CorrectFormRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Visit: "baseline", Form: "background", Values: `{"age": 35}`, Reason: "typed wrong"})
			return err
		},
		"missed": func(user, p, _ string) error {
			_, err := w.assessment().RecordMissedVisit(w.as(user), &loddv1.RecordMissedVisitRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Visit: "month-6", Reason: "other"})
			return err
		},
		"withdrawal": func(user, p, _ string) error {
			_, err := w.participants().RecordWithdrawal(w.as(user), &loddv1.RecordWithdrawalRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Scope: "data", Reason: "moved", Confirm: p})
			return err
		},
		"death": func(user, p, _ string) error {
			_, err := w.participants().RecordDeath(w.as(user), &loddv1.RecordDeathRequest{TrialId: "T1", RequestId: w.id(), Participant: p})
			return err
		},
		"error": func(user, p, _ string) error {
			_, err := w.participants().RecordError(w.as(user), &loddv1.RecordErrorRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Kind: "duplicate"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			absent := ask("tc-bgo", "S-9", w.id())
			for _, p := range []string{"S-1", "S-2"} {
				same(t, ask("tc-bgo", p, intent), absent)
			}
		})
	}
	got, err := w.screening().ListParticipants(w.as("tc-bgo"), &loddv1.ListParticipantsRequest{TrialId: "T1"})
	w.must(err)
	if len(got.GetParticipants()) != 0 {
		t.Errorf("Bergen sees %v", got)
	}
}

// Who names no site, or one of others, learns nothing of the numbers that other
// sites use: the answer is that for a number that nobody uses.
func TestForeignNumbersLookUnused(t *testing.T) {
	w := newTrial(t, nil)
	w.ready("S-1", "OSL")
	for _, site := range []string{"OSL", "NOWHERE", ""} {
		add := func(p string) error {
			_, err := w.screening().AddScreening(w.as("tc-bgo"), w.screened(p, site))
			return err
		}
		exclude := func(p string) error {
			_, err := w.screening().Exclude(w.as("tc-bgo"), &loddv1.ExcludeRequest{TrialId: "T1", RequestId: w.id(), Participant: p, Site: site, Reason: "declined"})
			return err
		}
		same(t, add("S-1"), add("S-9"))
		same(t, exclude("S-1"), exclude("S-9"))
		if site != "" {
			refused(t, add("S-1"), codes.PermissionDenied, "")
			refused(t, exclude("S-1"), codes.PermissionDenied, "")
		}
	}
}
