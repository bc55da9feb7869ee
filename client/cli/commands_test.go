package cli

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// What each command asks of the server and what it puts out: one transcript
// for each noun, in which a change of the wire or of the output shows.
func TestCommands(t *testing.T) {
	at := timestamppb.New(t0)
	receipt := &loddv1.Receipt{List: "IPS/conduct", Index: 17, LeafHash: []byte{0xab, 0xcd}, At: at}
	text := &loddv1.Text{Nb: "Støtte", En: "Support"}
	lock := &loddv1.Lock{Number: 2, At: at, By: "dag", Conduct: 61, Outcome: 120}
	change := []*loddv1.Change{{Item: "hours", OldValue: "35", NewValue: `{"missing":"refused"}`}}
	problem := []*loddv1.Problem{{Item: "hours", Kind: "range", Message: &loddv1.Text{Nb: "For mange timer.", En: "Too many hours."}}}
	one, ninety := 1.0, 90.5
	answers := map[string]any{
		"Logout": &loddv1.LogoutResponse{},
		"WhoAmI": &loddv1.WhoAmIResponse{User: "kari", FullName: "Kari Nordmann", Roles: []*loddv1.HeldRole{
			{TrialId: "IPS", Role: "coordinator", Site: "OSL"}, {TrialId: "IPS", Role: "custodian"},
		}},
		"CreateInvite":   &loddv1.CreateInviteResponse{Invite: "lodd1.abc", Expires: at},
		"ListAccounts":   &loddv1.ListAccountsResponse{Accounts: []*loddv1.Account{{User: "kari", FullName: "=HYPERLINK(\"x\")", Created: at}}},
		"DisableAccount": &loddv1.DisableAccountResponse{},
		"GrantRole":      &loddv1.GrantRoleResponse{}, "RevokeRole": &loddv1.RevokeRoleResponse{},
		"ListRoles":          &loddv1.ListRolesResponse{Roles: []*loddv1.GrantedRole{{User: "kari", Role: "treatment-team", Site: "OSL", Team: "ips", From: at, Until: at}, {User: "ola", Role: "assessor", From: at}}},
		"GetBuiltinProtocol": &loddv1.GetBuiltinProtocolResponse{Protocol: []byte("id: IPS\n"), Design: []byte("blocks: [4, 6]\n")},
		"CreateTrial":        &loddv1.CreateTrialResponse{TrialId: "IPS", Receipt: receipt},
		"SealDesign":         &loddv1.SealDesignResponse{Commitment: "c0ffee", Receipt: receipt, Record: "SEALING RECORD\n"},
		"ContributeEntropy":  &loddv1.ContributeEntropyResponse{Receipt: receipt},
		"AbandonSealing":     &loddv1.AbandonSealingResponse{Receipt: receipt},
		"GetSealingRecord": &loddv1.GetSealingRecordResponse{
			Commitment: "c0ffee", Sealed: at, Custodian: "cus", Entropy: []byte("dice"), Contributor: "ts", Abandoned: 1, Text: "SEALING RECORD\n", Svg: "<svg/>\n",
		},
		"SpoilEnvelope":               &loddv1.SpoilEnvelopeResponse{Receipt: receipt},
		"RecordContingencyAllocation": &loddv1.RecordContingencyAllocationResponse{Participant: "OSL-0007", Receipt: receipt},

		"OpenEnrolment":  &loddv1.OpenEnrolmentResponse{Receipt: receipt},
		"CloseEnrolment": &loddv1.CloseEnrolmentResponse{Receipt: receipt},
		"Reconcile":      &loddv1.ReconcileResponse{Receipt: receipt},
		"ListTrials":     &loddv1.ListTrialsResponse{Trials: []*loddv1.TrialSummary{{TrialId: "IPS", Title: text, State: "open"}}},
		"GetTrial": func(req proto.Message) any {
			if id := req.(*loddv1.GetTrialRequest).GetTrialId(); id == "STOPPED" {
				return &loddv1.GetTrialResponse{TrialId: id, Title: text, State: "fenced"}
			}
			return &loddv1.GetTrialResponse{
				TrialId: "IPS", Title: text, TimeZone: "Europe/Oslo", State: "open", Commitment: "c0ffee",
				Arms:  []*loddv1.ProtocolArm{{Id: "ips", Label: text, Ratio: 1}, {Id: "tau", Label: text, Ratio: 1}},
				Sites: []*loddv1.Site{{Id: "OSL", Name: "Oslo"}}, Visits: []*loddv1.Visit{{Id: "m6", Label: text, Months: 6, Before: 30, After: 30}},
				Flow: &loddv1.Flow{Screened: 30, Randomized: 24, NotEligible: 6, Visits: []*loddv1.VisitFlow{{Visit: "m6", Observed: 20, Awaited: 4}}},
			}
		},
		"AddScreening":      &loddv1.AddScreeningResponse{Receipt: receipt, Excluded: true},
		"RecordConsent":     &loddv1.RecordConsentResponse{Receipt: receipt},
		"AssessEligibility": &loddv1.AssessEligibilityResponse{Receipt: receipt},
		"Exclude":           &loddv1.ExcludeResponse{Receipt: receipt},
		"ListParticipants": &loddv1.ListParticipantsResponse{Participants: []*loddv1.Participant{
			{Participant: "OSL-0007", Site: "OSL", State: "screened", Missing: []string{"consent", "eligibility"}},
			{Participant: "OSL-0008", Site: "OSL", State: "randomized", RandomizedOn: "2026-11-21", Levels: map[string]string{"sex": "f"}, CorrectedLevels: map[string]string{"sex": "m"}, Error: "duplicate", DuplicateOf: "OSL-0007", ReplacedBy: "OSL-0009", Envelope: 3},
			{Participant: "OSL-0009", Site: "OSL", State: "to-erase", RandomizedOn: "2026-11-20"},
		}},
		"RecordWithdrawal": &loddv1.RecordWithdrawalResponse{Receipt: receipt, DestroyInLocks: []int32{1, 2}},
		"EraseParticipant": func(req proto.Message) any {
			r := proto.Clone(receipt).(*loddv1.Receipt)
			r.RepeatedRequest = req.(*loddv1.EraseParticipantRequest).GetParticipant() == "OSL-9"
			return &loddv1.EraseParticipantResponse{Receipt: r}
		},
		"RecordDeath": &loddv1.RecordDeathResponse{Receipt: receipt},
		"RecordError": &loddv1.RecordErrorResponse{Receipt: receipt}, "CorrectLevels": &loddv1.CorrectLevelsResponse{Receipt: receipt},
		"RecordReplacement": &loddv1.RecordReplacementResponse{Receipt: receipt},
		"PrepareRandomization": &loddv1.PrepareRandomizationResponse{
			IntentId: "30313233-3435-4637-b839-616263646566", Expires: at, Participant: "OSL-0007", Site: "OSL",
			ConsentVersion: "2", ConsentOn: "2026-10-01", Levels: map[string]string{"sex": "f", "age": "old"},
		},
		"CommitRandomization": &loddv1.CommitRandomizationResponse{Participant: "OSL-0007", Receipt: &loddv1.Receipt{List: "IPS/conduct", Index: 18, LeafHash: []byte{1}, At: at, RepeatedRequest: true}},
		"GetRandomization": func(req proto.Message) any {
			if req.(*loddv1.GetRandomizationRequest).GetParticipant() == "" {
				return &loddv1.GetRandomizationResponse{State: "prepared", Participant: "OSL-0007"}
			}
			return &loddv1.GetRandomizationResponse{State: "committed", Participant: "OSL-0007", Receipt: receipt}
		},
		"ListTeam": &loddv1.ListTeamResponse{Participants: []*loddv1.TeamParticipant{{Participant: "OSL-0008", Site: "OSL", RandomizedAt: at, Arm: &loddv1.Arm{Id: "ips", Label: text}}}},
		"ListDue":  &loddv1.ListDueResponse{Due: []*loddv1.Due{{Participant: "OSL-0007", Visit: "m6", Opens: "2026-10-14", Target: "2026-10-28", Closes: "2026-11-11", State: "overdue", Forms: []string{"audit", "job"}}}},
		"GetForm": &loddv1.GetFormResponse{Form: "job", Version: 1, Title: text, Items: []*loddv1.Item{
			{Id: "work", Type: "choice", Label: text, Required: true, Options: []*loddv1.Option{{Id: "yes", Label: text}, {Id: "no", Label: text}}},
			{Id: "hours", Type: "decimal", Label: text, Unit: "h/week", Min: &one, Max: &ninety},
			{Id: "sum", Type: "calc", Label: text},
		}},
		"CheckForm":  &loddv1.CheckFormResponse{Shown: []string{"work"}, Warnings: problem},
		"SubmitForm": &loddv1.SubmitFormResponse{Receipt: receipt, Timing: "in-window", Warnings: problem},
		"ReadForm": &loddv1.ReadFormResponse{Values: `{"hours":{"missing":"refused"}}`, On: "2026-10-28", Corrections: []*loddv1.Correction{{At: at, By: "kari", Reason: "typing error", Changes: change}}, Held: []string{"note"}, Version: 43, Signatures: []*loddv1.Signature{
			{Name: "Ola Blind", By: "ola", Meaning: "authorship", At: at, Void: true}, {Name: "Ola Blind", By: "ola", Meaning: "authorship", At: at},
		}},
		"SignForm": func(req proto.Message) any {
			r := req.(*loddv1.SignFormRequest)
			return &loddv1.SignFormResponse{Receipt: receipt, Signature: &loddv1.Signature{Name: "Ola Blind", Meaning: r.GetMeaning(), At: at}}
		},
		"HandOver": &loddv1.HandOverResponse{Roles: []*loddv1.GrantedRole{{User: "kari", Role: "assessor", Site: "OSL", From: at}}},
		"ReviewAccess": &loddv1.ReviewAccessResponse{On: "2026-11-20", People: []*loddv1.PersonAccess{
			{User: "kari", FullName: "Kari List", SecondFactor: true, Roles: []*loddv1.GrantedRole{{User: "kari", Role: "treatment-team", Site: "OSL", Team: "ips", From: at}}, Permissions: []string{"read_trial", "unblind"}, Unblinded: true, LastSignIn: at},
			{User: "ola", FullName: "Ola Blind", Disabled: true},
		}},
		"ListProposals": &loddv1.ListProposalsResponse{Proposals: []*loddv1.WaitingProposal{
			{Act: "recovery", Subject: "ola", By: "ada", Expires: at}, {Act: "disclosure", TrialId: "IPS", Subject: "OSL-7", To: "aud", By: "per", Expires: at},
		}},
		"CorrectForm":       &loddv1.CorrectFormResponse{Receipt: receipt, Changes: change},
		"RecordMissedVisit": &loddv1.RecordMissedVisitResponse{Receipt: receipt},
		"ListHeldText": &loddv1.ListHeldTextResponse{Texts: []*loddv1.HeldText{
			{Participant: "OSL-7", Visit: "m6", Form: "job", Item: "note", Entry: 41, Text: "Jobbspesialisten\tringte"},
		}},
		"JudgeText": &loddv1.JudgeTextResponse{Receipt: receipt},
		"StepUp":    &loddv1.StepUpResponse{Token: "proof"},
		"Unblind": func(req proto.Message) any {
			if req.(*loddv1.UnblindRequest).GetClinician() != "" || req.(*loddv1.UnblindRequest).GetParticipant() == "OSL-9" {
				return &loddv1.UnblindResponse{Receipt: receipt}
			}
			return &loddv1.UnblindResponse{Receipt: receipt, Arm: &loddv1.Arm{Id: "ips", Label: text}}
		},
		"ListWaiting":       &loddv1.ListWaitingResponse{Waiting: []*loddv1.Waiting{{Number: 41, Participant: "OSL-7", By: "per", At: at}}},
		"Collect":           &loddv1.CollectResponse{Receipt: receipt, Participant: "OSL-7", Arm: &loddv1.Arm{Id: "ips", Label: text}},
		"ProposeDisclosure": &loddv1.ProposeDisclosureResponse{Receipt: receipt, Expires: at}, "ApproveDisclosure": &loddv1.ApproveDisclosureResponse{Receipt: receipt},
		"ListUnblindings": func(req proto.Message) any {
			if req.(*loddv1.ListUnblindingsRequest).GetTrialId() == "COUNTED" {
				return &loddv1.ListUnblindingsResponse{Count: 2}
			}
			return &loddv1.ListUnblindingsResponse{Count: 1, Unblindings: []*loddv1.Unblinding{{Participant: "OSL-7", At: at, By: "per", Reason: "medical-emergency", To: "hanne", Text: "Found unconscious"}}}
		},
		"ReportBrokenBlind": func(req proto.Message) any {
			return &loddv1.ReportBrokenBlindResponse{Receipt: receipt, Others: int32(len(req.(*loddv1.ReportBrokenBlindRequest).GetPerson()))}
		},
		"ListBrokenBlinds": &loddv1.ListBrokenBlindsResponse{Reports: []*loddv1.BrokenBlind{
			{Number: 41, Participant: "OSL-7", Person: "ola", Visit: "m6", On: "2026-11-20", How: "relative", Timing: "before-assessment"},
		}},
		"AssessImpact": &loddv1.AssessImpactResponse{Receipt: receipt},
		"ReportAdverseEvent": func(req proto.Message) any {
			r := proto.Clone(receipt).(*loddv1.Receipt)
			if req.(*loddv1.ReportAdverseEventRequest).GetParticipant() == "OSL-9" {
				r.List = "IPS/delivery" // as a treatment team gets it
			}
			return &loddv1.ReportAdverseEventResponse{Receipt: r, Number: 3}
		},
		"ListAdverseEvents": &loddv1.ListAdverseEventsResponse{Events: []*loddv1.AdverseEvent{
			{Number: 1, Participant: "OSL-7", On: "2026-11-20", Category: "admission", Serious: true, Reporter: "site", At: at, Text: "A broken leg", RelatedToProcedures: "unrelated", Expected: true},
			{Number: 3, Participant: "OSL-9", On: "2026-11-20", Category: "other-social", Reporter: "treatment-team", At: at, Text: "Lost the flat"},
			{Number: 4, Participant: "OSL-8", On: "2026-11-21", Category: "death", Serious: true, Reporter: "site", At: at},
		}},
		"AssessAdverseEvent": &loddv1.AssessAdverseEventResponse{Receipt: receipt}, "AssessRelatedness": &loddv1.AssessRelatednessResponse{Receipt: receipt},
		"RecordContact": &loddv1.RecordContactResponse{Receipt: receipt},
		"ListContacts": &loddv1.ListContactsResponse{Contacts: []*loddv1.Contact{
			{On: "2026-11-20", Kind: "employer", Minutes: 45, By: "ina", At: at}, {On: "2026-11-21", Kind: "message", By: "ina", At: at},
		}},
		"TakeLock":  &loddv1.TakeLockResponse{Lock: lock, Receipt: receipt},
		"ListLocks": &loddv1.ListLocksResponse{Locks: []*loddv1.Lock{lock}},
		"ListEntries": []proto.Message{
			&loddv1.ListEntriesResponse{List: "IPS/conduct", Index: 0, At: at, Actor: "kari", Role: "coordinator", Kind: "screened", Detail: `{"site":"OSL"}`, LeafHash: []byte{1, 2}},
			&loddv1.ListEntriesResponse{List: "IPS/conduct", Index: 1, At: at, Actor: "kari", Role: "coordinator", Kind: "randomized"},
			&loddv1.ListEntriesResponse{List: "IPS/conduct", Index: 2, At: at, Actor: "kari", Role: "coordinator", Kind: "levels_corrected"},
		},
	}
	nb := []string{"--lang", "nb", "--output", "table"}
	for _, tt := range []struct {
		noun  string
		lines []string // a line each; "# nb" at the end asks for a Norwegian table, "< text" for standard input
	}{
		{"session", []string{"whoami", "whoami # nb", "logout", "whoami"}},
		{"people", []string{
			"invite create --administrator --hours 5", "account list", "account list # nb", "account list -o csv", "account disable ola --reason left --yes",
			"role grant ola assessor --site OSL", "role grant per treatment-team --team ips", "role revoke ola assessor --site OSL --reason left", "role list", "role list # nb",
			"role grant ola coordinator --until 2026-12-31", "role grant ola coordinator --until tomorrow", "people handover ola kari --reason left",
			"people review --on 2026-11-20", "people review # nb", "people proposals", "people proposals # nb",
		}},
		{"trial", []string{
			"protocol show ips", "protocol show ips --design", "trial create -f - < id: IPS", "trial seal -f - -y < blocks: [4]", "trial open", "trial close -y",
			"trial list", "trial list # nb", "trial show", "trial show # nb", "trial use IPS", "trial show --trial STOPPED # nb",
			"trial seal -f - -y --second-party < blocks: [4]", "trial contribute --commitment C0FFEE --entropy dice", "trial contribute --yes < 4261 # nb",
			"trial abandon --reason design-fault --confirm IPS # nb", "trial sealing-record", "trial sealing-record # nb",
			"trial reconcile --confirm IPS", "trial reconcile --lost OSL/sex=f=2 --lost BGO/sex=m=1 --confirm IPS # nb",
		}},
		{"screening", []string{
			`screening add - < {"participant":"OSL-1","site":"OSL","levels":{"sex":"f"},"on":"2026-10-01","consent":{"version":"2","on":"2026-10-01"},"answers":{"adult":true,"employed":false}}`,
			"screening add --participant OSL-2 --site OSL --level sex=f --level age=old --consent-version 2 --consent-on 2026-10-01",
			"screening add --participant OSL-3 --site OSL", "screening consent OSL-3 --version 2 --on 2026-10-02",
			`screening assess OSL-3 - < {"adult":true,"employed":false}`, "screening exclude OSL-4 --reason declined --site OSL",
		}},
		{"participant", []string{
			"participant list", "participant list # nb", "participant list -o csv", "participant list -o jsonl", "participant list --state to-erase -o csv",
			"participant show OSL-0008", "participant show OSL-0008 # nb", "participant show OSL-0001",
			"participant withdraw OSL-8 --scope follow-up --reason burden --on 2026-11-01", "participant withdraw OSL-8 --scope data --reason other --confirm OSL-8 # nb",
			"participant erase OSL-8 --confirm OSL-8", "participant erase OSL-9 --confirm OSL-9 # nb",
			"participant died OSL-8 --on 2026-11-02", "participant error OSL-8 --kind not-eligible",
			"participant error OSL-8 --kind duplicate --of OSL-7 # nb", "participant correct-levels OSL-8 --set sex=f --set age=old --reason misread",
			"participant correct-levels OSL-8 --set sex=f,age=old --reason changed-source # nb", "participant replace OSL-8 --by OSL-9", "participant replace OSL-8 --by OSL-9 # nb", "visit missed OSL-8 m6 --reason too-ill",
		}},
		{"randomize", []string{
			"randomize prepare --screening OSL-0007", "randomize prepare --screening OSL-0007 # nb", "randomize commit 30313233-3435-4637-b839-616263646566 --confirm OSL-0007",
			"randomize commit 30313233-3435-4637-b839-616263646566 --confirm OSL-0007 # nb", "randomize status 30313233-3435-4637-b839-616263646566", "randomize status OSL-0007",
			"contingency record OSL-0007 --stratum OSL/sex=f --envelope 3 --witness tove --on 2026-11-20 --reason server-down --confirm OSL-0007",
			"contingency record OSL-0007 --stratum OSL/sex=f --envelope 3 --witness tove --reason network-down --confirm OSL-0007 # nb",
			"contingency spoil OSL/sex=f 3 --reason opened-by-mistake", "contingency spoil OSL/sex=f 4 --reason damaged # nb", "team list", "team list # nb",
		}},
		{"form", []string{
			"worklist list", "worklist list --overdue --due 30d # nb", "form show job", "form show job # nb", "form export-template job",
			`form validate job - < {"work":"yes","hours":99}`, `form submit OSL-7 m6 job - --on 2026-10-28 < {"work":"yes","hours":99}`, "form read OSL-7 m6 job", "form read OSL-7 m6 job # nb",
			`form correct OSL-7 m6 job - --reason typo < {"hours":null}`,
			"form sign OSL-7 m6 job --password-stdin < seven green bottles", "form sign OSL-7 m6 job --meaning review --password-stdin < seven green bottles # nb",
			"form sign OSL-7 m6 job --meaning whim",
		}},
		{"export", []string{"lock take", "lock take # nb", "export list", "export list # nb", "audit list", "audit list --list IPS/conduct --participant OSL-7 -o csv", "audit list # nb"}},
		{"review", []string{
			"review list", "review list # nb", "review release OSL-7 m6 job note 41", "review withhold OSL-7 m6 job note 41 # nb", "review release OSL-7 m6 job note x",
		}},
		{"unblinding", []string{
			"participant unblind OSL-7 --reason medical-emergency --text unconscious --confirm OSL-7 --password-stdin < seven green bottles",
			"participant unblind OSL-7 --reason other --text unconscious --confirm OSL-7 --password-stdin < seven green bottles # nb",
			"participant unblind OSL-7 --reason other --text unconscious --confirm OSL-7 --clinician hanne --password-stdin < seven green bottles",
			"participant unblind OSL-9 --reason other --text unconscious --confirm OSL-9 --password-stdin < seven green bottles",
			"participant unblind OSL-7 --reason curiosity", "participant unblind OSL-7 --reason other", "participant unblind OSL-7 --reason other --text unconscious",
			"unblinding waiting", "unblinding waiting # nb", "unblinding collect 41 --password-stdin < seven green bottles", "unblinding collect OSL-7",
			"unblinding list", "unblinding list # nb", "unblinding list --trial COUNTED", "unblinding list --trial COUNTED # nb",
			"unblinding propose OSL-7 --to ingrid --reason inspection", "unblinding approve OSL-7 --to ingrid --password-stdin < seven green bottles",
			"assessment broken-blind OSL-7 --how participant --timing during-assessment --visit m6 --on 2026-11-20 --text weather",
			"assessment broken-blind OSL-7 --how seen --timing after-assessment --person ola # nb",
			"unblinding broken", "unblinding broken # nb", "unblinding assess 41 --impact possible --measure reassigned", "unblinding assess 41 --impact serious --measure training # nb",
		}},
		{"event", []string{
			"event report OSL-7 --category admission --serious --on 2026-11-20 --text Broken", "event report OSL-9 --category other-social --text Evicted # nb",
			"event report OSL-7 --category ips --text Broken", "event report OSL-7 --category relapse", "event list", "event list # nb",
			"event assess 3 --related unrelated --expected", "event assess 3 --related possible # nb", "event assess x --related possible",
			"event assess 4294967299 --related possible", "event relatedness 3 --related related", "event relatedness 3 --related related # nb",
		}},
		{"contact", []string{
			"contact add OSL-9 --kind employer --minutes 45 --on 2026-11-20", "contact add OSL-9 --kind message # nb", "contact list OSL-9", "contact list OSL-9 # nb",
		}},
		{"offline", []string{"version"}},
	} {
		t.Run(tt.noun, func(t *testing.T) {
			w := newWorld(t, answers)
			var b strings.Builder
			for _, line := range tt.lines {
				command, isNb := strings.CutSuffix(line, " # nb")
				command, stdin, _ := strings.Cut(command, " < ")
				args := strings.Fields(command)
				if isNb {
					args = append(args, nb...)
				}
				w.stdin, w.fake.calls = stdin, nil
				o := w.run(args...)
				fmt.Fprintf(&b, "$ lodd %s\n", line)
				for _, c := range w.fake.calls {
					raw, err := messageJSON(c.req)
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintf(&b, "-> %s %s\n", c.method, raw)
				}
				b.WriteString(strings.ReplaceAll(o.stdout, "\r\n", "<CRLF>\n"))
				for _, l := range strings.SplitAfter(o.stderr, "\n") {
					if l != "" {
						b.WriteString("2> " + l)
					}
				}
				fmt.Fprintf(&b, "exit %d\n\n", o.code)
			}
			golden(t, tt.noun, strings.ReplaceAll(b.String(), w.pin, "PIN"))
		})
	}
}
