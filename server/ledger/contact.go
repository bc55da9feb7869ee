package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

const (
	contactSize     = 64   // to which date, kind and minutes are padded
	contactOuter    = 1024 // to which the participant and what is sealed for them are
	relatednessSize = 32
)

// A Contact is a contact of a team with a participant.
type Contact struct {
	trial.Contact
	By string
	At time.Time // when it was recorded
}

// RecordContact records a contact. The entry tells who recorded it and not with
// whom: a participant beside a member of a team is an arm. What was done is
// sealed under the participant's own key, so that an erasure destroys it, and
// with the participant's number once more under the key of the allocations.
func (t *Trial) RecordContact(ctx context.Context, by Caller, c trial.Contact) (Receipt, error) {
	if err := t.View(func(s *trial.State) error {
		return s.CheckContact(trial.Meta{At: t.now(), Actor: by.Actor, Role: by.Role}, c)
	}); err != nil {
		return Receipt{}, err
	}
	sealed, err := t.sealContact(ctx, c)
	if err != nil {
		return Receipt{}, err
	}
	a, err := t.Do(ctx, by, trial.ContactRecorded{Sealed: sealed})
	if err != nil || !a.Receipt.Repeated {
		return a.Receipt, err
	}
	first, ok := a.Events[0].(trial.ContactRecorded)
	if !ok {
		return Receipt{}, ErrReused
	}
	if id, inner, err := t.openContact(ctx, first); err != nil || id != c.Participant {
		return Receipt{}, reusedUnless(err)
	} else if was, err := t.contact(ctx, id, inner); err != nil || was != c {
		return Receipt{}, reusedUnless(err)
	}
	return a.Receipt, nil
}

func reusedUnless(err error) error {
	if err != nil {
		return err
	}
	return ErrReused
}

func (t *Trial) sealContact(ctx context.Context, c trial.Contact) ([]byte, error) {
	text := strings.Join([]string{c.On.String(), string(c.Kind), strconv.Itoa(c.Minutes)}, "\n")
	padded, err := vault.Pad([]byte(text), contactSize)
	if err != nil {
		return nil, err
	}
	inner, err := t.sealFor(ctx, c.Participant, padded, "contact")
	if err != nil {
		return nil, err
	}
	outer, err := vault.Pad(append([]byte(c.Participant+"\n"), inner...), contactOuter)
	if err != nil {
		return nil, err
	}
	sealed, err := t.config.Vault.Seal(ctx, t.allocationKey(), outer, bindTo("contact"))
	if err != nil {
		return nil, t.keyError(err)
	}
	return sealed, nil
}

// openContact returns with whom a contact was, and what is sealed for them.
func (t *Trial) openContact(ctx context.Context, e trial.ContactRecorded) (trial.ParticipantID, []byte, error) {
	padded, err := t.config.Vault.Open(ctx, t.allocationKey(), e.Sealed, bindTo("contact"))
	if err != nil {
		return "", nil, t.keyError(err)
	}
	outer, err := vault.Unpad(padded)
	if err != nil {
		return "", nil, err
	}
	id, inner, ok := strings.Cut(string(outer), "\n")
	if !ok {
		return "", nil, fmt.Errorf("ledger: trial %s: a contact names nobody", t.id)
	}
	return trial.ParticipantID(id), []byte(inner), nil
}

// contact returns what was done, of which inner is the ciphertext.
func (t *Trial) contact(ctx context.Context, id trial.ParticipantID, inner []byte) (trial.Contact, error) {
	padded, err := t.openFor(ctx, id, inner, "contact")
	if err != nil {
		return trial.Contact{}, err
	}
	text, err := vault.Unpad(padded)
	if err != nil {
		return trial.Contact{}, err
	}
	parts := strings.Split(string(text), "\n")
	if len(parts) != 3 {
		return trial.Contact{}, fmt.Errorf("ledger: trial %s: a contact has %d parts", t.id, len(parts))
	}
	c := trial.Contact{Participant: id, Kind: trial.Code(parts[1])}
	if c.On, err = trial.ParseDate(parts[0]); err != nil {
		return trial.Contact{}, err
	}
	c.Minutes, err = strconv.Atoi(parts[2])
	return c, err
}

// Contacts returns the contacts with a participant in the order in which they
// were recorded. It opens those with all participants, since none says with whom
// it was. It fails with [trial.ErrErased] once the participant has withdrawn from
// the data.
func (t *Trial) Contacts(ctx context.Context, id trial.ParticipantID) ([]Contact, error) {
	if err := t.outOfReach(id); err != nil {
		return nil, err
	}
	var indexes []int64
	if err := t.View(func(s *trial.State) error { indexes = slices.Clone(s.Contacts()); return nil }); err != nil {
		return nil, err
	}
	var out []Contact
	for _, at := range indexes {
		_, e, err := t.receipt(ctx, place{trial.Delivery, at})
		if err != nil {
			return nil, err
		}
		recorded, ok := e.Event.(trial.ContactRecorded)
		if !ok {
			return nil, fmt.Errorf("ledger: trial %s: entry %d of %s is a %T", t.id, at, trial.Delivery, e.Event)
		}
		with, inner, err := t.openContact(ctx, recorded)
		if err != nil {
			return nil, err
		}
		if with != id {
			continue
		}
		c, err := t.contact(ctx, id, inner)
		if err != nil {
			return nil, err
		}
		out = append(out, Contact{c, e.Actor, e.At})
	}
	return out, nil
}
