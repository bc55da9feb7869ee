package ledger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/proposal"
	"github.com/lodd-rct/lodd/server/trial"
)

func proven() error { return nil }

var emergency = trial.Unblinded{Participant: "P1", Reason: "medical-emergency"}

const overdose = "An overdose; the hospital must know."

func (w *world) unblind(e trial.Unblinded) ledger.Opened {
	w.Helper()
	o, err := w.trial().Unblind(w.Context(), w.as(trial.Investigator), e, overdose, proven)
	if err != nil {
		w.Fatal(err)
	}
	return o
}

// The arm that is opened is the one that is sealed in the log.
func TestUnblindOpensTheSealedArm(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	for i := range 8 {
		w.randomize(trial.ParticipantID(fmt.Sprintf("P%d", i)))
	}
	for range 2 {
		arms := map[trial.ArmID]int{}
		for i := range 8 {
			p := trial.ParticipantID(fmt.Sprintf("P%d", i))
			o := w.unblind(trial.Unblinded{Participant: p, Reason: "other"})
			members, err := w.trial().Members(t.Context(), w.as(trial.TreatmentTeam), []ledger.Team{{Site: "OSLO", Arm: o.Arm.ID}})
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, m := range members {
				found = found || m.Participant == p
			}
			if !found || o.Participant != p {
				t.Errorf("%s is in another arm", p)
			}
			arms[o.Arm.ID]++
		}
		if len(arms) != 2 {
			t.Errorf("arms %v", arms)
		}
		w = w.reopen()
	}
}

