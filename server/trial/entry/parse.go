package entry

import (
	"fmt"
	"math"
	"time"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/trial"
)

func trialKind(pb *logv1.Entry) (trial.Event, error) {
	switch k := pb.GetKind().(type) {
	case *logv1.Entry_TrialCreated:
		p, err := protocolFromProto(k.TrialCreated)
		return trial.Created{Protocol: p, Forms: int(k.TrialCreated.GetForms())}, err
	case *logv1.Entry_FormDefined:
		return trial.FormDefined{Form: formFromProto(k.FormDefined)}, nil
	case *logv1.Entry_DesignSealed:
		e := trial.DesignSealed{AwaitsEntropy: k.DesignSealed.GetAwaitsEntropy()}
		err := fill(e.Commitment[:], k.DesignSealed.GetCommitment(), "commitment")
		return e, err
	case *logv1.Entry_DesignKept:
		return trial.DesignKept{Sealed: k.DesignKept.GetSealed()}, nil
	case *logv1.Entry_EnrolmentOpened:
		return trial.EnrolmentOpened{}, nil
	case *logv1.Entry_EnrolmentClosed:
		return trial.EnrolmentClosed{}, nil
	case *logv1.Entry_Locked:
		return trial.Locked{Number: int(k.Locked.GetNumber()), Conduct: k.Locked.GetConduct(), Outcome: k.Locked.GetOutcome()}, nil
	case *logv1.Entry_Exported:
		return trial.Exported{Lock: int(k.Exported.GetLock()), View: trial.Code(k.Exported.GetView())}, nil
	case *logv1.Entry_ArmsViewed:
		return trial.ArmsViewed{Site: trial.SiteID(k.ArmsViewed.GetSite()), Team: trial.ArmID(k.ArmsViewed.GetTeam())}, nil
	case *logv1.Entry_ClockSteppedBack:
		ms := k.ClockSteppedBack.GetByMs()
		if limit := time.Duration(math.MaxInt64).Milliseconds(); ms < 0 || ms > limit {
			return nil, fmt.Errorf("entry: clock stepped back by %d ms, want 0 to %d", ms, limit)
		}
		return trial.ClockSteppedBack{By: time.Duration(ms) * time.Millisecond}, nil
	case *logv1.Entry_Restored:
		r := k.Restored
		return trial.Restored{
			Conduct: r.GetConduct(), Outcome: r.GetOutcome(), Delivery: r.GetDelivery(), Allocation: r.GetAllocation(),
		}, nil
	case *logv1.Entry_Reconciled:
		return reconciledFromProto(k.Reconciled), nil
	default:
		return enrolmentKind(pb)
	}
}

func enrolmentKind(pb *logv1.Entry) (trial.Event, error) {
	switch k := pb.GetKind().(type) {
	case *logv1.Entry_Screened:
		return screenedFromProto(k.Screened)
	case *logv1.Entry_Consented:
		on, err := date(k.Consented.GetOn())
		return trial.Consented{
			Participant: participant(k.Consented), Consent: trial.ConsentGiven{Version: k.Consented.GetVersion(), On: on},
		}, err
	case *logv1.Entry_EligibilityAssessed:
		return trial.EligibilityAssessed{
			Participant: participant(k.EligibilityAssessed),
			Eligible:    k.EligibilityAssessed.GetEligible(), Sealed: k.EligibilityAssessed.GetSealed(),
		}, nil
	case *logv1.Entry_Excluded:
		return trial.Excluded{
			Participant: participant(k.Excluded), Site: trial.SiteID(k.Excluded.GetSite()), Reason: trial.Code(k.Excluded.GetReason()),
		}, nil
	case *logv1.Entry_RandomizationPrepared:
		return trial.Prepared{Participant: participant(k.RandomizationPrepared)}, nil
	case *logv1.Entry_Randomized:
		e := trial.Randomized{Participant: participant(k.Randomized)}
		err := fill(e.Intent[:], k.Randomized.GetIntent(), "intent")
		return e, err
	case *logv1.Entry_Allocated:
		return trial.Allocated{
			Participant: participant(k.Allocated), Stratum: trial.Stratum(k.Allocated.GetStratum()),
			Slot: int(k.Allocated.GetSlot()), Sealed: k.Allocated.GetSealed(), Contingency: k.Allocated.GetContingency(),
		}, nil
	default:
		return followUpKind(pb)
	}
}

