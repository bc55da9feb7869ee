package ledger

import (
	"context"
	"slices"

	"github.com/lodd-rct/lodd/server/trial"
)

// ReportBrokenBlind records that somebody learned an arm by accident. The text,
// which may be empty, is kept under the participant's own key; it fails with a
// [Wording] if the text holds an identifier or may tell the arm.
func (t *Trial) ReportBrokenBlind(ctx context.Context, by Caller, e trial.BlindBroken, text string) (Receipt, error) {
	if text != "" {
		if err := t.sealReport(ctx, &e, text); err != nil {
			return Receipt{}, err
		}
	}
	a, err := t.Do(ctx, by, e)
	if err != nil || !a.Receipt.Repeated {
		return a.Receipt, err
	}
	first, _ := a.Events[0].(trial.BlindBroken)
	switch {
	case len(first.Sealed) == 0 != (text == ""):
		return Receipt{}, ErrReused
	case text == "":
		return a.Receipt, nil
	}
	return a.Receipt, t.samePlain(ctx, e.Participant, []byte(text), first.Sealed, "broken-blind")
}

func (t *Trial) sealReport(ctx context.Context, e *trial.BlindBroken, text string) error {
	s, err := t.scanner()
	if err != nil {
		return err
	}
	if err := CheckWording(s, "text", text); err != nil {
		return err
	}
	if err := t.known(e.Participant); err != nil {
		return err
	}
	e.Sealed, err = t.sealFor(ctx, e.Participant, []byte(text), "broken-blind")
	return err
}

// KnowsArm reports whether a person was shown the arm of a participant by an
// unblinding or a disclosure.
func KnowsArm(s *trial.State, user string, id trial.ParticipantID) bool {
	return slices.ContainsFunc(s.Openings(), func(o trial.Opening) bool {
		return o.Participant == id && o.To == user && o.Collected
	})
}
