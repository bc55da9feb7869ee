package main

import (
	"fmt"
	"strconv"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// followUp assesses everybody; one text tells an arm and is held, one form is
// corrected and signed, one visit is missed.
func (s *forty) followUp() {
	for n, p := range s.numbers {
		if n == 5 {
			must(s.as("olav").Assessments().RecordMissedVisit(s.ctx, &loddv1.RecordMissedVisitRequest{TrialId: fortyTrial, RequestId: s.id(), Participant: p, Visit: "month-6", Reason: "not-reached"}))
			continue
		}
		note := []string{"sov dårlig", "jobbspesialisten ringte", "fin dag"}[min(n, 2)]
		for _, form := range [][2]string{{"mood", fmt.Sprintf(`{"glad": %d, "note": %q}`, n%5, note)}, {"guess-before", `{"guess": "unknown"}`}} {
			must(s.as([]string{"olav", "oda"}[n%2]).Assessments().SubmitForm(s.ctx, &loddv1.SubmitFormRequest{
				TrialId: fortyTrial, RequestId: s.id(), Participant: p, Visit: "month-6", Form: form[0], Values: form[1],
			}))
		}
	}
	held := must(s.as("rita").Reviews().ListHeldText(s.ctx, &loddv1.ListHeldTextRequest{TrialId: fortyTrial})).GetTexts()
	must(s.as("rita").Reviews().JudgeText(s.ctx, &loddv1.JudgeTextRequest{
		TrialId: fortyTrial, RequestId: s.id(), Participant: held[0].GetParticipant(), Visit: held[0].GetVisit(), Form: held[0].GetForm(), Item: held[0].GetItem(), Entry: held[0].GetEntry(),
	}))
	olav, p := s.as("olav").Assessments(), s.numbers[0]
	must(olav.GetForm(s.ctx, &loddv1.GetFormRequest{TrialId: fortyTrial, Form: "mood"}))
	must(olav.CorrectForm(s.ctx, &loddv1.CorrectFormRequest{TrialId: fortyTrial, RequestId: s.id(), Participant: p, Visit: "month-6", Form: "mood", Values: `{"glad": 4}`, Reason: "lest feil"}))
	version := must(olav.ReadForm(s.ctx, &loddv1.ReadFormRequest{TrialId: fortyTrial, Participant: p, Visit: "month-6", Form: "mood"})).GetVersion()
	must(olav.SignForm(s.ctx, &loddv1.SignFormRequest{
		TrialId: fortyTrial, RequestId: s.id(), Participant: p, Visit: "month-6", Form: "mood", Version: version, Meaning: "authorship",
		StepUp: s.sure("olav", loddv1.AssessmentService_SignForm_FullMethodName, fmt.Sprintf("%s/month-6/mood/%d/authorship", p, version)),
	}))
}

// safety reports events of both kinds of reporters and has them judged.
func (s *forty) safety() {
	s.teams()
	for n, reporter := range []string{"tove", s.team("OSL-07"), s.team("BGO-03")} {
		must(s.as(reporter).Safety().ReportAdverseEvent(s.ctx, &loddv1.ReportAdverseEventRequest{
			TrialId: fortyTrial, RequestId: s.id(), Participant: []string{"OSL-02", "OSL-07", "BGO-03"}[n], On: s.day, Category: "relapse", Serious: n == 1, Text: "Drakk igjen en helg.",
		}))
	}
	for n := range int32(3) {
		must(s.as("per").Safety().AssessAdverseEvent(s.ctx, &loddv1.AssessAdverseEventRequest{TrialId: fortyTrial, RequestId: s.id(), Number: n + 1, Related: "unrelated", Expected: true}))
		must(s.as("rita").Safety().AssessRelatedness(s.ctx, &loddv1.AssessRelatednessRequest{TrialId: fortyTrial, RequestId: s.id(), Number: n + 1, Related: "possible"}))
	}
	must(s.as("dag").Safety().ListAdverseEvents(s.ctx, &loddv1.ListAdverseEventsRequest{TrialId: fortyTrial}))
}

// unblind opens the arm of the participant whose arm differs in one of the worlds:
// to an investigator, to a clinician and, by two people, to an auditor. An
// assessor's blind is broken besides.
func (s *forty) unblind() {
	for _, by := range [][2]string{{"pia", ""}, {"per", "hanne"}} {
		must(s.as(by[0]).Unblinding().Unblind(s.ctx, &loddv1.UnblindRequest{
			TrialId: fortyTrial, RequestId: s.id(), Participant: "OSL-07", Confirm: "OSL-07", Reason: "medical-emergency", Text: "Found unconscious at home.", Clinician: by[1],
			StepUp: s.sure(by[0], loddv1.UnblindingService_Unblind_FullMethodName, "OSL-07/"+by[1]),
		}))
	}
	must(s.as("kari").Unblinding().ProposeDisclosure(s.ctx, &loddv1.ProposeDisclosureRequest{TrialId: fortyTrial, RequestId: s.id(), Participant: "OSL-07", To: "arvid", Reason: "inspection"}))
	must(s.as("stine").Unblinding().ApproveDisclosure(s.ctx, &loddv1.ApproveDisclosureRequest{
		TrialId: fortyTrial, RequestId: s.id(), Participant: "OSL-07", To: "arvid", StepUp: s.sure("stine", loddv1.UnblindingService_ApproveDisclosure_FullMethodName, "OSL-07/arvid"),
	}))
	for _, user := range []string{"hanne", "arvid"} {
		waiting := must(s.as(user).Unblinding().ListWaiting(s.ctx, &loddv1.ListWaitingRequest{TrialId: fortyTrial})).GetWaiting()[0].GetNumber()
		must(s.as(user).Unblinding().Collect(s.ctx, &loddv1.CollectRequest{
			TrialId: fortyTrial, RequestId: s.id(), Number: waiting, StepUp: s.sure(user, loddv1.UnblindingService_Collect_FullMethodName, strconv.FormatInt(waiting, 10)),
		}))
	}
	must(s.as("per").Unblinding().ListUnblindings(s.ctx, &loddv1.ListUnblindingsRequest{TrialId: fortyTrial}))
	must(s.as("oda").Unblinding().ReportBrokenBlind(s.ctx, &loddv1.ReportBrokenBlindRequest{
		TrialId: fortyTrial, RequestId: s.id(), Participant: "OSL-07", How: "participant", Timing: "after-assessment", Text: "Sa det på telefonen.",
	}))
	broken := must(s.as("per").Unblinding().ListBrokenBlinds(s.ctx, &loddv1.ListBrokenBlindsRequest{TrialId: fortyTrial})).GetReports()[0].GetNumber()
	must(s.as("per").Unblinding().AssessImpact(s.ctx, &loddv1.AssessImpactRequest{TrialId: fortyTrial, RequestId: s.id(), Number: broken, Impact: "possible", Measure: "reassigned"}))
}

// look lets a blinded role ask for all that lookAt doesn't, also what it may not.
func (s *forty) look(user string) {
	c, ctx, id := s.as(user), s.ctx, fortyTrial
	_, _ = c.Safety().ListAdverseEvents(ctx, &loddv1.ListAdverseEventsRequest{TrialId: id})
	_, _ = c.Reviews().ListHeldText(ctx, &loddv1.ListHeldTextRequest{TrialId: id})
	_, _ = c.Unblinding().ListWaiting(ctx, &loddv1.ListWaitingRequest{TrialId: id})
	_, _ = c.Unblinding().ListUnblindings(ctx, &loddv1.ListUnblindingsRequest{TrialId: id})
	_, _ = c.Unblinding().ListBrokenBlinds(ctx, &loddv1.ListBrokenBlindsRequest{TrialId: id})
	_, _ = c.People().ReviewAccess(ctx, &loddv1.ReviewAccessRequest{TrialId: id, On: s.day})
	_, _ = c.People().ListProposals(ctx, &loddv1.ListProposalsRequest{})
	for _, p := range []string{"OSL-01", "OSL-07", "BGO-03", "BGO-19", "nobody"} {
		_, _ = c.Delivery().ListContacts(ctx, &loddv1.ListContactsRequest{TrialId: id, Participant: p})
		_, _ = c.Delivery().RecordContact(ctx, &loddv1.RecordContactRequest{TrialId: id, RequestId: s.id(), Participant: p, On: s.day, Kind: "meeting", Minutes: 1})
		_, _ = c.Unblinding().Unblind(ctx, &loddv1.UnblindRequest{TrialId: id, RequestId: s.id(), Participant: p, Confirm: p, Reason: "other", Text: "curious as I am"})
		_, _ = c.Unblinding().ProposeDisclosure(ctx, &loddv1.ProposeDisclosureRequest{TrialId: id, RequestId: s.id(), Participant: p, To: "hanne", Reason: "other"})
		_, _ = c.Assessments().ReadForm(ctx, &loddv1.ReadFormRequest{TrialId: id, Participant: p, Visit: "month-6", Form: "mood"})
	}
	for n := range int64(12) {
		_, _ = c.Unblinding().Collect(ctx, &loddv1.CollectRequest{TrialId: id, RequestId: s.id(), Number: n})
	}
}
