package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// fortyTrial is a trial of 40 participants whose arms stand in a list, so that two
// worlds can differ in those of all of them, or of one.
const fortyTrial = "FORTY"

const fortyProtocol = `id: FORTY
title: {nb: Førti, en: Forty}
time_zone: Europe/Oslo
arms:
  - {id: new, label: {nb: Noe nytt, en: Something new}}
  - {id: as-before, label: {nb: Som før, en: As before}}
sites:
  - {id: BGO, name: Bergen}
  - {id: OSL, name: Oslo}
visits:
  - {id: baseline, label: {nb: Inklusjon, en: Baseline}, months: 0}
  - {id: month-6, label: {nb: 6 måneder, en: 6 months}, months: 6, before: 30, after: 30}
criteria:
  - {id: adult, text: {nb: Over 18 år?, en: Over 18 years?}, want: true}
consents:
  - {version: "1", approved: 2025-01-01}
forms:
  - id: background
    title: {nb: Bakgrunn, en: Background}
    visits: [baseline]
    by: coordinator
    items:
      - {id: age, type: integer, label: {nb: Alder, en: Age}, required: true, min: 18, max: 99}
  - id: mood
    title: {nb: Stemning, en: Mood}
    visits: [month-6]
    by: assessor
    items:
      - {id: glad, type: scale, label: {nb: Glad, en: Glad}, required: true, min: 0, max: 4}
      - {id: note, type: text, label: {nb: Merknad, en: Note}}
  - id: guess-before
    title: {nb: Gjetning, en: Guess}
    visits: [month-6]
    by: assessor
    after: mood
    items:
      - {id: guess, type: choice, label: {nb: Hvilken?, en: Which?}, required: true, reveals: true, options: [
          {code: new, label: {nb: Ny, en: New}}, {code: as-before, label: {nb: Som før, en: As before}}, {code: unknown, label: {nb: Vet ikke, en: Unknown}}]}
`

// fortyPeople is everybody of the trial with role, site and team. The names of
// treatment teams have one length, since what they write bears them.
var fortyPeople = [][4]string{
	{"kari", "custodian"},
	{"tove", "coordinator"},
	{"olav", "assessor"},
	{"oda", "assessor"},
	{"mona", "monitor"},
	{"per", "investigator"},
	{"pia", "investigator"},
	{"stine", "statistician"},
	{"dag", "dsmb"},
	{"aud", "auditor"},
	{"arvid", "auditor"},
	{"rita", "reviewer"},
	{"hanne", "clinician"},
	{"ina", "treatment-team", "OSL", "new"},
	{"tom", "treatment-team", "OSL", "as-before"},
	{"eva", "treatment-team", "BGO", "new"},
	{"jon", "treatment-team", "BGO", "as-before"},
	{"ida"},
	{"gro"},
}

// fortyRecipients are the public keys of two people who would open envelopes.
var fortyRecipients = []string{
	"age1jn4a5eau73zw2ep5r27teq2a035z974c2s5400araqljuktwmfhsxr33pj", "age138t9jjy7f8g8xzgq73y0j0n9eg3fcq4hlt0nsja9qc88la76lu6q72dsgh",
}

// fortyRows are the arms of the list of Oslo, n for the new one, and backwards
// those of Bergen: one row more than participants, so that the list of each site
// is out of ratio by one, also if the seventh is in the other arm.
const fortyRows = "nbbnbnnbnbbnnbnbnbnbn"

// fortyArms returns the arm of each row, by the number of the participant who gets
// it. All are swapped, or one is.
func fortyArms(all bool, one string) map[string]string {
	arms := map[string]string{}
	for i := range fortyRows {
		for site, row := range map[string]byte{"OSL": fortyRows[i], "BGO": fortyRows[len(fortyRows)-1-i]} {
			p := fmt.Sprintf("%s-%02d", site, i+1)
			arms[p] = "as-before"
			if swapped := all != (p == one); (row == 'n') != swapped {
				arms[p] = "new"
			}
		}
	}
	return arms
}

// fortyList is the list as the statistician hands it in.
func fortyList(arms map[string]string) []byte {
	var out strings.Builder
	out.WriteString("stratum,arm\n")
	for _, site := range []string{"BGO", "OSL"} {
		for n := 1; n <= len(fortyRows); n++ {
			fmt.Fprintf(&out, "%s,%s\n", site, arms[fmt.Sprintf("%s-%02d", site, n)])
		}
	}
	return []byte(out.String())
}

// A forty is the story of 40 participants.
type forty struct {
	sequel
	clock   *clock
	arms    map[string]string
	numbers []string // of the participants
	left    bool     // jon has left, and ida came
}

func (s *forty) wait(d time.Duration) {
	for _, c := range s.sessions {
		c.Close()
	}
	clear(s.sessions)
	s.clock.set(s.clock.now().Add(d))
	s.day = s.clock.now().Format(time.DateOnly)
}