// Nothing is asked of who repeats a request, nor of who is refused anyway, and
// nothing is opened without a proof.
func TestProofIsAskedOnce(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.ready("P2")
	asked := 0
	proof := func() error { asked++; return nil }
	by := w.as(trial.Investigator)
	for range 3 {
		if _, err := w.trial().Unblind(t.Context(), by, emergency, overdose, proof); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	refusals := map[error]trial.Unblinded{
		trial.ErrNotRandomized: {Participant: "P2", Reason: "other"}, trial.ErrNotFound: {Participant: "P9", Reason: "other"},
	}
	for want, e := range refusals {
		if _, err := w.trial().Unblind(t.Context(), w.as(trial.Investigator), e, overdose, proof); !errors.Is(err, want) {
			t.Errorf("%s: %v", e.Participant, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	unproven := errors.New("unproven")
	if o, err := w.trial().Unblind(t.Context(), w.as(trial.Investigator), emergency, overdose, func() error { return unproven }); !errors.Is(err, unproven) || o.Arm.ID != "" {
		t.Errorf("without a proof: %v", err)
	}
	if n := len(of[trial.Unblinded](w)); n != 1 {
		t.Errorf("%d entries", n)
	}
}

// An entry of an unblinding has the same size whatever was said, and the words are
// in no byte of the store.
func TestReasonInWordsIsSealed(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	for _, text := range []string{overdose, strings.Repeat("ø", 2000), strings.Repeat("\U00010400", 2000)} {
		if _, err := w.trial().Unblind(t.Context(), w.as(trial.Investigator), emergency, text, proven); err != nil {
			t.Fatal(err)
		}
	}
	entries := of[trial.Unblinded](w)
	for _, l := range entries {
		e := l.Event.(trial.Unblinded)
		if len(e.Sealed) != len(entries[0].Event.(trial.Unblinded).Sealed) || strings.Contains(string(e.Sealed), "overdose") {
			t.Errorf("%d sealed bytes", len(e.Sealed))
		}
	}
	var invalid *trial.Invalid
	if _, err := w.trial().Unblind(t.Context(), w.as(trial.Investigator), emergency, strings.Repeat("x", 8192), proven); !errors.As(err, &invalid) || invalid.Field != "text" {
		t.Errorf("too long a text: %v", err)
	}
}

func TestOpenedDoesNotPrint(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	o := w.unblind(emergency)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		if got := fmt.Sprintf(verb, o); got != "sealed" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if b, err := json.Marshal(o); err != nil || string(b) != `"sealed"` {
		t.Errorf("%s, %v", b, err)
	}
}

// A clinician's arm is opened by who collects it, and known from then on.
func TestCollectOpensTheArmOnce(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	e := emergency
	e.To = string(trial.Clinician)
	o := w.unblind(e)
	if o.Arm.ID != "" {
		t.Error("the caller is told the arm")
	}
	knows := func() bool {
		return view(w, func(s *trial.State) bool { return ledger.KnowsArm(s, string(trial.Clinician), "P1") })
	}
	if knows() {
		t.Error("it is known before it is read")
	}
	if _, err := w.trial().Collect(t.Context(), w.as(trial.Auditor), o.Receipt.Index, proven); !errors.Is(err, trial.ErrNotForYou) {
		t.Errorf("collected by another: %v", err)
	}
	by := w.as(trial.Clinician)
	first, err := w.trial().Collect(t.Context(), by, o.Receipt.Index, proven)
	if err != nil || first.Arm.ID == "" || first.Participant != "P1" {
		t.Fatalf("collected of %s: %v", first.Participant, err)
	}
	w = w.reopen()
	w.add(ledger.ShownAgain)
	if again, err := w.trial().Collect(t.Context(), by, o.Receipt.Index, proven); err != nil || again.Arm.ID != first.Arm.ID || !again.Receipt.Repeated {
		t.Errorf("repeated: %v", err)
	}
	w.add(time.Millisecond)
	if late, err := w.trial().Collect(t.Context(), by, o.Receipt.Index, proven); err != nil || late.Arm.ID != "" {
		t.Errorf("repeated late: %v", err)
	}
	if _, err := w.trial().Collect(t.Context(), w.as(trial.Clinician), o.Receipt.Index, proven); !errors.Is(err, trial.ErrExists) {
		t.Errorf("collected again: %v", err)
	}
	if !knows() || view(w, func(s *trial.State) bool { return ledger.KnowsArm(s, string(trial.Investigator), "P1") }) {
		t.Error("who knows it is wrong")
	}
}

func TestApproveDisclosureFindsTheProposal(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.randomize("P2")
	d := trial.DisclosureProposed{Participant: "P1", To: "kim", Reason: "inspection"}
	other := trial.DisclosureProposed{Participant: "P2", To: "kim", Reason: "inspection"}
	for _, d := range []trial.DisclosureProposed{other, d} {
		if _, err := w.trial().ProposeDisclosure(t.Context(), w.as(trial.Custodian), d, proven); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.trial().ApproveDisclosure(t.Context(), w.as(trial.Custodian), d, proven); !errors.Is(err, proposal.ErrSamePerson) {
		t.Errorf("by the same person: %v", err)
	}
	by := w.as(trial.Statistician)
	for restarted := range 2 {
		for range 2 {
			if _, err := w.trial().ApproveDisclosure(t.Context(), by, d, proven); err != nil {
				t.Errorf("restarted %d: %v", restarted, err)
			}
		}
		if _, err := w.trial().ApproveDisclosure(t.Context(), by, other, proven); !errors.Is(err, ledger.ErrReused) {
			t.Errorf("another under the same id: %v", err)
		}
		w = w.reopen()
	}
	if _, err := w.trial().ApproveDisclosure(t.Context(), w.as(trial.Statistician), d, proven); !errors.Is(err, proposal.ErrNone) {
		t.Errorf("approved already: %v", err)
	}
	got := of[trial.DisclosureApproved](w)
	if len(got) != 1 || got[0].Event.(trial.DisclosureApproved).Proposal != of[trial.DisclosureProposed](w)[1].Index {
		t.Errorf("approvals %+v", got)
	}
}

// What was said of a broken blind is under the participant's own key, and gone with
// the data.
func TestBrokenBlindIsSealedForTheParticipant(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.on("2020-09-02")
	e := trial.BlindBroken{Participant: "P1", Person: "oa", On: date("2020-09-02"), How: "seen", Timing: "before-assessment"}
	by := w.as(trial.Assessor)
	r, err := w.trial().ReportBrokenBlind(t.Context(), by, e, "We met in the corridor.")
	if err != nil || r.List != "IPS/outcome" {
		t.Fatal(r, err)
	}
	again, err := w.trial().ReportBrokenBlind(t.Context(), by, e, "We met in the corridor.")
	if err != nil || again.Index != r.Index || !again.Repeated {
		t.Errorf("repeated: %+v, %v", again, err)
	}
	var wording *ledger.Wording
	e.Person = "oa2"
	if _, err := w.trial().ReportBrokenBlind(t.Context(), w.as(trial.Assessor), e, "The jobbspesialist was there."); !errors.As(err, &wording) {
		t.Errorf("what tells the arm: %v", err)
	}
	sealed := of[trial.BlindBroken](w)[0].Event.(trial.BlindBroken).Sealed
	if len(sealed) == 0 || strings.Contains(string(sealed), "corridor") {
		t.Errorf("sealed: %q", sealed)
	}
	if _, err := w.trial().ReportBrokenBlind(t.Context(), w.as(trial.Assessor), e, ""); err != nil {
		t.Errorf("without words: %v", err)
	}
	w.do(trial.Coordinator, trial.Withdrawn{Participant: "P1", Scope: trial.FromData, Reason: "not-given", On: date("2020-09-02")})
	w.erase()
	if _, err := w.trial().ReportBrokenBlind(t.Context(), by, e, "We met in the corridor."); err == nil {
		t.Error("it is repeated after the erasure")
	}
	w.reopen()
}
