package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"filippo.io/age"

	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// secondTrial is a trial in which what may go wrong goes wrong.
const secondTrial = "SECOND"

const secondProtocol = `id: SECOND
title: {nb: Den andre studien, en: The second trial}
time_zone: Europe/Oslo
arms:
  - {id: one, label: {nb: Behandling en, en: Treatment one}}
  - {id: two, label: {nb: Behandling to, en: Treatment two}}
factors:
  - id: sex
    label: {nb: Kjønn, en: Sex}
    levels:
      - {id: female, label: {nb: Kvinne, en: Female}}
      - {id: male, label: {nb: Mann, en: Male}}
sites:
  - {id: OSL, name: Oslo}
visits:
  - {id: baseline, label: {nb: Inklusjon, en: Baseline}, months: 0}
  - {id: month-6, label: {nb: 6 måneder, en: 6 months}, months: 6, before: 30, after: 30}
criteria:
  - {id: adult, text: {nb: Over 18 år?, en: Over 18 years?}, want: true}
consents:
  - {version: "1", approved: 2025-01-01}
forms:
  - id: mood
    title: {nb: Stemning, en: Mood}
    visits: [baseline, month-6]
    by: coordinator
    items:
      - {id: glad, type: scale, label: {nb: Glad, en: Glad}, required: true, min: 0, max: 4}
`

// A sequel is a second story, played by the people of the first.
type sequel struct {
	ctx      context.Context
	invite   invite.Invite
	sessions map[string]*client.Client
	day      string
	requests int
}

// as returns a client that is signed in. It tells a mistake in the story by a
// panic, which names it.
func (s *sequel) as(user string) *client.Client {
	if c := s.sessions[user]; c != nil {
		return c
	}
	token := ""
	c := must(client.New(client.Config{Address: s.invite.Addresses[0], Pin: s.invite.Pin, Token: func() (string, error) { return token, nil }}))
	token = must(c.Session().Login(s.ctx, &loddv1.LoginRequest{User: user, Password: twinPassword})).GetToken()
	s.sessions[user] = c
	return c
}

func (s *sequel) id() string {
	s.requests++
	return fmt.Sprintf("00000000-0000-4000-9000-%012x", s.requests)
}

// playSecond seals by two parties, at the second try, prints envelopes, and
// randomizes four people and one more by an envelope; then corrects, replaces and
// notes what was wrong, and ends the trial.
func playSecond(ctx context.Context, in invite.Invite, now time.Time) {
	s := &sequel{ctx: ctx, invite: in, sessions: map[string]*client.Client{}, day: now.Format(time.DateOnly)}
	defer func() {
		for _, c := range s.sessions {
			c.Close()
		}
	}()
	must(s.as("ada").Trials().CreateTrial(ctx, &loddv1.CreateTrialRequest{RequestId: s.id(), FileName: "second.yaml", Protocol: []byte(secondProtocol)}))
	grant := func(by, user, role, site, team string) {
		must(s.as(by).People().GrantRole(ctx, &loddv1.GrantRoleRequest{TrialId: secondTrial, User: user, Role: role, Site: site, Team: team}))
	}
	grant("ada", "kari", "custodian", "", "")
	for _, g := range [][2]string{{"tove", "coordinator"}, {"olav", "assessor"}, {"mona", "monitor"}, {"per", "investigator"}, {"stine", "statistician"}, {"aud", "auditor"}} {
		grant("kari", g[0], g[1], "", "")
	}
	grant("kari", "ina", "treatment-team", "OSL", "one")
	grant("kari", "tom", "treatment-team", "OSL", "two")
	s.seal()
	for n := 1; n <= 5; n++ {
		s.enrol(n)
	}
	s.mistakes()
	for _, user := range []string{"ina", "tom"} {
		must(s.as(user).Delivery().ListTeam(ctx, &loddv1.ListTeamRequest{TrialId: secondTrial}))
	}
	s.finish()
}