// team is the account of the treatment team of a participant.
func (s *forty) team(p string) string {
	for _, who := range fortyPeople {
		if who[1] == "treatment-team" && who[2] == p[:3] && who[3] == s.arms[p] {
			if who[0] == "jon" && s.left {
				return "ida"
			}
			return who[0]
		}
	}
	panic("nobody treats " + p)
}

// sure proves anew who somebody is, for one act.
func (s *forty) sure(user, act, subject string) string {
	return must(s.as(user).Session().StepUp(s.ctx, &loddv1.StepUpRequest{Act: act, Trial: fortyTrial, Subject: subject, Password: twinPassword})).GetToken()
}

// playForty plays the story, in which everybody does what their role is for.
func playForty(ctx context.Context, in invite.Invite, clock *clock, arms map[string]string) *forty {
	s := &forty{sequel: sequel{ctx: ctx, invite: in, sessions: map[string]*client.Client{}}, clock: clock, arms: arms}
	s.wait(0)
	s.assemble()
	s.setUp()
	for n := range 40 {
		s.numbers = append(s.numbers, fmt.Sprintf("%s-%02d", []string{"OSL", "BGO"}[n%2], n/2+1))
		s.enrol(n)
		if n%10 == 9 {
			s.wait(26 * time.Hour)
		}
	}
	s.treat()
	s.wait(182 * 24 * time.Hour)
	s.followUp()
	s.safety()
	s.unblind()
	s.end()
	return s
}

// assemble makes the accounts and sees to it that somebody loses a password.
func (s *forty) assemble() {
	join := func(code, user string) {
		c := must(client.New(client.Config{Address: s.invite.Addresses[0], Pin: s.invite.Pin}))
		defer c.Close()
		must(c.Session().Join(s.ctx, &loddv1.JoinRequest{Code: code, User: user, FullName: "Person " + user, Password: twinPassword}))
	}
	join(s.invite.Code, "ada")
	invited := func(administrator bool) string {
		answer := must(s.as("ada").People().CreateInvite(s.ctx, &loddv1.CreateInviteRequest{Administrator: administrator}))
		return must(invite.Parse(answer.GetInvite())).Code
	}
	join(invited(true), "arne")
	for _, who := range fortyPeople {
		join(invited(false), who[0])
	}
	must(s.as("tove").Session().SetNoticeAddress(s.ctx, &loddv1.SetNoticeAddressRequest{Address: "tove@hospital.example"}))
	gro := s.as("gro").Session()
	secret := must(gro.EnrolFactor(s.ctx, &loddv1.EnrolFactorRequest{Password: twinPassword})).GetSecret()
	codes := must(gro.ConfirmFactor(s.ctx, &loddv1.ConfirmFactorRequest{Code: must(totp.GenerateCode(secret, s.clock.now()))})).GetRecoveryCodes()
	must(gro.ChangePassword(s.ctx, &loddv1.ChangePasswordRequest{OldPassword: twinPassword, Code: codes[0], NewPassword: "another one for gro"}))
	must(s.as("ada").People().ProposeRecovery(s.ctx, &loddv1.ProposeRecoveryRequest{User: "gro", Reason: "a lost telephone"}))
	must(s.as("arne").People().ListProposals(s.ctx, &loddv1.ListProposalsRequest{}))
	token := must(s.as("arne").Session().StepUp(s.ctx, &loddv1.StepUpRequest{Act: loddv1.PeopleService_ApproveRecovery_FullMethodName, Subject: "gro", Password: twinPassword})).GetToken()
	code := must(s.as("arne").People().ApproveRecovery(s.ctx, &loddv1.ApproveRecoveryRequest{User: "gro", StepUp: token})).GetCode()
	must(gro.Recover(s.ctx, &loddv1.RecoverRequest{User: "gro", Code: code, Password: twinPassword}))
	must(s.as("ada").People().DisableAccount(s.ctx, &loddv1.DisableAccountRequest{User: "gro", Reason: "has left"}))
	must(s.as("ada").People().ListAccounts(s.ctx, &loddv1.ListAccountsRequest{}))
}

