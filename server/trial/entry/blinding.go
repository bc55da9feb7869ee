package entry

import (
	"fmt"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/trial"
)

// setBlindingKind and blindingKind are about signatures, held texts, who got to
// know an arm, and what happened to participants.
func setBlindingKind(pb *logv1.Entry, event trial.Event) error {
	switch e := event.(type) {
	case trial.EnvelopeSpoiled:
		pb.Kind = &logv1.Entry_EnvelopeSpoiled{EnvelopeSpoiled: &logv1.EnvelopeSpoiled{
			Stratum: string(e.Stratum), Envelope: int32(e.Envelope), Reason: string(e.Reason),
		}}
	case trial.FormSigned:
		pb.Kind = &logv1.Entry_FormSigned{FormSigned: &logv1.FormSigned{
			Participant: string(e.Participant), Visit: string(e.Visit), Form: string(e.Form), At: e.At,
			Digest: e.Digest[:], Meaning: string(e.Meaning), Name: e.Name,
		}}
	case trial.TextJudged:
		pb.Kind = &logv1.Entry_TextJudged{TextJudged: &logv1.TextJudged{
			Participant: string(e.Participant), Visit: string(e.Visit), Form: string(e.Form), At: e.At,
			Item: string(e.Item), Released: e.Released,
		}}
	case trial.BlindBroken:
		pb.Kind = &logv1.Entry_BlindBroken{BlindBroken: &logv1.BlindBroken{
			Participant: string(e.Participant), Person: e.Person, Visit: string(e.Visit), On: e.On.String(),
			How: string(e.How), Timing: string(e.Timing), Sealed: e.Sealed,
		}}
	case trial.ImpactAssessed:
		pb.Kind = &logv1.Entry_ImpactAssessed{ImpactAssessed: &logv1.ImpactAssessed{
			Report: e.Report, Impact: string(e.Impact), Measure: string(e.Measure),
		}}
	case trial.Unblinded:
		pb.Kind = &logv1.Entry_Unblinded{Unblinded: &logv1.Unblinded{
			Participant: string(e.Participant), Reason: string(e.Reason), To: e.To, Sealed: e.Sealed,
		}}
	case trial.DisclosureProposed:
		pb.Kind = &logv1.Entry_DisclosureProposed{DisclosureProposed: &logv1.DisclosureProposed{
			Participant: string(e.Participant), To: e.To, Reason: string(e.Reason),
		}}
	case trial.DisclosureApproved:
		pb.Kind = &logv1.Entry_DisclosureApproved{DisclosureApproved: &logv1.DisclosureApproved{Proposal: e.Proposal}}
	case trial.ArmCollected:
		pb.Kind = &logv1.Entry_ArmCollected{ArmCollected: &logv1.ArmCollected{Of: e.Of}}
	default:
		return setSafetyKind(pb, event)
	}
	return nil
}

func setSafetyKind(pb *logv1.Entry, event trial.Event) error {
	switch e := event.(type) {
	case trial.AdverseEventReported:
		pb.Kind = &logv1.Entry_AdverseEventReported{AdverseEventReported: &logv1.AdverseEventReported{
			Number: int32(e.Number), Participant: string(e.Participant), On: e.On.String(), Category: string(e.Category),
			Serious: e.Serious, Reporter: string(e.Reporter), Sealed: e.Sealed,
		}}
	case trial.EventTakenIn:
		pb.Kind = &logv1.Entry_EventTakenIn{EventTakenIn: &logv1.EventTakenIn{Number: int32(e.Number), Sealed: e.Sealed}}
	case trial.AdverseEventAssessed:
		pb.Kind = &logv1.Entry_AdverseEventAssessed{AdverseEventAssessed: &logv1.AdverseEventAssessed{
			Number: int32(e.Number), Related: string(e.Related), Expected: e.Expected,
		}}
	case trial.RelatednessAssessed:
		pb.Kind = &logv1.Entry_RelatednessAssessed{RelatednessAssessed: &logv1.RelatednessAssessed{Number: int32(e.Number), Sealed: e.Sealed}}
	case trial.ContactRecorded:
		pb.Kind = &logv1.Entry_ContactRecorded{ContactRecorded: &logv1.ContactRecorded{Sealed: e.Sealed}}
	default:
		return fmt.Errorf("entry: unknown event %T", event)
	}
	return nil
}

