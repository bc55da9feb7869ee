package outbox

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lodd-rct/lodd/server/people"
)

// send sends what is due. Only an error that isn't about one notice alone stops
// it.
func (o *Outbox) send(ctx context.Context) error {
	now := o.config.Now()
	if !o.sending.ready(now) {
		return nil
	}
	var later []error
	for _, it := range o.items {
		if !it.ready(now) {
			continue
		}
		err := o.sendItem(ctx, it)
		it.retry = it.retry.after(err, now)
		if err == nil {
			continue
		}
		if !errors.Is(err, ErrLater) {
			o.sending = o.sending.after(err, now)
			o.drop()
			return errors.Join(append(later, err)...)
		}
		later = append(later, err)
	}
	o.sending = retry{}
	o.drop()
	return errors.Join(later...)
}

// drop forgets what everybody was told.
func (o *Outbox) drop() {
	o.items = slices.DeleteFunc(o.items, func(it *item) bool {
		done := it.named && len(it.left) == 0
		if done {
			o.told[it.list] = true
		}
		return done
	})
}

// ready reports whether an item is due. A time that is further away than any can
// be was written before the clock was set back.
func (it *item) ready(now time.Time) bool {
	return (!now.Before(it.due) || it.due.Sub(now) > batch) && it.retry.ready(now)
}

// sendItem tells those who aren't told yet. Who they are is asked once, as it was
// when the item was due: whoever holds the role by then.
func (o *Outbox) sendItem(ctx context.Context, it *item) error {
	if !it.named {
		it.left, it.named = o.users(it), true
		delete(o.joining, it.joint())
	}
	var later error
	var left []string
	for i, user := range it.left {
		err := o.sendOne(ctx, it, user)
		if errors.Is(err, ErrLater) {
			later, left = err, append(left, user)
		} else if err != nil {
			it.left = append(left, it.left[i:]...)
			return err
		}
	}
	it.left = left
	return later
}

// users returns the accounts that an item is for, sorted.
func (o *Outbox) users(it *item) []string {
	var users []string
	o.config.Source.People(func(p *people.State) {
		for _, n := range it.news {
			users = append(users, n.users(p, trialOf(it.list), it.due)...)
		}
	})
	slices.Sort(users)
	return slices.Compact(users)
}

// giveUp is how long a notice that only its own address keeps back is tried.
//
// Source: RFC 5321 (2008), section 4.5.4.1: at least 4 to 5 days.
const giveUp = 5 * 24 * time.Hour

func (o *Outbox) sendOne(ctx context.Context, it *item, user string) error {
	to, ok, err := o.config.Source.Address(ctx, user)
	if err != nil {
		return err
	}
	if !ok {
		o.counts.Skipped++
		return nil
	}
	n := Notice{ID: noticeID(it.list, it.index, it.kind, user), At: it.due, To: to, Trial: string(trialOf(it.list)), Kind: it.kind}
	err = o.config.Sender.Send(ctx, n)
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrLater) && it.retry.since(o.config.Now()) > giveUp {
		if err = o.config.Refuge.Send(ctx, n); err == nil {
			o.counts.Refused++
		}
		return err
	}
	if err == nil {
		o.counts.Sent++
	}
	return err
}
