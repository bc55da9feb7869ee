package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// These errors say what is wrong with one notice alone. After any other error
// of a sender nothing is sent for a while.
var (
	// ErrRefused means that a sender will never take the notice.
	ErrRefused = errors.New("outbox: the notice is refused for good")
	// ErrLater means that a sender may take the notice later.
	ErrLater = errors.New("outbox: the notice isn't taken now")
)

// A Sender takes notices. It may be given the same one again. No error of it
// names an address.
type Sender interface {
	Send(ctx context.Context, n Notice) error
}

// A Source is the log as far as notices follow from it, and what is known of
// people.
type Source interface {
	// Sizes returns how many entries each list has.
	Sizes() map[string]int64
	// Read returns the entries [lo, hi) of a list.
	Read(ctx context.Context, list string, lo, hi int64) ([]entry.Entry, error)
	// Site returns the site of a participant who is in the log.
	Site(id trial.ID, p trial.ParticipantID) (trial.SiteID, error)
	// HeldAt returns the grants of a trial that were in force at an instant.
	HeldAt(id trial.ID, at time.Time) []people.Grant
	// Address returns the address of an account, and whether it has one.
	Address(ctx context.Context, user string) (string, bool, error)
}

// Values are the small mutable map of the store. Put returns when the value is
// durable.
type Values interface {
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, value []byte) error
}

// Config is what an outbox is made of. Every field is required.
type Config struct {
	Source Source
	Values Values
	// NotFound is what the error of Values.Get wraps if there is no value.
	NotFound error
	// Sender is where notices go, and Refuge where those go that it refuses.
	Sender, Refuge Sender
	Now            func() time.Time
}

// Counts say what became of notices since the start. None depends on an arm.
type Counts struct {
	Sent    int64 // to the sender
	Refused int64 // by the sender, and sent to the refuge
	Skipped int64 // because the account has no address
}

// An Outbox sends notices. Its methods may be called concurrently.
type Outbox struct {
	config Config

	mu      sync.Mutex       // guards the fields below; held while notices are sent
	cursors map[string]int64 // as they are kept
	read    map[string]int64 // the next entry to read of each list
	items   []*item          // what isn't told yet, as it was read
	told    map[string]bool  // the lists of items that were dropped since the cursors were kept
	reading retry
	sending retry
	counts  Counts
}

// An item is what an entry tells, or several that are told together.
type item struct {
	list  string
	index int64 // of the first entry
	kind  Kind
	due   time.Time
	news  []news
	left  []string // the accounts that aren't told yet, once named
	named bool
	retry retry
}

// New returns an outbox. If it never was there before, all that the log holds is
// taken to be known.
func New(ctx context.Context, c Config) (*Outbox, error) {
	if c.Source == nil || c.Values == nil || c.NotFound == nil || c.Sender == nil || c.Refuge == nil || c.Now == nil {
		return nil, errors.New("outbox: incomplete config")
	}
	o := &Outbox{config: c, cursors: map[string]int64{}, read: map[string]int64{}, told: map[string]bool{}}
	return o, o.begin(ctx)
}

// Counts returns what became of the notices so far.
func (o *Outbox) Counts() Counts {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts
}

// Run calls [Outbox.Round] once a second until ctx ends, and report with each
// error.
func (o *Outbox) Run(ctx context.Context, report func(error)) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := o.Round(ctx); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}
}

// Round reads what is new, sends the notices that are due, and keeps how far it
// came. What couldn't be sent is tried again by a later round, after a time that
// grows.
func (o *Outbox) Round(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return errors.Join(o.readNew(ctx), o.send(ctx), o.save(ctx))
}

// readAtOnce is how many entries are read at once, and itemsAtOnce how many items
// may wait: a relay that is away for long stops the reading.
const (
	readAtOnce  = 256
	itemsAtOnce = 10_000
)

func (o *Outbox) readNew(ctx context.Context) error {
	now := o.config.Now()
	if !o.reading.ready(now) {
		return nil
	}
	var errs []error
	sizes := o.config.Source.Sizes()
	for _, list := range sorted(sizes) {
		errs = append(errs, o.readList(ctx, list, sizes[list]))
	}
	err := errors.Join(errs...)
	o.reading = o.reading.after(err, now)
	return err
}

func (o *Outbox) readList(ctx context.Context, list string, size int64) error {
	if err := o.position(ctx, list, size); err != nil {
		return err
	}
	for o.read[list] < size && len(o.items) < itemsAtOnce {
		if err := o.readSome(ctx, list, size); err != nil {
			return err
		}
	}
	return nil
}

func (o *Outbox) readSome(ctx context.Context, list string, size int64) error {
	lo := o.read[list]
	entries, err := o.config.Source.Read(ctx, list, lo, min(lo+readAtOnce, size))
	if err != nil {
		return fmt.Errorf("outbox: read what is new: %w", err)
	}
	for i, e := range entries {
		if err := o.learn(list, lo+int64(i), e); err != nil {
			return err
		}
		o.read[list]++
	}
	return nil
}

// learn makes an item of an entry, or adds it to the one that it is told with.
func (o *Outbox) learn(list string, index int64, e entry.Entry) error {
	n, about, ok := newsOf(e)
	if !ok {
		return nil
	}
	if about != "" {
		var err error
		if n.site, err = o.config.Source.Site(trialOf(list), about); err != nil {
			return fmt.Errorf("outbox: entry %d of %s: %w", index, list, err)
		}
	}
	due := e.At
	if n.joined {
		due = e.At.Truncate(batch).Add(batch)
		for _, it := range o.items {
			if it.list == list && it.kind == n.kind && it.due.Equal(due) && !it.named {
				it.add(n)
				return nil
			}
		}
	}
	o.items = append(o.items, &item{list: list, index: index, kind: n.kind, due: due, news: []news{n}})
	return nil
}

// add adds news of another site.
func (it *item) add(n news) {
	if !slices.ContainsFunc(it.news, func(m news) bool { return m.site == n.site }) {
		it.news = append(it.news, n)
	}
}

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
	for _, g := range o.config.Source.HeldAt(trialOf(it.list), it.due) {
		if slices.ContainsFunc(it.news, func(n news) bool { return n.tells(g) }) {
			users = append(users, g.User)
		}
	}
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
