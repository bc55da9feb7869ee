package client

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/lodd-rct/lodd/audit"
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A Request is what a receipt was given for. By it a receipt is told from an
// older one, by which a server could hide that it did nothing. The zero Request
// is one of which nothing is known.
type Request struct {
	// ID is the id of the request, or of the intent; empty for a question.
	ID string `json:"id,omitempty"`

	// Actor is the account that asked; empty if the client wasn't told.
	Actor string `json:"actor,omitempty"`

	// Kind is the kind of the entry, as the log names it.
	Kind string `json:"kind,omitempty"`

	// Participant is the screening number; empty if it is about none.
	Participant string `json:"participant,omitempty"`

	// Trial is the trial of what is entered in the list of accounts, and Grant is
	// which role of whom that is about; empty for everything else.
	Trial string `json:"trial,omitempty"`
	Grant string `json:"grant,omitempty"`

	// Repeated tells that the server says that it was done before.
	Repeated bool `json:"repeated,omitempty"`
}

// Kinds of entries that are treated apart: a trial's first one, and the two by
// which a participant is enrolled.
const (
	created    = "trial_created"
	randomized = "randomized"
	envelope   = "contingency_used"

	granted = "role_granted" // in the list of accounts
	revoked = "role_revoked"
)

// What a treatment team reports is entered by the server, so that nobody learns
// from it which team it was: the reporter's receipt is of the entry that says so,
// sealed, and which the server may keep to itself.
const (
	reported = "adverse_event_reported"
	takenIn  = "event_taken_in"
)

// asked returns what a receipt was given for.
func (c *Client) asked(req, reply any, m *loddv1.Receipt) Request {
	kind := kindOf(req)
	actor := c.config.User
	if kind == reported && strings.HasSuffix(m.GetList(), "/delivery") {
		kind, actor = takenIn, "server"
	}
	q := Request{
		ID: requestID(req), Actor: actor, Kind: kind, Participant: participantOf(req, reply), Repeated: m.GetRepeatedRequest(),
	}
	if m.GetList() == system {
		q.Trial, q.Grant = trialOf(req), grantOf(req)
	}
	return q
}

// kindOf returns the kind of the entry that a request makes, or asks for; empty
// if there is none.
func kindOf(req any) string {
	switch req.(type) {
	case *loddv1.CreateTrialRequest:
		return created
	case *loddv1.SealDesignRequest:
		return "design_sealed"
	case *loddv1.OpenEnrolmentRequest:
		return "enrolment_opened"
	case *loddv1.CloseEnrolmentRequest:
		return "enrolment_closed"
	case *loddv1.ReconcileRequest:
		return "reconciled"
	case *loddv1.TakeLockRequest:
		return "locked"
	case *loddv1.GrantRoleRequest:
		return granted
	case *loddv1.RevokeRoleRequest, *loddv1.HandOverRequest:
		return revoked
	}
	for _, of := range []func(any) string{kindOfSealing, kindOfUnblinding, kindOfSafety} {
		if kind := of(req); kind != "" {
			return kind
		}
	}
	return kindOfParticipant(req)
}

// kindOfSealing is kindOf for what becomes of the seed and the sealed design.
func kindOfSealing(req any) string {
	switch req.(type) {
	case *loddv1.ContributeEntropyRequest:
		return "entropy_contributed"
	case *loddv1.AbandonSealingRequest:
		return "sealing_abandoned"
	case *loddv1.PrintContingencyRequest:
		return "contingency_printed"
	case *loddv1.SpoilEnvelopeRequest:
		return "envelope_spoiled"
	case *loddv1.FreezeAnalysisPlanRequest:
		return "plan_frozen"
	case *loddv1.ProposeUnsealingRequest:
		return "unsealing_proposed"
	case *loddv1.ApproveUnsealingRequest:
		return "unsealed"
	}
	return ""
}

// kindOfUnblinding is kindOf for what opens single arms, and for broken blinds.
func kindOfUnblinding(req any) string {
	switch req.(type) {
	case *loddv1.UnblindRequest:
		return "unblinded"
	case *loddv1.ProposeDisclosureRequest:
		return "disclosure_proposed"
	case *loddv1.ApproveDisclosureRequest:
		return "disclosure_approved"
	case *loddv1.CollectRequest:
		return "arm_collected"
	case *loddv1.ReportBrokenBlindRequest:
		return "blind_broken"
	case *loddv1.AssessImpactRequest:
		return "impact_assessed"
	}
	return ""
}

// kindOfSafety is kindOf for adverse events and contacts of treatment teams.
func kindOfSafety(req any) string {
	switch req.(type) {
	case *loddv1.ReportAdverseEventRequest:
		return reported
	case *loddv1.AssessAdverseEventRequest:
		return "adverse_event_assessed"
	case *loddv1.AssessRelatednessRequest:
		return "relatedness_assessed"
	case *loddv1.RecordContactRequest:
		return "contact_recorded"
	}
	return ""
}

