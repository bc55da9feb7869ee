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
	// People calls its argument with the accounts and grants, which it must not
	// keep.
	People(func(*people.State))
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
	joining map[joint]*item  // those of items that may still be added to
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

// A joint is what news have in common that are told together.
type joint struct {
	list string
	kind Kind
	due  int64 // in milliseconds since 1970
}

func (it *item) joint() joint { return joint{it.list, it.kind, it.due.UnixMilli()} }

// New returns an outbox. If it never was there before, all that the log holds is
// taken to be known.
func New(ctx context.Context, c Config) (*Outbox, error) {
	if c.Source == nil || c.Values == nil || c.NotFound == nil || c.Sender == nil || c.Refuge == nil || c.Now == nil {
		return nil, errors.New("outbox: incomplete config")
	}
	o := &Outbox{config: c, cursors: map[string]int64{}, read: map[string]int64{}, joining: map[joint]*item{}, told: map[string]bool{}}
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
		if err := o.learn(ctx, list, lo+int64(i), e); err != nil {
			return err
		}
		o.read[list]++
	}
	return nil
}

// learn makes items of an entry, or adds to those that it is told with.
func (o *Outbox) learn(ctx context.Context, list string, index int64, e entry.Entry) error {
	all, err := newsOf(e, func(i int64) (entry.Entry, error) {
		found, err := o.config.Source.Read(ctx, list, i, i+1)
		if err != nil {
			return entry.Entry{}, err
		}
		return found[0], nil
	})
	for i, n := range all {
		if n.about != "" && err == nil {
			all[i].site, err = o.config.Source.Site(trialOf(list), n.about)
		}
	}
	if err != nil {
		return fmt.Errorf("outbox: entry %d of %s: %w", index, list, err)
	}
	for _, n := range all {
		o.put(list, index, e.At, n)
	}
	return nil
}

// put adds news to what isn't told yet.
func (o *Outbox) put(list string, index int64, at time.Time, n news) {
	it := &item{list: list, index: index, kind: n.kind, due: at, news: []news{n}}
	if n.joined {
		it.due = at.Truncate(batch).Add(batch)
		if other, ok := o.joining[it.joint()]; ok {
			other.add(n)
			return
		}
		o.joining[it.joint()] = it
	}
	o.items = append(o.items, it)
}

// add adds news of another site.
func (it *item) add(n news) {
	if !slices.ContainsFunc(it.news, func(m news) bool { return m.site == n.site }) {
		it.news = append(it.news, n)
	}
}
