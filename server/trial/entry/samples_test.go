package entry_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

func date(y, m, d int) trial.Date { return trial.Date{Year: y, Month: time.Month(m), Day: d} }

func both(s string) trial.Text { return trial.Text{NB: s + " på norsk", EN: s} }

func filled(b byte) (a [32]byte) {
	for i := range a {
		a[i] = b
	}
	return a
}

var sealed = []byte("ciphertext")

// samples holds one event of each kind, with every field filled in that it had
// when it landed.
func samples() []any {
	return slices.Concat(enrolmentSamples(), blindingSamples(), signInSamples(), []any{
		trial.FormSubmitted{Participant: "P1", Visit: "month-6", Form: "audit", Version: 2, On: date(2026, 11, 22), Sealed: sealed},
		trial.FormCorrected{Participant: "P1", Visit: "month-6", Form: "audit", Version: 2, Sealed: sealed},
		trial.VisitMissed{Participant: "P1", Visit: "month-6", Reason: "not-reached"},
		trial.Withdrawn{Participant: "P1", Scope: trial.FromFollowUp, Reason: "burden", On: date(2026, 11, 22)},
		trial.Erased{Participant: "P1"},
		trial.Died{Participant: "P1", On: date(2026, 11, 22)},
		trial.ErrorRecorded{Participant: "P1", Kind: "wrong-stratum"},
		trial.Locked{Number: 3, Conduct: 700, Outcome: 300},
		trial.Exported{Lock: 3, View: "pooled"},
		trial.ArmsViewed{Site: "OSLO", Team: "ips"},
		trial.ClockSteppedBack{By: 90 * time.Second},
		trial.Restored{Conduct: 12, Outcome: 5, Delivery: 3, Allocation: 2},
		trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSLO/drug=alcohol", Slots: 2}, {Stratum: "OSLO/drug=other", Slots: 1}}},
		trial.EntropyContributed{Entropy: []byte("dice 3 5 1 6")},
		trial.SealingAbandoned{Reason: "design-fault"},
		trial.ContingencyPrinted{Envelopes: 8, Recipients: [2][32]byte{filled(4), filled(5)}},
		trial.ContingencyUsed{Participant: "P1", Envelope: 3, On: date(2026, 11, 22), Witness: "tove", Reason: "server-down"},
		trial.LevelsCorrected{Participant: "P1", Levels: []trial.Code{"other", "male"}, Reason: "misread"},
		trial.Replaced{Participant: "P1", By: "P2"},
		trial.PlanFrozen{Digest: filled(6), Version: "1.0"},
		trial.UnsealingProposed{},
		trial.Unsealed{},
		trial.Revealed{},
		people.Invited{Invite: "0123456789abcdef", CodeHash: filled(3), Administrator: true, Expires: time.UnixMilli(1795000000123).UTC()},
		people.Created{User: "kari", FullName: "Kari Nordmann", Invite: "0123456789abcdef", Administrator: true},
		people.Disabled{User: "kari", Reason: "has left, \"for good\""},
		people.SignedIn{Session: "s1"},
		people.SignInRefused{User: "kari"},
		people.SignedOut{Session: "s1"},
		people.Granted{Grant: teamGrant},
		people.Revoked{Grant: teamGrant, Reason: "has left"},
		people.Refused{Grant: teamGrant, Conflict: "assessor"},
	})
}

var teamGrant = people.Grant{User: "kari", Trial: "IPS", Role: "treatment-team", Site: "OSLO", Team: "ips"}

// blindingSamples are about signatures, held texts, who got to know an arm, and
// what happened to participants.
func blindingSamples() []any {
	return []any{
		trial.EnvelopeSpoiled{Stratum: "OSLO/drug=alcohol", Envelope: 3, Reason: "opened-by-mistake"},
		trial.FormSigned{
			Participant: "P1", Visit: "month-6", Form: "audit", At: 17, Digest: filled(7), Meaning: "authorship", Name: "Ola Nordmann",
		},
		trial.TextJudged{Participant: "P1", Visit: "month-6", Form: "audit", At: 17, Item: "remarks", Released: true},
		trial.BlindBroken{
			Participant: "P1", Person: "ola", Visit: "month-6", On: date(2026, 11, 22), How: "participant", Timing: "during-assessment", Sealed: sealed,
		},
		trial.ImpactAssessed{Report: 5, Impact: "possible", Measure: "reassigned"},
		trial.Unblinded{Participant: "P1", Reason: "medical-emergency", To: "legen", Sealed: sealed},
		trial.DisclosureProposed{Participant: "P1", To: "inspector", Reason: "inspection"},
		trial.DisclosureApproved{Proposal: 8},
		trial.ArmCollected{Of: 9},
		trial.ContactRecorded{Sealed: sealed},
		trial.EventTakenIn{Number: 4, Sealed: sealed},
		trial.AdverseEventReported{
			Number: 4, Participant: "P1", On: date(2026, 11, 22), Category: "overdose", Serious: true, Reporter: trial.FromTeam, Sealed: sealed,
		},
		trial.AdverseEventAssessed{Number: 4, Related: "possible", Expected: true},
		trial.RelatednessAssessed{Number: 4, Sealed: sealed},
	}
}