// kindOfParticipant is kindOf for what is about a participant.
func kindOfParticipant(req any) string {
	switch req.(type) {
	case *loddv1.AddScreeningRequest:
		return "screened"
	case *loddv1.RecordConsentRequest:
		return "consented"
	case *loddv1.AssessEligibilityRequest:
		return "eligibility_assessed"
	case *loddv1.ExcludeRequest:
		return "excluded"
	case *loddv1.PrepareRandomizationRequest:
		return "randomization_prepared"
	case *loddv1.CommitRandomizationRequest, *loddv1.GetRandomizationRequest:
		return randomized
	case *loddv1.SubmitFormRequest:
		return "form_submitted"
	case *loddv1.SignFormRequest:
		return "form_signed"
	case *loddv1.CorrectFormRequest:
		return "form_corrected"
	case *loddv1.RecordMissedVisitRequest:
		return "visit_missed"
	case *loddv1.JudgeTextRequest:
		return "text_judged"
	case *loddv1.RecordWithdrawalRequest:
		return "withdrawn"
	case *loddv1.RecordDeathRequest:
		return "died"
	case *loddv1.RecordErrorRequest:
		return "error_recorded"
	case *loddv1.EraseParticipantRequest:
		return "erased"
	case *loddv1.CorrectLevelsRequest:
		return "levels_corrected"
	case *loddv1.RecordReplacementRequest:
		return "replaced"
	case *loddv1.RecordContingencyAllocationRequest:
		return envelope
	}
	return ""
}

// participantOf returns whom a request is about. A question may leave that to
// the answer.
func participantOf(req, reply any) string {
	type about interface{ GetParticipant() string }
	if r, ok := req.(*loddv1.CommitRandomizationRequest); ok {
		return r.GetConfirm()
	}
	if r, ok := req.(about); ok && r.GetParticipant() != "" {
		return r.GetParticipant()
	}
	if r, ok := reply.(about); ok {
		return r.GetParticipant()
	}
	return ""
}

// mayBeOthers reports whether the entry may be somebody else's: a question asks
// for one, and these are done once, whoever asks again.
func (q Request) mayBeOthers() bool {
	return q.ID == "" && q.Trial == "" || q.Repeated && (q.Kind == randomized || q.Kind == envelope || q.Kind == "erased" || q.Kind == created)
}

// mayBeHidden reports whether the server may keep the entry to itself: it shows
// a person's own, and nothing to an administrator, who has no role in the trial.
func (q Request) mayBeHidden() bool {
	return q.Kind == "" || q.Kind == created || q.Kind == takenIn || q.mayBeOthers()
}

// answers reports why a receipt is of something else than what was asked for.
// Entry is what the server shows of it; nil if it shows nothing.
func (r Receipt) answers(entry []byte) error {
	q := r.Request
	if err := r.placed(); err != nil {
		return err
	}
	switch {
	case q.Kind == "":
		return nil
	case q.Kind == created && r.Index != 0:
		return fmt.Errorf("a trial begins with entry 0 of its conduct, and this is entry %d", r.Index)
	case len(entry) == 0 && q.mayBeHidden():
		return nil
	case len(entry) == 0:
		return errors.New("the server doesn't show the entry")
	case audit.Leaf(entry) != [32]byte(r.Leaf):
		return errors.New("the entry that the server shows has another hash")
	}
	var e logv1.Entry
	if err := proto.Unmarshal(entry, &e); err != nil {
		return fmt.Errorf("the entry can't be read: %w", err)
	}
	return q.madeBy(&e)
}

// madeBy reports why an entry isn't what was asked for.
func (q Request) madeBy(e *logv1.Entry) error {
	kind, participant := about(e)
	switch {
	case kind != q.Kind && (q.Kind != randomized || kind != envelope || !q.mayBeOthers()):
		return fmt.Errorf("the entry is %q, and %q was asked for", kind, q.Kind)
	case participant != "" && q.Participant != "" && participant != q.Participant:
		return errors.New("the entry is about another participant")
	case q.Trial != "":
		return q.grantedBy(e)
	case q.mayBeOthers():
		return nil
	case q.Actor != "" && e.GetActor() != q.Actor:
		return errors.New("the entry is of another account")
	}
	id := e.GetRequestId()
	if r := e.GetRandomized(); r != nil {
		id = r.GetIntent() // the request was that to prepare it
	}
	if hex.EncodeToString(id) != strings.ToLower(strings.ReplaceAll(q.ID, "-", "")) {
		return errors.New("the entry is of another request")
	}
	return nil
}

// about returns what kind of entry it is and which participant it names.
func about(e *logv1.Entry) (kind, participant string) {
	m := e.ProtoReflect()
	f := m.WhichOneof(m.Descriptor().Oneofs().ByName("kind"))
	if f == nil {
		return "", ""
	}
	inner := m.Get(f).Message()
	if p := inner.Descriptor().Fields().ByName("participant"); p != nil && p.Kind() == protoreflect.StringKind && !p.IsList() {
		participant = inner.Get(p).String()
	}
	return string(f.Name()), participant
}
