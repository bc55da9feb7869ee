package ledger

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// maxWaiting is the most commands of one trial that wait.
const maxWaiting = 4096

// A Trial is a running trial. Its methods may be called concurrently.
type Trial struct {
	id      trial.ID
	config  Config
	journal *journal
	queue   chan *call
	done    chan struct{} // closed when the owner has returned

	stopping sync.RWMutex // held for writing while the queue is closed
	stopped  bool

	// unsure is held for writing while the fields below may say what isn't durable:
	// from before a batch is decided until its append has returned.
	unsure sync.RWMutex

	mu    sync.RWMutex  // guards the fields below; held for writing while they change
	*fold               // what the entries add up to; of use only while down is nil
	down  error         // why the trial is not served
	lag   time.Duration // by how much the clock is behind the last entry
	wary  bool          // after a failed append, see recover
}

// A fold is what a trial's entries add up to.
type fold struct {
	state    *trial.State
	requests map[trial.RequestID]packed
	deck     *deck // nil while no design is sealed
	forms    map[trial.FormID]*instrument.Instrument
}

// A place is where an entry stands.
type place struct {
	in    trial.Compartment
	index int64
}

// A packed place is a third as large: there is one for each request of a trial's
// life.
type packed int64

func pack(p place) packed {
	return packed(p.index<<2) | packed(slices.Index(trial.Compartments(), p.in))
}

func (p packed) place() place { return place{trial.Compartments()[p&3], int64(p >> 2)} }

func newTrial(c Config, j *journal, id trial.ID) *Trial {
	return &Trial{id: id, config: c, journal: j, queue: make(chan *call, maxWaiting), done: make(chan struct{}), fold: newFold(0)}
}

// newFold returns the fold of nothing, with room for the requests of n entries.
func newFold(n int64) *fold {
	return &fold{state: &trial.State{}, requests: make(map[trial.RequestID]packed, n), forms: map[trial.FormID]*instrument.Instrument{}}
}

// ID returns the trial's name.
func (t *Trial) ID() trial.ID { return t.id }

// List returns the name of a compartment in the log.
func (t *Trial) List(c trial.Compartment) string { return list(t.id, c) }

// View calls f with the present state, which f must not keep. It returns what
// f returns, or why the trial is not served. It waits for a batch that is being
// written: whatever f sees is durable.
func (t *Trial) View(f func(*trial.State) error) error {
	t.unsure.RLock()
	defer t.unsure.RUnlock()
	return t.look(f)
}

// Ahead is [Trial.View] without waiting for the disk: the state may hold a batch
// that is being written. It is for what a command needs to know before it is
// queued: it is decided behind that batch, against the state as it is then, and is
// answered only once both are durable. Were it to wait with View, no two commands
// would ever share a write.
//
// Nobody is told what isn't durable: if f fails, it is called again by View, and
// that is what is returned. So f may be called twice.
func (t *Trial) Ahead(f func(*trial.State) error) error {
	if t.look(f) == nil {
		return nil
	}
	return t.View(f)
}

func (t *Trial) look(f func(*trial.State) error) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.down != nil {
		return t.down
	}
	return f(t.state)
}

// Instrument returns a form ready to check answers, and its definition. Forms are
// there before anybody is screened, and none is changed.
func (t *Trial) Instrument(id trial.FormID) (*instrument.Instrument, trial.Form, error) {
	var in *instrument.Instrument
	var f trial.Form
	err := t.Ahead(func(s *trial.State) error {
		var ok bool
		if in, ok = t.forms[id]; !ok {
			return fmt.Errorf("form %s: %w", id, trial.ErrNotFound)
		}
		f, _, _ = s.Protocol().Form(id)
		return nil
	})
	return in, f, err
}

// load folds the trial's entries. What was to be destroyed and may not have
// been, because the server ended in between, is destroyed.
func (t *Trial) load(ctx context.Context) error {
	to, n := Position{}, int64(0)
	for _, c := range trial.Compartments() {
		to[c] = t.config.Log.Len(list(t.id, c))
		n += to[c]
	}
	f := newFold(n)
	sealed := map[trial.ParticipantID]packed{}
	for l, err := range t.replay(ctx, to) {
		if err != nil {
			return err
		}
		event, ok := l.Event.(trial.Event)
		if !ok {
			return fmt.Errorf("ledger: trial %s: entry %d of %s is a %T", t.id, l.Index, l.In, l.Event)
		}
		if err := t.fold1(ctx, f, l.In, l.Meta(), event); err != nil {
			return fmt.Errorf("ledger: trial %s: %w", t.id, err)
		}
		if p, ok := sealedFor(event); ok {
			if _, known := sealed[p]; !known {
				sealed[p] = pack(place{l.In, l.Index}) // the first
			}
		}
	}
	t.journal.clock.read(f.state.Last())
	if err := t.checkKeys(ctx, f.state, sealed); err != nil {
		return fmt.Errorf("ledger: trial %s: %w", t.id, err)
	}
	t.fold = f
	return nil
}

// fold1 adds one entry to f.
func (t *Trial) fold1(ctx context.Context, f *fold, in trial.Compartment, m trial.Meta, e trial.Event) error {
	if want := f.state.Compartment(e); in != want {
		return fmt.Errorf("entry %d of %s: %T belongs to %s", m.Index, in, e, want)
	}
	if err := f.state.Apply(m, e); err != nil {
		return err
	}
	if _, known := f.requests[m.Request]; !known && m.Request != (trial.RequestID{}) {
		f.requests[m.Request] = pack(place{in, m.Index})
	}
	switch e := e.(type) {
	case trial.FormDefined:
		form, err := instrument.Parse(e.Form.Definition)
		if err != nil {
			return fmt.Errorf("entry %d of %s: form %s: %w", m.Index, in, e.Form.ID, err)
		}
		f.forms[e.Form.ID] = form
	case trial.DesignKept:
		d, err := t.openDeck(ctx, f.state, e.Sealed)
		if err != nil {
			return fmt.Errorf("entry %d of %s: %w", m.Index, in, err)
		}
		f.deck = d
	case trial.EntropyContributed:
		d, err := f.deck.contribute(e.Entropy)
		if err != nil {
			return fmt.Errorf("entry %d of %s: %w", m.Index, in, err)
		}
		f.deck = d
	case trial.SealingAbandoned:
		f.deck = nil
	case trial.Allocated:
		return t.checkArm(ctx, f, m.Index, e)
	}
	return nil
}