// signInSamples are about second factors, recovery and identity providers.
func signInSamples() []any {
	return []any{
		people.FactorEnrolled{},
		people.RecoveryProposed{User: "kari", Reason: "lost the phone"},
		people.RecoveryApproved{User: "kari", CodeHash: filled(8), Expires: time.UnixMilli(1795000000123).UTC()},
		people.Recovered{},
		people.IdentityLinked{User: "kari", Issuer: "https://id.example.org", Subject: filled(9)},
		people.PasswordChanged{},
	}
}

// grown holds one event of each kind that has got fields since it landed, with
// those filled in, too; samples has it as it was.
func grown() []any {
	return []any{
		trial.DesignSealed{Commitment: filled(1), AwaitsEntropy: true},
		trial.Allocated{Participant: "P1", Stratum: "OSLO/drug=alcohol", Slot: 7, Sealed: sealed, Contingency: true},
		trial.ErrorRecorded{Participant: "P1", Kind: "duplicate", Of: "P2"},
		trial.FormSubmitted{
			Participant: "P1", Visit: "month-6", Form: "audit", Version: 2, On: date(2026, 11, 22), Sealed: sealed, Held: []trial.Code{"remarks", "other"},
		},
		trial.FormCorrected{Participant: "P1", Visit: "month-6", Form: "audit", Version: 2, Sealed: sealed, Held: []trial.Code{"remarks"}},
		people.Granted{Grant: teamGrant, Expires: time.UnixMilli(1795000000123).UTC()},
	}
}

func enrolmentSamples() []any {
	return []any{
		trial.Created{Protocol: protocol(), Forms: 4},
		trial.FormDefined{Form: trial.Form{
			ID: "audit", Version: 2, Title: both("AUDIT"), Visits: []trial.VisitID{"baseline", "month-6"}, By: trial.Assessor,
			After: "guess", Definition: []byte(`{"schema":"lodd.form/1"}`),
		}},
		trial.DesignSealed{Commitment: filled(1)},
		trial.DesignKept{Sealed: sealed},
		trial.EnrolmentOpened{},
		trial.EnrolmentClosed{},
		trial.Screened{
			Participant: "P1", Site: "OSLO", Levels: []trial.Code{"alcohol", "female"}, On: date(2026, 11, 22),
			Consent: trial.ConsentGiven{Version: "1.0", On: date(2026, 11, 21)}, Assessed: true, Eligible: true, Sealed: sealed,
		},
		trial.Consented{Participant: "P1", Consent: trial.ConsentGiven{Version: "1.0", On: date(2026, 11, 21)}},
		trial.EligibilityAssessed{Participant: "P1", Eligible: true, Sealed: sealed},
		trial.Excluded{Participant: "P1", Site: "OSLO", Reason: "declined"},
		trial.Prepared{Participant: "P1"},
		trial.Randomized{Participant: "P1", Intent: trial.IntentID{1, 2, 3}},
		trial.Allocated{Participant: "P1", Stratum: "OSLO/drug=alcohol", Slot: 7, Sealed: sealed},
	}
}

func protocol() trial.Protocol {
	return trial.Protocol{
		ID: "IPS", Title: both("IPS"), TimeZone: "Europe/Oslo",
		Arms:     []trial.Arm{{ID: "ips", Label: both("IPS"), Ratio: 2}, {ID: "tau", Label: both("TAU"), Ratio: 1}},
		Factors:  []trial.Factor{{ID: "drug", Label: both("drug"), Levels: []trial.Option{{ID: "alcohol", Label: both("alcohol")}, {ID: "other"}}}},
		Sites:    []trial.Site{{ID: "OSLO", Name: "Oslo"}},
		Visits:   []trial.Visit{{ID: "baseline", Label: both("baseline")}, {ID: "month-6", Months: 6, Before: 14, After: 28}},
		Criteria: []trial.Criterion{{ID: "adult", Text: both("adult"), Want: true}, {ID: "in-work", Text: both("in work")}},
		Consents: []trial.Consent{{Version: "1.0", Approved: date(2026, 1, 15)}},
	}
}

// eventTypes returns the names of the types with a method event in the sources
// of a folder.
func eventTypes(t testing.TB, dir string, files ...string) []string {
	t.Helper()
	var names []string
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), dir+"/"+file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Name.Name != "event" || fn.Recv == nil {
				continue
			}
			if id, ok := fn.Recv.List[0].Type.(*ast.Ident); ok {
				names = append(names, f.Name.Name+"."+id.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}