func followUpKind(pb *logv1.Entry) (trial.Event, error) {
	switch k := pb.GetKind().(type) {
	case *logv1.Entry_FormSubmitted:
		f := k.FormSubmitted
		on, err := date(f.GetOn())
		return trial.FormSubmitted{
			Participant: participant(f), Visit: trial.VisitID(f.GetVisit()), Form: trial.FormID(f.GetForm()),
			Version: int(f.GetVersion()), On: on, Sealed: f.GetSealed(), Held: codes(f.GetHeld()),
		}, err
	case *logv1.Entry_FormCorrected:
		f := k.FormCorrected
		return trial.FormCorrected{
			Participant: participant(f), Visit: trial.VisitID(f.GetVisit()), Form: trial.FormID(f.GetForm()),
			Version: int(f.GetVersion()), Sealed: f.GetSealed(), Held: codes(f.GetHeld()),
		}, nil
	case *logv1.Entry_VisitMissed:
		return trial.VisitMissed{
			Participant: participant(k.VisitMissed), Visit: trial.VisitID(k.VisitMissed.GetVisit()), Reason: trial.Code(k.VisitMissed.GetReason()),
		}, nil
	case *logv1.Entry_Withdrawn:
		on, err := date(k.Withdrawn.GetOn())
		return trial.Withdrawn{
			Participant: participant(k.Withdrawn), Scope: trial.Scope(k.Withdrawn.GetScope()),
			Reason: trial.Code(k.Withdrawn.GetReason()), On: on,
		}, err
	case *logv1.Entry_Erased:
		return trial.Erased{Participant: participant(k.Erased)}, nil
	case *logv1.Entry_Died:
		on, err := date(k.Died.GetOn())
		return trial.Died{Participant: participant(k.Died), On: on}, err
	case *logv1.Entry_ErrorRecorded:
		return trial.ErrorRecorded{
			Participant: participant(k.ErrorRecorded), Kind: trial.Code(k.ErrorRecorded.GetKind()), Of: trial.ParticipantID(k.ErrorRecorded.GetOf()),
		}, nil
	default:
		return sealingKind(pb)
	}
}

func reconciledFromProto(pb *logv1.Reconciled) trial.Reconciled {
	var e trial.Reconciled
	for _, l := range pb.GetLost() {
		e.Lost = append(e.Lost, trial.LostSlots{Stratum: trial.Stratum(l.GetStratum()), Slots: int(l.GetSlots())})
	}
	return e
}

func screenedFromProto(pb *logv1.Screened) (trial.Event, error) {
	on, err := date(pb.GetOn())
	if err != nil {
		return nil, err
	}
	consentOn, err := date(pb.GetConsentOn())
	e := trial.Screened{
		Participant: participant(pb), Site: trial.SiteID(pb.GetSite()), On: on,
		Consent:  trial.ConsentGiven{Version: pb.GetConsentVersion(), On: consentOn},
		Assessed: pb.GetAssessed(), Eligible: pb.GetEligible(), Sealed: pb.GetSealed(), Levels: codes(pb.GetLevels()),
	}
	return e, err
}

func participant(m interface{ GetParticipant() string }) trial.ParticipantID {
	return trial.ParticipantID(m.GetParticipant())
}

// fill copies src to dst, which must have its length.
func fill(dst, src []byte, what string) error {
	if len(src) != len(dst) {
		return fmt.Errorf("entry: %s of %d bytes, want %d", what, len(src), len(dst))
	}
	copy(dst, src)
	return nil
}
