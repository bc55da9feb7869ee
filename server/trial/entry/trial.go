package entry

import (
	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/trial"
)

func setTrialKind(pb *logv1.Entry, event trial.Event) error {
	switch e := event.(type) {
	case trial.Created:
		pb.Kind = &logv1.Entry_TrialCreated{TrialCreated: protocolToProto(e.Protocol, e.Forms)}
	case trial.FormDefined:
		pb.Kind = &logv1.Entry_FormDefined{FormDefined: formToProto(e.Form)}
	case trial.DesignSealed:
		pb.Kind = &logv1.Entry_DesignSealed{DesignSealed: &logv1.DesignSealed{Commitment: e.Commitment[:], AwaitsEntropy: e.AwaitsEntropy}}
	case trial.DesignKept:
		pb.Kind = &logv1.Entry_DesignKept{DesignKept: &logv1.DesignKept{Sealed: e.Sealed}}
	case trial.EnrolmentOpened:
		pb.Kind = &logv1.Entry_EnrolmentOpened{EnrolmentOpened: &logv1.EnrolmentOpened{}}
	case trial.EnrolmentClosed:
		pb.Kind = &logv1.Entry_EnrolmentClosed{EnrolmentClosed: &logv1.EnrolmentClosed{}}
	case trial.Locked:
		pb.Kind = &logv1.Entry_Locked{Locked: &logv1.Locked{Number: int32(e.Number), Conduct: e.Conduct, Outcome: e.Outcome}}
	case trial.Exported:
		pb.Kind = &logv1.Entry_Exported{Exported: &logv1.Exported{Lock: int32(e.Lock), View: string(e.View)}}
	case trial.ArmsViewed:
		pb.Kind = &logv1.Entry_ArmsViewed{ArmsViewed: &logv1.ArmsViewed{Site: string(e.Site), Team: string(e.Team)}}
	case trial.ClockSteppedBack:
		pb.Kind = &logv1.Entry_ClockSteppedBack{ClockSteppedBack: &logv1.ClockSteppedBack{ByMs: e.By.Milliseconds()}}
	case trial.Restored:
		pb.Kind = &logv1.Entry_Restored{Restored: &logv1.Restored{
			Conduct: e.Conduct, Outcome: e.Outcome, Delivery: e.Delivery, Allocation: e.Allocation,
		}}
	case trial.Reconciled:
		pb.Kind = &logv1.Entry_Reconciled{Reconciled: reconciledToProto(e)}
	default:
		return setParticipantKind(pb, event)
	}
	return nil
}

func setParticipantKind(pb *logv1.Entry, event trial.Event) error {
	switch e := event.(type) {
	case trial.Screened:
		pb.Kind = &logv1.Entry_Screened{Screened: screenedToProto(e)}
	case trial.Consented:
		pb.Kind = &logv1.Entry_Consented{Consented: &logv1.Consented{
			Participant: string(e.Participant), Version: e.Consent.Version, On: e.Consent.On.String(),
		}}
	case trial.EligibilityAssessed:
		pb.Kind = &logv1.Entry_EligibilityAssessed{EligibilityAssessed: &logv1.EligibilityAssessed{
			Participant: string(e.Participant), Eligible: e.Eligible, Sealed: e.Sealed,
		}}
	case trial.Excluded:
		pb.Kind = &logv1.Entry_Excluded{Excluded: &logv1.Excluded{
			Participant: string(e.Participant), Site: string(e.Site), Reason: string(e.Reason),
		}}
	case trial.Prepared:
		pb.Kind = &logv1.Entry_RandomizationPrepared{RandomizationPrepared: &logv1.RandomizationPrepared{Participant: string(e.Participant)}}
	case trial.Randomized:
		pb.Kind = &logv1.Entry_Randomized{Randomized: &logv1.Randomized{Participant: string(e.Participant), Intent: e.Intent[:]}}
	case trial.Allocated:
		pb.Kind = &logv1.Entry_Allocated{Allocated: &logv1.Allocated{
			Participant: string(e.Participant), Stratum: string(e.Stratum), Slot: int64(e.Slot), Sealed: e.Sealed,
			Contingency: e.Contingency,
		}}
	default:
		return setFollowUpKind(pb, event)
	}
	return nil
}

func setFollowUpKind(pb *logv1.Entry, event trial.Event) error {
	switch e := event.(type) {
	case trial.FormSubmitted:
		pb.Kind = &logv1.Entry_FormSubmitted{FormSubmitted: &logv1.FormSubmitted{
			Participant: string(e.Participant), Visit: string(e.Visit), Form: string(e.Form),
			Version: int32(e.Version), On: e.On.String(), Sealed: e.Sealed, Held: texts(e.Held),
		}}
	case trial.FormCorrected:
		pb.Kind = &logv1.Entry_FormCorrected{FormCorrected: &logv1.FormCorrected{
			Participant: string(e.Participant), Visit: string(e.Visit), Form: string(e.Form),
			Version: int32(e.Version), Sealed: e.Sealed, Held: texts(e.Held),
		}}
	case trial.VisitMissed:
		pb.Kind = &logv1.Entry_VisitMissed{VisitMissed: &logv1.VisitMissed{
			Participant: string(e.Participant), Visit: string(e.Visit), Reason: string(e.Reason),
		}}
	case trial.Withdrawn:
		pb.Kind = &logv1.Entry_Withdrawn{Withdrawn: &logv1.Withdrawn{
			Participant: string(e.Participant), Scope: string(e.Scope), Reason: string(e.Reason), On: e.On.String(),
		}}
	case trial.Erased:
		pb.Kind = &logv1.Entry_Erased{Erased: &logv1.Erased{Participant: string(e.Participant)}}
	case trial.Died:
		pb.Kind = &logv1.Entry_Died{Died: &logv1.Died{Participant: string(e.Participant), On: e.On.String()}}
	case trial.ErrorRecorded:
		pb.Kind = &logv1.Entry_ErrorRecorded{ErrorRecorded: &logv1.ErrorRecorded{Participant: string(e.Participant), Kind: string(e.Kind), Of: string(e.Of)}}
	default:
		return setSealingKind(pb, event)
	}
	return nil
}

func reconciledToProto(e trial.Reconciled) *logv1.Reconciled {
	pb := &logv1.Reconciled{}
	for _, l := range e.Lost {
		pb.Lost = append(pb.Lost, &logv1.LostSlots{Stratum: string(l.Stratum), Slots: int32(l.Slots)})
	}
	return pb
}

func screenedToProto(e trial.Screened) *logv1.Screened {
	return &logv1.Screened{
		Participant: string(e.Participant), Site: string(e.Site), Levels: texts(e.Levels), On: e.On.String(),
		ConsentVersion: e.Consent.Version, ConsentOn: e.Consent.On.String(),
		Assessed: e.Assessed, Eligible: e.Eligible, Sealed: e.Sealed,
	}
}
