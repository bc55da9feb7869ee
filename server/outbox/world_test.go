package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/outbox"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

var t0 = time.Date(2026, 3, 2, 9, 4, 0, 0, time.UTC)

// A world is a log, its people, and an outbox on them.
type world struct {
	*testing.T
	outbox  *outbox.Outbox
	values  *storetest.Memory
	sent    *box
	refuge  *box
	now     time.Time
	entries map[string][]entry.Entry
	sites   map[trial.ParticipantID]trial.SiteID
	people  people.State
	without map[string]bool // accounts without an address
	failing func() error    // of each cursor that is kept; nil for none
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		T: t, values: &storetest.Memory{}, sent: &box{}, refuge: &box{}, now: t0,
		entries: map[string][]entry.Entry{}, sites: map[trial.ParticipantID]trial.SiteID{}, without: map[string]bool{},
	}
	for i, user := range []string{"ada", "ina", "tom", "bea", "kari", "per", "petter", "stine", "olav", "dag", "rita", "klara", "aud", "eva"} {
		created := people.Created{User: user, FullName: user, Administrator: user == "ada" || user == "eva"}
		if i > 0 {
			created.Invite = "invite-" + user
			w.apply(people.Invited{Invite: created.Invite, CodeHash: [32]byte{byte(i)}, Expires: t0, Administrator: created.Administrator})
		}
		w.apply(created)
	}
	for _, g := range []people.Grant{
		{User: "ina", Role: "treatment-team", Site: "OSL", Team: "ips"},
		{User: "tom", Role: "treatment-team", Site: "OSL", Team: "tau"},
		{User: "bea", Role: "treatment-team", Site: "BGO", Team: "ips"},
		{User: "kari", Role: "custodian"},
		{User: "per", Role: "investigator"},
		{User: "petter", Role: "investigator", Site: "OSL"},
		{User: "stine", Role: "statistician"},
		{User: "olav", Role: "assessor"},
		{User: "dag", Role: "dsmb"},
		{User: "rita", Role: "reviewer"},
		{User: "klara", Role: "clinician"},
		{User: "aud", Role: "auditor"},
	} {
		w.grant("IPS", g)
	}
	w.open()
	return w
}

// open opens the outbox, as a server does that starts.
func (w *world) open() {
	w.Helper()
	o, err := outbox.New(w.Context(), outbox.Config{
		Source: w, Values: w, NotFound: store.ErrNotFound, Sender: w.sent, Refuge: w.refuge,
		Now: func() time.Time { return w.now },
	})
	if err != nil {
		w.Fatal(err)
	}
	w.outbox = o
}

// log adds an entry and returns its index.
func (w *world) log(list, actor string, e any) int64 {
	w.entries[list] = append(w.entries[list], entry.Entry{At: w.now, Actor: actor, Event: e})
	return int64(len(w.entries[list]) - 1)
}

func (w *world) randomize(p trial.ParticipantID, site trial.SiteID) {
	w.sites[p] = site
	w.log("IPS/conduct", "tove", trial.Randomized{Participant: p})
}

// round is a round that goes well, and returns to whom it sent.
func (w *world) round() []string {
	w.Helper()
	before := len(w.sent.taken())
	if err := w.outbox.Round(w.Context()); err != nil {
		w.Fatal(err)
	}
	var to []string
	for _, n := range w.sent.taken()[before:] {
		to = append(to, n.To)
	}
	return to
}

func (w *world) Sizes() map[string]int64 {
	out := map[string]int64{}
	for list, e := range w.entries {
		out[list] = int64(len(e))
	}
	return out
}

func (w *world) Read(_ context.Context, list string, lo, hi int64) ([]entry.Entry, error) {
	if list == "IPS/delivery" {
		w.Errorf("%s was read", list)
	}
	return w.entries[list][lo:hi], nil
}

func (w *world) Site(id trial.ID, p trial.ParticipantID) (trial.SiteID, error) {
	site, ok := w.sites[p]
	if id != "IPS" || !ok {
		return "", trial.ErrNotFound
	}
	return site, nil
}

func (w *world) People(f func(*people.State)) { f(&w.people) }

// apply makes an event of the accounts happen now, or an hour before the world
// began.
func (w *world) apply(e people.Event) {
	w.Helper()
	at := w.now
	if w.outbox == nil {
		at = t0.Add(-time.Hour)
	}
	if err := w.people.Apply(people.Meta{Index: w.people.Len(), At: at, Actor: "kari"}, e); err != nil {
		w.Fatal(err)
	}
}

func (w *world) grant(id string, g people.Grant) {
	w.Helper()
	g.Trial = id
	w.apply(people.Granted{Grant: g})
}

func (w *world) Address(_ context.Context, user string) (string, bool, error) {
	return address(user), !w.without[user], nil
}

func (w *world) Get(ctx context.Context, key string) ([]byte, error) { return w.values.Get(ctx, key) }

func (w *world) Put(ctx context.Context, key string, value []byte) error {
	if w.failing != nil {
		if err := w.failing(); err != nil {
			return err
		}
	}
	return w.values.Put(ctx, key, value)
}

// cursor returns what is kept of a list.
func (w *world) cursor(list string) string {
	w.Helper()
	b, err := w.values.Get(w.Context(), "outbox/"+list)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		w.Fatal(err)
	}
	return string(b)
}

func address(user string) string { return user + "@hospital.example" }

func addresses(users ...string) []string {
	var out []string
	for _, u := range users {
		out = append(out, address(u))
	}
	return out
}

// A box takes notices, or does what the test wants instead.
type box struct {
	mu      sync.Mutex // guards the fields below
	notices []outbox.Notice
	fail    func(outbox.Notice) error
}

func (b *box) Send(_ context.Context, n outbox.Notice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		if err := b.fail(n); err != nil {
			return err
		}
	}
	b.notices = append(b.notices, n)
	return nil
}

func (b *box) taken() []outbox.Notice {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notices)
}

var errDown = errors.New("the relay is down")

// to fails for one address.
func to(user string, err error) func(outbox.Notice) error {
	return func(n outbox.Notice) error {
		if n.To == address(user) {
			return fmt.Errorf("%w: the relay said so", err)
		}
		return nil
	}
}