func (s *sequel) seal() {
	seal := func() string {
		return must(s.as("kari").Trials().SealDesign(s.ctx, &loddv1.SealDesignRequest{
			TrialId: secondTrial, RequestId: s.id(), FileName: "design.yaml", Design: []byte("design: permuted-blocks\nblock_sizes: [4, 6]\n"), SecondParty: true,
		})).GetCommitment()
	}
	seal()
	must(s.as("kari").Sealing().AbandonSealing(s.ctx, &loddv1.AbandonSealingRequest{TrialId: secondTrial, RequestId: s.id(), Reason: "other", Confirm: secondTrial}))
	must(s.as("stine").Sealing().ContributeEntropy(s.ctx, &loddv1.ContributeEntropyRequest{
		TrialId: secondTrial, RequestId: s.id(), Entropy: []byte(secondContribution), Commitment: seal(),
	}))
	var recipients []string
	for range 2 { // whose keys, and the ciphertext, are nobody's to compare
		recipients = append(recipients, must(age.GenerateX25519Identity()).Recipient().String())
	}
	must(s.as("kari").Sealing().PrintContingency(s.ctx, &loddv1.PrintContingencyRequest{TrialId: secondTrial, RequestId: s.id(), Envelopes: 3, Recipients: recipients}))
	must(s.as("kari").Sealing().SpoilEnvelope(s.ctx, &loddv1.SpoilEnvelopeRequest{TrialId: secondTrial, RequestId: s.id(), Stratum: "OSL/sex=female", Envelope: 3, Reason: "damaged"}))
	must(s.as("kari").Trials().OpenEnrolment(s.ctx, &loddv1.OpenEnrolmentRequest{TrialId: secondTrial, RequestId: s.id()}))
}

func person2(n int) string { return fmt.Sprintf("SECOND-%d", n) }

// enrol screens somebody and randomizes them; the last one by an envelope.
func (s *sequel) enrol(n int) {
	tove, p := s.as("tove"), person2(n)
	must(tove.Screening().AddScreening(s.ctx, &loddv1.AddScreeningRequest{
		TrialId: secondTrial, RequestId: s.id(), Participant: p, Site: "OSL", Levels: map[string]string{"sex": "female"},
		Answers: map[string]bool{"adult": true}, Consent: &loddv1.ConsentGiven{Version: "1", On: s.day},
	}))
	must(tove.Assessments().SubmitForm(s.ctx, &loddv1.SubmitFormRequest{
		TrialId: secondTrial, RequestId: s.id(), Participant: p, Visit: "baseline", Form: "mood", Values: `{"glad": 2}`,
	}))
	if n == 5 {
		must(tove.Randomization().RecordContingencyAllocation(s.ctx, &loddv1.RecordContingencyAllocationRequest{
			TrialId: secondTrial, RequestId: s.id(), Participant: p, Envelope: 1, On: s.day, Witness: "per", Reason: "server-down", Confirm: p, Stratum: "OSL/sex=female",
		}))
		return
	}
	intent := must(tove.Randomization().PrepareRandomization(s.ctx, &loddv1.PrepareRandomizationRequest{TrialId: secondTrial, RequestId: s.id(), Participant: p})).GetIntentId()
	must(tove.Randomization().CommitRandomization(s.ctx, &loddv1.CommitRandomizationRequest{TrialId: secondTrial, IntentId: intent, Confirm: p}))
}

func (s *sequel) mistakes() {
	people := s.as("tove").Participants()
	must(people.CorrectLevels(s.ctx, &loddv1.CorrectLevelsRequest{
		TrialId: secondTrial, RequestId: s.id(), Participant: person2(1), Levels: map[string]string{"sex": "male"}, Reason: "mistyped",
	}))
	must(people.RecordError(s.ctx, &loddv1.RecordErrorRequest{TrialId: secondTrial, RequestId: s.id(), Participant: person2(3), Kind: "duplicate", Of: person2(1)}))
	must(people.RecordReplacement(s.ctx, &loddv1.RecordReplacementRequest{TrialId: secondTrial, RequestId: s.id(), Participant: person2(3), By: person2(4)}))
}

// finish ends enrolment, locks the data, unseals the trial and hands out the
// reveal.
func (s *sequel) finish() {
	must(s.as("kari").Trials().CloseEnrolment(s.ctx, &loddv1.CloseEnrolmentRequest{TrialId: secondTrial, RequestId: s.id()}))
	must(s.as("mona").Exports().TakeLock(s.ctx, &loddv1.TakeLockRequest{TrialId: secondTrial, RequestId: s.id()}))
	must(s.as("mona").DownloadExport(s.ctx, &loddv1.DownloadExportRequest{TrialId: secondTrial, RequestId: s.id(), Lock: 1}, io.Discard, nil))
	must(s.as("stine").Unsealing().FreezeAnalysisPlan(s.ctx, &loddv1.FreezeAnalysisPlanRequest{TrialId: secondTrial, RequestId: s.id(), Digest: bytes.Repeat([]byte{1}, 32), Version: "1"}))
	must(s.as("per").Unsealing().ProposeUnsealing(s.ctx, &loddv1.ProposeUnsealingRequest{TrialId: secondTrial, RequestId: s.id()}))
	step := must(s.as("kari").Session().StepUp(s.ctx, &loddv1.StepUpRequest{
		Act: loddv1.UnsealingService_ApproveUnsealing_FullMethodName, Trial: secondTrial, Subject: secondTrial, Password: twinPassword,
	}))
	must(s.as("kari").Unsealing().ApproveUnsealing(s.ctx, &loddv1.ApproveUnsealingRequest{TrialId: secondTrial, RequestId: s.id(), Confirm: secondTrial, StepUp: step.GetToken()}))
	must(s.as("stine").DownloadReveal(s.ctx, &loddv1.DownloadRevealRequest{TrialId: secondTrial, RequestId: s.id()}, io.Discard, nil))
}

