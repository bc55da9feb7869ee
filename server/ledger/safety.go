package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
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

// takenIn returns, for the entry that takes in what a treatment team reported, the
// event with its reporter as actor; any other entry is returned as it is. By it a
// repeated report is compared with the first. The caller holds mu.
func (t *Trial) takenIn(ctx context.Context, e entry.Entry) (entry.Entry, error) {
	taken, ok := e.Event.(trial.EventTakenIn)
	if !ok {
		return e, nil
	}
	events := t.state.AdverseEvents()
	if taken.Number < 1 || taken.Number > len(events) {
		return e, fmt.Errorf("ledger: trial %s: there is no adverse event %d", t.id, taken.Number)
	}
	padded, err := t.config.Vault.Open(ctx, t.allocationKey(), taken.Sealed, takenContext(taken))
	if err != nil {
		return e, t.keyError(err)
	}
	reporter, err := vault.Unpad(padded)
	if err != nil {
		return e, err
	}
	e.Actor = string(reporter)
	e.Event, err = t.entered(ctx, events[taken.Number-1])
	return e, err
}

// reporterSize is the length to which the names of reporters are padded.
const reporterSize = 64

func takenContext(e trial.EventTakenIn) []byte { return bindTo("taken-in", strconv.Itoa(e.Number)) }

// sealReporter seals who reported an event, wherever that is said in events.
func (t *Trial) sealReporter(ctx context.Context, events []trial.Event, reporter string) error {
	for i, e := range events {
		taken, ok := e.(trial.EventTakenIn)
		if !ok {
			continue
		}
		padded, err := vault.Pad([]byte(reporter), reporterSize)
		if err != nil {
			return err
		}
		if taken.Sealed, err = t.config.Vault.Seal(ctx, t.allocationKey(), padded, takenContext(taken)); err != nil {
			return err
		}
		events[i] = taken
	}
	return nil
}

// AssessRelatedness records a reviewer's judgement, which is sealed: whether an
// event is related to the intervention hints at who had it.
func (t *Trial) AssessRelatedness(ctx context.Context, by Caller, number int, related trial.Code) (Receipt, error) {
	if !slices.Contains(trial.Relations(), related) {
		return Receipt{}, &trial.Invalid{Field: "related", Problem: fmt.Sprintf("%q is unknown, want unrelated, possible or related", related)}
	}
	padded, err := vault.Pad([]byte(related), relatednessSize)
	if err != nil {
		return Receipt{}, err
	}
	bind := bindTo("relatedness", strconv.Itoa(number))
	e := trial.RelatednessAssessed{Number: number}
	if e.Sealed, err = t.config.Vault.Seal(ctx, t.allocationKey(), padded, bind); err != nil {
		return Receipt{}, t.keyError(err)
	}
	a, err := t.Do(ctx, by, e)
	if err != nil || !a.Receipt.Repeated {
		return a.Receipt, err
	}
	first, _ := a.Events[0].(trial.RelatednessAssessed)
	was, err := t.config.Vault.Open(ctx, t.allocationKey(), first.Sealed, bind)
	if err != nil || !bytes.Equal(was, padded) {
		return Receipt{}, reusedUnless(err)
	}
	return a.Receipt, nil
}

// of returns who an entry names as its actor: the server for an adverse event
// that a treatment team reported, since everybody in the trial may read it and
// the team tells the arm, and for what says that a team reported it: both bear
// the same time. Only the second bears the request.
func (by Caller) of(e trial.Event) Caller {
	switch e := e.(type) {
	case trial.AdverseEventReported:
		if e.Reporter == trial.FromTeam {
			return Caller{Actor: trial.ServerActor}
		}
	case trial.EventTakenIn:
		return Caller{Actor: trial.ServerActor, Request: by.Request}
	}
	return by
}