// setUp makes the trial and seals the list.
func (s *forty) setUp() {
	must(s.as("ada").Trials().CreateTrial(s.ctx, &loddv1.CreateTrialRequest{RequestId: s.id(), FileName: "forty.yaml", Protocol: []byte(fortyProtocol)}))
	by := "ada"
	for _, who := range fortyPeople {
		if who[1] != "" {
			must(s.as(by).People().GrantRole(s.ctx, &loddv1.GrantRoleRequest{TrialId: fortyTrial, User: who[0], Role: who[1], Site: who[2], Team: who[3]}))
		}
		by = "kari"
	}
	must(s.as("kari").Trials().SealDesign(s.ctx, &loddv1.SealDesignRequest{
		TrialId: fortyTrial, RequestId: s.id(), FileName: "design.yaml", Design: []byte("design: list\ntolerance: 1\n"), List: fortyList(s.arms), ListFormat: "csv",
	}))
	must(s.as("kari").Sealing().PrintContingency(s.ctx, &loddv1.PrintContingencyRequest{TrialId: fortyTrial, RequestId: s.id(), Envelopes: 2, Recipients: fortyRecipients}))
	must(s.as("kari").Sealing().SpoilEnvelope(s.ctx, &loddv1.SpoilEnvelopeRequest{TrialId: fortyTrial, RequestId: s.id(), Stratum: "OSL", Envelope: 2, Reason: "damaged"}))
	must(s.as("kari").Trials().OpenEnrolment(s.ctx, &loddv1.OpenEnrolmentRequest{TrialId: fortyTrial, RequestId: s.id()}))
}

// enrol takes one participant to the randomization.
func (s *forty) enrol(n int) {
	tove, p := s.as("tove"), s.numbers[n]
	req := &loddv1.AddScreeningRequest{TrialId: fortyTrial, RequestId: s.id(), Participant: p, Site: p[:3], Consent: &loddv1.ConsentGiven{Version: "1", On: s.day}, Answers: map[string]bool{"adult": true}}
	if n == 0 {
		req.Consent, req.Answers = nil, nil
	}
	must(tove.Screening().AddScreening(s.ctx, req))
	if n == 0 {
		must(tove.Screening().RecordConsent(s.ctx, &loddv1.RecordConsentRequest{TrialId: fortyTrial, RequestId: s.id(), Participant: p, Consent: &loddv1.ConsentGiven{Version: "1", On: s.day}}))
		must(tove.Screening().AssessEligibility(s.ctx, &loddv1.AssessEligibilityRequest{TrialId: fortyTrial, RequestId: s.id(), Participant: p, Answers: map[string]bool{"adult": true}}))
	}
	must(tove.Assessments().SubmitForm(s.ctx, &loddv1.SubmitFormRequest{TrialId: fortyTrial, RequestId: s.id(), Participant: p, Visit: "baseline", Form: "background", Values: `{"age": ` + strconv.Itoa(20+n) + `}`}))
	intent := must(tove.Randomization().PrepareRandomization(s.ctx, &loddv1.PrepareRandomizationRequest{TrialId: fortyTrial, RequestId: s.id(), Participant: p})).GetIntentId()
	must(tove.Randomization().CommitRandomization(s.ctx, &loddv1.CommitRandomizationRequest{TrialId: fortyTrial, IntentId: intent, Confirm: p}))
}

// teams signs all treatment teams in: in which order doesn't hang on an arm.
func (s *forty) teams() {
	for _, user := range []string{"ina", "tom", "eva", "jon", "ida"} {
		s.as(user)
	}
}

// treat lets each team see its people and meet each of them once, and one of them
// hand its people over.
func (s *forty) treat() {
	s.teams()
	for _, p := range s.numbers {
		team := s.as(s.team(p))
		must(team.Delivery().RecordContact(s.ctx, &loddv1.RecordContactRequest{TrialId: fortyTrial, RequestId: s.id(), Participant: p, On: s.day, Kind: "meeting", Minutes: 45}))
	}
	for _, who := range fortyPeople {
		if who[1] == "treatment-team" {
			must(s.as(who[0]).Delivery().ListTeam(s.ctx, &loddv1.ListTeamRequest{TrialId: fortyTrial}))
		}
	}
	must(s.as(s.team("OSL-07")).Delivery().ListContacts(s.ctx, &loddv1.ListContactsRequest{TrialId: fortyTrial, Participant: "OSL-07"}))
	must(s.as("kari").People().HandOver(s.ctx, &loddv1.HandOverRequest{TrialId: fortyTrial, From: "jon", To: "ida", Reason: "has left"}))
	s.left = true
}

// end takes a lock, and what the blinded roles may have of it.
func (s *forty) end() {
	must(s.as("tove").Participants().RecordWithdrawal(s.ctx, &loddv1.RecordWithdrawalRequest{TrialId: fortyTrial, RequestId: s.id(), Participant: "OSL-09", Scope: "intervention", Reason: "burden"}))
	must(s.as("mona").Exports().TakeLock(s.ctx, &loddv1.TakeLockRequest{TrialId: fortyTrial, RequestId: s.id()}))
	must(s.as("mona").DownloadExport(s.ctx, &loddv1.DownloadExportRequest{TrialId: fortyTrial, RequestId: s.id(), Lock: 1}, io.Discard, nil))
	must(s.as("kari").People().RevokeRole(s.ctx, &loddv1.RevokeRoleRequest{TrialId: fortyTrial, User: "arvid", Role: "auditor", Reason: "has left"}))
	must(s.as("aud").People().ReviewAccess(s.ctx, &loddv1.ReviewAccessRequest{TrialId: fortyTrial, On: s.day}))
}
