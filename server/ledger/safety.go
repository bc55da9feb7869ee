package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// eventSize is the length to which the texts of adverse events are padded: room
// for 2,000 characters of any script.
const eventSize = 8192

// A ToldEvent is an adverse event with its text, which is empty if the
// participant withdrew from the data.
type ToldEvent struct {
	trial.AdverseEvent
	Text string
}

// ReportAdverseEvent enters an adverse event and returns its number. The text is
// kept under the participant's own key; it fails with a [Wording] if the text
// holds an identifier or may tell the arm.
//
// What a treatment team reports makes two entries in one append: the event,
// which the server enters, and that the caller reported it, of which the receipt
// is.
func (t *Trial) ReportAdverseEvent(ctx context.Context, by Caller, e trial.AdverseEventReported, text string) (Receipt, int, error) {
	padded, err := vault.Pad([]byte(text), eventSize)
	if err != nil {
		return Receipt{}, 0, &trial.Invalid{Field: "text", Problem: "is too long"}
	}
	if err := t.CheckWording("text", text); err != nil {
		return Receipt{}, 0, err
	}
	if err := t.hasArm(e.Participant); err != nil { // before that there may be no key
		return Receipt{}, 0, err
	}
	if e.Sealed, err = t.sealFor(ctx, e.Participant, padded, "adverse-event"); err != nil {
		return Receipt{}, 0, err
	}
	a, err := t.Do(ctx, by, e)
	if err != nil {
		return Receipt{}, 0, err
	}
	entered, _ := a.Events[0].(trial.AdverseEventReported)
	if a.Receipt.Repeated {
		err = t.samePlain(ctx, e.Participant, padded, entered.Sealed, "adverse-event")
	}
	return a.Receipt, entered.Number, err
}

// AdverseEvents returns the events of the sites that are reached, in the order
// of their numbers.
func (t *Trial) AdverseEvents(ctx context.Context, reached func(trial.SiteID) bool) ([]ToldEvent, error) {
	var out []ToldEvent
	if err := t.View(func(s *trial.State) error {
		for _, e := range s.AdverseEvents() {
			if p, ok := s.Participant(e.Participant); ok && reached(p.Site) {
				out = append(out, ToldEvent{AdverseEvent: e})
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for i := range out {
		var err error
		if out[i].Text, err = t.eventText(ctx, out[i].AdverseEvent); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// eventText returns what an event's entry says in words.
func (t *Trial) eventText(ctx context.Context, e trial.AdverseEvent) (string, error) {
	entered, err := t.entered(ctx, e)
	if err != nil || len(entered.Sealed) == 0 {
		return "", err
	}
	padded, err := t.openFor(ctx, e.Participant, entered.Sealed, "adverse-event")
	if errors.Is(err, trial.ErrErased) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	text, err := vault.Unpad(padded)
	return string(text), err
}

// entered returns an event as its entry has it, with what is sealed.
func (t *Trial) entered(ctx context.Context, e trial.AdverseEvent) (trial.AdverseEventReported, error) {
	_, stored, err := t.receipt(ctx, place{trial.Conduct, e.Index})
	if err != nil {
		return trial.AdverseEventReported{}, err
	}
	entered, ok := stored.Event.(trial.AdverseEventReported)
	if !ok {
		return entered, fmt.Errorf("ledger: trial %s: entry %d of %s is a %T", t.id, e.Index, trial.Conduct, stored.Event)
	}
	return entered, nil
}

// takenIn returns the adverse event that a treatment team reported if e says
// that somebody did; anything else is returned as it is. By it a repeated report
// is compared with the first: the entry with the request id says nothing of
// what was reported. The caller holds mu.
func (t *Trial) takenIn(ctx context.Context, e any) (any, error) {
	taken, ok := e.(trial.EventTakenIn)
	if !ok {
		return e, nil
	}
	events := t.state.AdverseEvents()
	if taken.Number < 1 || taken.Number > len(events) {
		return nil, fmt.Errorf("ledger: trial %s: there is no adverse event %d", t.id, taken.Number)
	}
	return t.entered(ctx, events[taken.Number-1])
}

// of returns who an entry names as its actor: the server for an adverse event
// that a treatment team reported, since everybody in the trial may read it and
// the team tells the arm.
func (by Caller) of(e trial.Event) Caller {
	if a, ok := e.(trial.AdverseEventReported); ok && a.Reporter == trial.FromTeam {
		return Caller{Actor: trial.ServerActor}
	}
	return by
}
