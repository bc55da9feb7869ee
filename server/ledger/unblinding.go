package ledger

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/lodd-rct/lodd/server/proposal"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// ShownAgain is how long a repeated request is told the arm once more: its first
// answer may have been lost.
const ShownAgain = 15 * time.Minute

// reasonSize is the length to which the reasons for unblindings are padded: room
// for 2,000 characters of any script.
const reasonSize = 8192

// An Opened is the arm of one participant, opened for one person. It does not
// print.
type Opened struct {
	Receipt     Receipt
	Participant trial.ParticipantID
	Arm         trial.Arm // the zero Arm if it isn't the caller's to see, or not any more
}

// Format implements [fmt.Formatter].
func (Opened) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// MarshalText implements [encoding.TextMarshaler], for JSON and structured logs.
func (Opened) MarshalText() ([]byte, error) { return []byte("sealed"), nil }

// A Proof fails unless whoever acts may do so and has proved anew who they are.
// It is asked for what the rules accept, and not for the repetition of what was
// carried out: nobody proves anything in vain, and a lost answer can be had
// again.
type Proof func() error

// Unblind opens the arm of one participant in an emergency. The arm is looked up
// only when the entry is durable, and not at all if it is for a clinician. A
// repeated request is told the arm for [ShownAgain], and later only that it was
// carried out.
//
// The reason in words is sealed under the key of the allocations and not under
// the participant's: it explains what the caller did, and stays when the
// participant's data are destroyed.
//
// Source: ICH E6(R3) (2025), annex 1, 2.11 and 4.1.4: an unblinding is justified and
// documented, that of an emergency too.
func (t *Trial) Unblind(ctx context.Context, by Caller, e trial.Unblinded, text string, proof Proof) (Opened, error) {
	padded, err := vault.Pad([]byte(text), reasonSize)
	if err != nil {
		return Opened{}, &trial.Invalid{Field: "text", Problem: "is too long"}
	}
	if err := t.hasArm(e.Participant); err != nil { // before that there may be no key
		return Opened{}, err
	}
	bind := bindTo("unblinding", string(e.Participant))
	if e.Sealed, err = t.config.Vault.Seal(ctx, t.allocationKey(), padded, bind); err != nil {
		return Opened{}, t.keyError(err)
	}
	a, err := t.doProven(ctx, by, e, proof)
	if err != nil {
		return Opened{}, err
	}
	if a.Receipt.Repeated {
		first, _ := a.Events[0].(trial.Unblinded)
		was, err := t.config.Vault.Open(ctx, t.allocationKey(), first.Sealed, bind)
		if err != nil {
			return Opened{}, t.keyError(err)
		}
		if !bytes.Equal(was, padded) {
			return Opened{}, ErrReused
		}
	}
	if e.To != "" {
		return Opened{Receipt: a.Receipt, Participant: e.Participant}, nil
	}
	return t.opened(a.Receipt, e.Participant)
}

// UnblindingText returns the reason in words of an emergency unblinding, whose
// entry stands at an index of allocation.
func (t *Trial) UnblindingText(ctx context.Context, index int64) (string, error) {
	_, e, err := t.receipt(ctx, place{trial.Allocation, index})
	if err != nil {
		return "", err
	}
	u, ok := e.Event.(trial.Unblinded)
	if !ok {
		return "", fmt.Errorf("ledger: entry %d of %s is a %T", index, t.List(trial.Allocation), e.Event)
	}
	padded, err := t.config.Vault.Open(ctx, t.allocationKey(), u.Sealed, bindTo("unblinding", string(u.Participant)))
	if err != nil {
		return "", t.keyError(err)
	}
	text, err := vault.Unpad(padded)
	return string(text), err
}

// hasArm reports an error unless a participant was randomized.
func (t *Trial) hasArm(id trial.ParticipantID) error {
	return t.View(func(s *trial.State) error {
		p, ok := s.Participant(id)
		switch {
		case !ok:
			return fmt.Errorf("participant %s: %w", id, trial.ErrNotFound)
		case !p.Randomized():
			return trial.ErrNotRandomized
		}
		return nil
	})
}

