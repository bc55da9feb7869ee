package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// These errors say why a command was not carried out, beside those of package
// trial.
var (
	// ErrUnknown means that the command may or may not be durable. Nothing more
	// is served before the log has been opened again.
	ErrUnknown = errors.New("we do not know yet whether it happened; repeat it with the same request id")
	// ErrFull means that the disk has no room; nothing was written.
	ErrFull = errors.New("the server's disk is full; nothing was written")
	// ErrBusy means that too many commands wait, or that other writers came
	// first twice; nothing was done.
	ErrBusy = errors.New("the server is busy; nothing was done, try again")
	// ErrReused means that a request id came back with another request.
	ErrReused = errors.New("the request id was used for another request; nothing was done")
)

// Config is what a ledger is made of. Every field is required.
type Config struct {
	Log   *audit.Log
	Vault *vault.Vault
	// Seeds is where seeds and salts of designs come from, and Random where
	// the nonces of entries do: crypto/rand.Reader outside tests.
	Seeds, Random io.Reader
	Now           func() time.Time
}

// A Ledger is every trial of a server, and its people. Its methods may be
// called concurrently.
type Ledger struct {
	config  Config
	journal *journal
	people  *People

	creating sync.Mutex // held while a trial is created, before mu

	mu     sync.Mutex // guards the fields below; never held while something is written
	trials map[trial.ID]*Trial
	closed bool
}

// Open reads the log and returns what it adds up to. The error names the first
// entry that no correct server wrote.
func Open(ctx context.Context, c Config) (*Ledger, error) {
	if c.Log == nil || c.Vault == nil || c.Seeds == nil || c.Random == nil || c.Now == nil {
		return nil, errors.New("ledger: incomplete config")
	}
	l := &Ledger{config: c, journal: newJournal(c), trials: map[trial.ID]*Trial{}}
	if err := l.open(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Ledger) open(ctx context.Context) error {
	var err error
	if l.people, err = openPeople(ctx, l.config, l.journal); err != nil {
		return err
	}
	known := map[string]bool{System: true}
	for _, name := range l.config.Log.Lists("") {
		id, ok := strings.CutSuffix(name, "/"+string(trial.Conduct))
		if !ok {
			continue
		}
		t := newTrial(l.config, l.journal, trial.ID(id))
		if err := t.load(ctx); err != nil {
			return err
		}
		l.start(t)
		for _, c := range trial.Compartments() {
			known[t.List(c)] = true
		}
	}
	for _, name := range l.config.Log.Lists("") {
		if !known[name] { // nobody has read its entries
			return fmt.Errorf("ledger: list %s belongs to no trial and was not written by this server", name)
		}
	}
	return nil
}

// Close waits for the commands that were accepted and ends the owners.
func (l *Ledger) Close() {
	l.creating.Lock()
	defer l.creating.Unlock()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	for _, t := range l.Trials() {
		t.stop()
	}
}

// People returns the accounts and grants.
func (l *Ledger) People() *People { return l.people }

// Trial returns a trial. It fails with [trial.ErrNotFound].
func (l *Ledger) Trial(id trial.ID) (*Trial, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.trials[id]
	if !ok {
		return nil, fmt.Errorf("trial %s: %w", id, trial.ErrNotFound)
	}
	return t, nil
}

// Trials returns every trial, sorted by id.
func (l *Ledger) Trials() []*Trial {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*Trial
	for _, t := range l.trials {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *Trial) int { return strings.Compare(string(a.id), string(b.id)) })
	return out
}

// start begins the owner of t. The caller holds mu, or nobody else knows l.
func (l *Ledger) start(t *Trial) {
	l.trials[t.id] = t
	go t.run()
}

// A Caller is who acts, in which role, and under which request id.
type Caller struct {
	Actor   string
	Role    trial.Role
	Request trial.RequestID
}

// A Receipt says where an entry stands in the log.
type Receipt struct {
	List     string
	Index    int64
	Leaf     tlog.Hash
	At       time.Time
	Repeated bool // the request had been carried out before
}

// outcome translates what the log says of an append into what callers are
// told. A conflict is no reason to wonder: nothing was written.
func outcome(err error) error {
	switch {
	case errors.Is(err, store.ErrUnknown): // whatever else it says
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	case errors.Is(err, store.ErrFull):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, audit.ErrBusy), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrRefused):
		return fmt.Errorf("%w: %w", ErrBusy, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
}