func blindingKind(pb *logv1.Entry) (trial.Event, error) {
	switch k := pb.GetKind().(type) {
	case *logv1.Entry_EnvelopeSpoiled:
		e := k.EnvelopeSpoiled
		return trial.EnvelopeSpoiled{Stratum: trial.Stratum(e.GetStratum()), Envelope: int(e.GetEnvelope()), Reason: trial.Code(e.GetReason())}, nil
	case *logv1.Entry_FormSigned:
		g := k.FormSigned
		e := trial.FormSigned{
			Participant: participant(g), Visit: trial.VisitID(g.GetVisit()), Form: trial.FormID(g.GetForm()), At: g.GetAt(),
			Meaning: trial.Code(g.GetMeaning()), Name: g.GetName(),
		}
		err := fill(e.Digest[:], g.GetDigest(), "digest")
		return e, err
	case *logv1.Entry_TextJudged:
		j := k.TextJudged
		return trial.TextJudged{
			Participant: participant(j), Visit: trial.VisitID(j.GetVisit()), Form: trial.FormID(j.GetForm()), At: j.GetAt(),
			Item: trial.Code(j.GetItem()), Released: j.GetReleased(),
		}, nil
	case *logv1.Entry_BlindBroken:
		b := k.BlindBroken
		on, err := date(b.GetOn())
		return trial.BlindBroken{
			Participant: participant(b), Person: b.GetPerson(), Visit: trial.VisitID(b.GetVisit()), On: on,
			How: trial.Code(b.GetHow()), Timing: trial.Code(b.GetTiming()), Sealed: b.GetSealed(),
		}, err
	case *logv1.Entry_ImpactAssessed:
		i := k.ImpactAssessed
		return trial.ImpactAssessed{Report: i.GetReport(), Impact: trial.Code(i.GetImpact()), Measure: trial.Code(i.GetMeasure())}, nil
	case *logv1.Entry_Unblinded:
		u := k.Unblinded
		return trial.Unblinded{Participant: participant(u), Reason: trial.Code(u.GetReason()), To: u.GetTo(), Sealed: u.GetSealed()}, nil
	case *logv1.Entry_DisclosureProposed:
		d := k.DisclosureProposed
		return trial.DisclosureProposed{Participant: participant(d), To: d.GetTo(), Reason: trial.Code(d.GetReason())}, nil
	case *logv1.Entry_DisclosureApproved:
		return trial.DisclosureApproved{Proposal: k.DisclosureApproved.GetProposal()}, nil
	case *logv1.Entry_ArmCollected:
		return trial.ArmCollected{Of: k.ArmCollected.GetOf()}, nil
	default:
		return safetyKind(pb)
	}
}

func safetyKind(pb *logv1.Entry) (trial.Event, error) {
	switch k := pb.GetKind().(type) {
	case *logv1.Entry_AdverseEventReported:
		a := k.AdverseEventReported
		on, err := date(a.GetOn())
		return trial.AdverseEventReported{
			Number: int(a.GetNumber()), Participant: participant(a), On: on, Category: trial.Code(a.GetCategory()),
			Serious: a.GetSerious(), Reporter: trial.Code(a.GetReporter()), Sealed: a.GetSealed(),
		}, err
	case *logv1.Entry_EventTakenIn:
		return trial.EventTakenIn{Number: int(k.EventTakenIn.GetNumber()), Sealed: k.EventTakenIn.GetSealed()}, nil
	case *logv1.Entry_AdverseEventAssessed:
		a := k.AdverseEventAssessed
		return trial.AdverseEventAssessed{Number: int(a.GetNumber()), Related: trial.Code(a.GetRelated()), Expected: a.GetExpected()}, nil
	case *logv1.Entry_RelatednessAssessed:
		return trial.RelatednessAssessed{Number: int(k.RelatednessAssessed.GetNumber()), Sealed: k.RelatednessAssessed.GetSealed()}, nil
	case *logv1.Entry_ContactRecorded:
		return trial.ContactRecorded{Sealed: k.ContactRecorded.GetSealed()}, nil
	default:
		return nil, fmt.Errorf("entry: unknown kind %T", k)
	}
}