// lookAtChanges lets a blinded role call what changes something, and what is about
// seeds, envelopes, mistakes and the reveal: most of it is refused, and no refusal
// may depend on an arm.
func lookAtChanges(ctx context.Context, c *client.Client, id string, participants []*loddv1.Participant) {
	n := 0
	request := func() string {
		n++
		return fmt.Sprintf("00000000-0000-4000-a000-%012x", n)
	}
	_, _ = c.Trials().ListTrials(ctx, &loddv1.ListTrialsRequest{})
	_, _ = c.People().ListAccounts(ctx, &loddv1.ListAccountsRequest{})
	_, _ = c.People().DisableAccount(ctx, &loddv1.DisableAccountRequest{User: "tom", Reason: "he left"})
	_, _ = c.People().RevokeRole(ctx, &loddv1.RevokeRoleRequest{TrialId: id, User: "tom", Role: "treatment-team", Reason: "he left"})
	_, _ = c.Sealing().GetSealingRecord(ctx, &loddv1.GetSealingRecordRequest{TrialId: id})
	_, _ = c.Sealing().ContributeEntropy(ctx, &loddv1.ContributeEntropyRequest{TrialId: id, RequestId: request(), Entropy: []byte("1"), Commitment: "0"})
	_, _ = c.Sealing().AbandonSealing(ctx, &loddv1.AbandonSealingRequest{TrialId: id, RequestId: request(), Reason: "other", Confirm: id})
	_, _ = c.Sealing().PrintContingency(ctx, &loddv1.PrintContingencyRequest{TrialId: id, RequestId: request(), Envelopes: 1})
	_, _ = c.Sealing().SpoilEnvelope(ctx, &loddv1.SpoilEnvelopeRequest{TrialId: id, RequestId: request(), Stratum: "OSL/sex=female", Envelope: 2, Reason: "no reason"})
	_, _ = c.Unsealing().GetUnsealing(ctx, &loddv1.GetUnsealingRequest{TrialId: id})
	_, _ = c.Unsealing().FreezeAnalysisPlan(ctx, &loddv1.FreezeAnalysisPlanRequest{TrialId: id, RequestId: request(), Digest: make([]byte, 31), Version: "9"})
	_, _ = c.Unsealing().ProposeUnsealing(ctx, &loddv1.ProposeUnsealingRequest{TrialId: id, RequestId: request()})
	_, _ = c.Unsealing().ApproveUnsealing(ctx, &loddv1.ApproveUnsealingRequest{TrialId: id, RequestId: request(), Confirm: id})
	_, _ = c.DownloadReveal(ctx, &loddv1.DownloadRevealRequest{TrialId: id, RequestId: request()}, io.Discard, nil)
	for _, p := range participants {
		number := p.GetParticipant()
		_, _ = c.Screening().RecordConsent(ctx, &loddv1.RecordConsentRequest{
			TrialId: id, RequestId: request(), Participant: number, Consent: &loddv1.ConsentGiven{Version: "1", On: "2026-01-01"},
		})
		_, _ = c.Screening().AssessEligibility(ctx, &loddv1.AssessEligibilityRequest{TrialId: id, RequestId: request(), Participant: number, Answers: map[string]bool{"adult": true}})
		for envelope := range int32(3) {
			_, _ = c.Randomization().RecordContingencyAllocation(ctx, &loddv1.RecordContingencyAllocationRequest{
				TrialId: id, RequestId: request(), Participant: number, Envelope: envelope, Witness: "aud", Reason: "other", Confirm: number, Stratum: "OSL/sex=female",
			})
		}
		for _, sex := range []string{"female", "male"} {
			_, _ = c.Participants().CorrectLevels(ctx, &loddv1.CorrectLevelsRequest{
				TrialId: id, RequestId: request(), Participant: number, Levels: map[string]string{"sex": sex}, Reason: "misread",
			})
		}
		_, _ = c.Participants().RecordReplacement(ctx, &loddv1.RecordReplacementRequest{TrialId: id, RequestId: request(), Participant: number, By: participants[0].GetParticipant()})
	}
}