// Collect shows an arm that was opened for the caller, once; a repeated request
// is told as [Trial.Unblind] tells it. It fails with [trial.ErrNotForYou].
func (t *Trial) Collect(ctx context.Context, by Caller, number int64, proof Proof) (Opened, error) {
	a, err := t.doProven(ctx, by, trial.ArmCollected{Of: number}, proof)
	if err != nil {
		return Opened{}, err
	}
	id := trial.ParticipantID("")
	err = t.View(func(s *trial.State) error {
		for _, o := range s.Openings() {
			if o.Index == number {
				id = o.Participant
			}
		}
		return nil
	})
	if err != nil {
		return Opened{}, err
	}
	return t.opened(a.Receipt, id)
}

// opened returns the arm that an entry, which is durable, opens for its actor.
func (t *Trial) opened(r Receipt, id trial.ParticipantID) (Opened, error) {
	o := Opened{Receipt: r, Participant: id}
	if r.Repeated && t.now().After(r.At.Add(ShownAgain)) {
		return o, nil
	}
	err := t.View(func(s *trial.State) error {
		p, ok := s.Participant(id)
		if !ok {
			return fmt.Errorf("participant %s: %w", id, trial.ErrNotFound)
		}
		var err error
		o.Arm, err = t.armOf(s, p)
		return err
	})
	return o, err
}

// ProposeDisclosure carries out the first of two people's steps that show a third
// person the arm of a participant.
func (t *Trial) ProposeDisclosure(ctx context.Context, by Caller, d trial.DisclosureProposed, proof Proof) (Receipt, error) {
	a, err := t.doProven(ctx, by, d, proof)
	return a.Receipt, err
}

// ApproveDisclosure carries out the second one. It fails with [proposal.ErrNone]
// and [trial.ErrSamePerson].
func (t *Trial) ApproveDisclosure(ctx context.Context, by Caller, d trial.DisclosureProposed, proof Proof) (Receipt, error) {
	at, err := t.disclosure(ctx, by, d)
	if err != nil {
		return Receipt{}, err
	}
	a, err := t.doProven(ctx, by, trial.DisclosureApproved{Proposal: at}, proof)
	return a.Receipt, err
}

// disclosure returns the index of the proposal that a command approves: of the
// one that waits, or, if the command was carried out, of the one that it
// approved.
func (t *Trial) disclosure(ctx context.Context, by Caller, d trial.DisclosureProposed) (int64, error) {
	e, done, err := t.earlier(ctx, by)
	if err != nil {
		return 0, err
	}
	if done {
		approved, ok := e.(trial.DisclosureApproved)
		if !ok {
			return 0, ErrReused
		}
		_, first, err := t.receipt(ctx, place{trial.Allocation, approved.Proposal})
		if was, ok := first.Event.(trial.DisclosureProposed); err == nil && (!ok || was.Participant != d.Participant || was.To != d.To) {
			err = ErrReused
		}
		return approved.Proposal, err
	}
	at := int64(-1)
	err = t.View(func(s *trial.State) error {
		for index, waits := range s.Disclosures(t.now()) {
			if waits.Participant == d.Participant && waits.To == d.To {
				at = index
				return nil
			}
		}
		return nil
	})
	if err == nil && at < 0 {
		err = proposal.ErrNone
	}
	return at, err
}

// doProven is Do for what needs a proof.
func (t *Trial) doProven(ctx context.Context, by Caller, e trial.Event, proof Proof) (Answer, error) {
	_, done, err := t.earlier(ctx, by)
	if err != nil {
		return Answer{}, err
	}
	if !done {
		if err := t.View(func(s *trial.State) error {
			_, err := s.Decide(trial.Meta{At: t.now(), Actor: by.Actor, Role: by.Role, Request: by.Request}, e)
			return err
		}); err != nil {
			return Answer{}, err
		}
		if err := proof(); err != nil {
			return Answer{}, err
		}
	}
	return t.Do(ctx, by, e)
}

// now returns the present instant as entries carry it.
func (t *Trial) now() time.Time { return t.config.Now().UTC().Truncate(time.Millisecond) }

// earlier returns the first event of a request that was carried out, and whether
// it was. It fails with [ErrReused] if that was somebody else's.
func (t *Trial) earlier(ctx context.Context, by Caller) (e trial.Event, done bool, err error) {
	var at place
	if err := t.View(func(*trial.State) error {
		var p packed
		p, done = t.requests[by.Request]
		at = p.place()
		return nil
	}); err != nil || !done {
		return nil, false, err
	}
	_, first, err := t.receipt(ctx, at)
	if err == nil && first.Actor != by.Actor {
		err = ErrReused
	}
	e, _ = first.Event.(trial.Event)
	return e, true, err
}
