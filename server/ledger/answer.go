package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// finish fills in the receipts of a batch whose entries are durable.
func (t *Trial) finish(ctx context.Context, b *appending, batch []*call) {
	for _, c := range batch {
		if c.err != nil || !c.repeated && len(c.events) == 0 {
			continue
		}
		if !c.repeated {
			r := b.receipts[c.at.in][c.at.index-b.parts[c.at.in].At]
			c.receipt = Receipt{List: r.List, Index: r.Index, Leaf: r.Leaf, At: b.at}
			continue
		}
		var earlier entry.Entry
		if c.receipt, earlier, c.err = t.receipt(ctx, c.at); c.err == nil {
			earlier, c.err = t.takenIn(ctx, earlier)
		}
		c.receipt.Repeated = true
		if c.err == nil && !sameCommand(c, earlier) {
			c.err = ErrReused
		}
		if event, ok := earlier.Event.(trial.Event); ok && c.err == nil {
			c.events = []trial.Event{event}
		}
	}
}

// receipt returns the receipt of an entry, and the entry.
func (t *Trial) receipt(ctx context.Context, at place) (Receipt, entry.Entry, error) {
	name := list(t.id, at.in)
	b, err := t.config.Log.Read(ctx, name, at.index, at.index+1)
	if err != nil {
		return Receipt{}, entry.Entry{}, unread(err)
	}
	e, err := t.journal.unmarshal(name, at.index, b[0])
	if err != nil {
		return Receipt{}, entry.Entry{}, err
	}
	return Receipt{List: name, Index: at.index, Leaf: audit.Leaf(b[0]), At: e.At}, e, nil
}

// unread translates what the log says of a read. Damage is this server's own
// fault: no command is in doubt, and to ask again is of no use.
func unread(err error) error {
	if _, damaged := errors.AsType[*store.DamageError](err); damaged && !errors.Is(err, store.ErrUnknown) {
		return fmt.Errorf("ledger: %w", err)
	}
	return outcome(err)
}

// sameCommand reports whether a command is the one that made an earlier entry:
// by the same account and with the same open content. What is sealed has a
// fresh nonce each time and is compared by whoever can open it.
func sameCommand(c *call, earlier entry.Entry) bool {
	if earlier.Actor != c.by.Actor {
		return false
	}
	a, errA := entry.Marshal(entry.Entry{Event: open(c.proposal)})
	event, ok := earlier.Event.(trial.Event)
	if !ok {
		return false
	}
	b, errB := entry.Marshal(entry.Entry{Event: open(event)})
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// open returns the part of an event that a repeated command has in common with
// the first.
func open(e trial.Event) trial.Event {
	switch e := e.(type) {
	case trial.Screened:
		e.Sealed = nil
		return e
	case trial.EligibilityAssessed:
		e.Sealed = nil
		return e
	case trial.FormSubmitted:
		e.Sealed, e.Held = nil, nil // what is held follows from what is sealed
		return e
	case trial.FormCorrected:
		e.Sealed, e.Held = nil, nil
		return e
	case trial.Unblinded:
		e.Sealed = nil
		return e
	case trial.BlindBroken:
		e.Sealed = nil
		return e
	case trial.ContactRecorded:
		return trial.ContactRecorded{}
	case trial.RelatednessAssessed:
		e.Sealed = nil
		return e
	case trial.DesignSealed:
		e.Commitment = [32]byte{} // seed and salt are drawn anew each time
		return e
	case trial.AdverseEventReported:
		e.Number, e.Sealed = 0, nil // counted when it is decided
		return e
	case trial.Locked:
		return trial.Locked{} // filled in when it is decided
	default:
		return e
	}
}
