package entry

import (
	"fmt"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/trial"
)

// setSealingKind and sealingKind are about what surrounds a sealed design: how
// it is sealed and unsealed, and what went wrong with a randomization.
func setSealingKind(pb *logv1.Entry, event trial.Event) error {
	switch e := event.(type) {
	case trial.EntropyContributed:
		pb.Kind = &logv1.Entry_EntropyContributed{EntropyContributed: &logv1.EntropyContributed{Entropy: e.Entropy}}
	case trial.SealingAbandoned:
		pb.Kind = &logv1.Entry_SealingAbandoned{SealingAbandoned: &logv1.SealingAbandoned{Reason: string(e.Reason)}}
	case trial.ContingencyPrinted:
		pb.Kind = &logv1.Entry_ContingencyPrinted{ContingencyPrinted: &logv1.ContingencyPrinted{
			Envelopes: int32(e.Envelopes), Recipients: [][]byte{e.Recipients[0][:], e.Recipients[1][:]},
		}}
	case trial.ContingencyUsed:
		pb.Kind = &logv1.Entry_ContingencyUsed{ContingencyUsed: &logv1.ContingencyUsed{
			Participant: string(e.Participant), Envelope: int32(e.Envelope), On: e.On.String(), Witness: e.Witness, Reason: string(e.Reason),
		}}
	case trial.LevelsCorrected:
		pb.Kind = &logv1.Entry_LevelsCorrected{LevelsCorrected: &logv1.LevelsCorrected{
			Participant: string(e.Participant), Levels: texts(e.Levels), Reason: string(e.Reason),
		}}
	case trial.Replaced:
		pb.Kind = &logv1.Entry_Replaced{Replaced: &logv1.Replaced{Participant: string(e.Participant), By: string(e.By)}}
	case trial.PlanFrozen:
		pb.Kind = &logv1.Entry_PlanFrozen{PlanFrozen: &logv1.PlanFrozen{Digest: e.Digest[:], Version: e.Version}}
	case trial.UnsealingProposed:
		pb.Kind = &logv1.Entry_UnsealingProposed{UnsealingProposed: &logv1.UnsealingProposed{}}
	case trial.Unsealed:
		pb.Kind = &logv1.Entry_Unsealed{Unsealed: &logv1.Unsealed{}}
	case trial.Revealed:
		pb.Kind = &logv1.Entry_Revealed{Revealed: &logv1.Revealed{}}
	default:
		return setBlindingKind(pb, event)
	}
	return nil
}

func sealingKind(pb *logv1.Entry) (trial.Event, error) {
	switch k := pb.GetKind().(type) {
	case *logv1.Entry_EntropyContributed:
		return trial.EntropyContributed{Entropy: k.EntropyContributed.GetEntropy()}, nil
	case *logv1.Entry_SealingAbandoned:
		return trial.SealingAbandoned{Reason: trial.Code(k.SealingAbandoned.GetReason())}, nil
	case *logv1.Entry_ContingencyPrinted:
		return printedFromProto(k.ContingencyPrinted)
	case *logv1.Entry_ContingencyUsed:
		u := k.ContingencyUsed
		on, err := date(u.GetOn())
		return trial.ContingencyUsed{
			Participant: participant(u), Envelope: int(u.GetEnvelope()), On: on, Witness: u.GetWitness(), Reason: trial.Code(u.GetReason()),
		}, err
	case *logv1.Entry_LevelsCorrected:
		c := k.LevelsCorrected
		return trial.LevelsCorrected{Participant: participant(c), Levels: codes(c.GetLevels()), Reason: trial.Code(c.GetReason())}, nil
	case *logv1.Entry_Replaced:
		return trial.Replaced{Participant: participant(k.Replaced), By: trial.ParticipantID(k.Replaced.GetBy())}, nil
	case *logv1.Entry_PlanFrozen:
		e := trial.PlanFrozen{Version: k.PlanFrozen.GetVersion()}
		err := fill(e.Digest[:], k.PlanFrozen.GetDigest(), "digest")
		return e, err
	case *logv1.Entry_UnsealingProposed:
		return trial.UnsealingProposed{}, nil
	case *logv1.Entry_Unsealed:
		return trial.Unsealed{}, nil
	case *logv1.Entry_Revealed:
		return trial.Revealed{}, nil
	default:
		return blindingKind(pb)
	}
}

func printedFromProto(pb *logv1.ContingencyPrinted) (trial.Event, error) {
	e := trial.ContingencyPrinted{Envelopes: int(pb.GetEnvelopes())}
	if n := len(pb.GetRecipients()); n != len(e.Recipients) {
		return nil, fmt.Errorf("entry: %d recipients, want %d", n, len(e.Recipients))
	}
	for i, r := range pb.GetRecipients() {
		if err := fill(e.Recipients[i][:], r, "recipient"); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func texts(cs []trial.Code) []string {
	out := make([]string, len(cs))
	for i, c := range cs {
		out[i] = string(c)
	}
	return out
}

func codes(texts []string) []trial.Code {
	var out []trial.Code
	for _, t := range texts {
		out = append(out, trial.Code(t))
	}
	return out
}
