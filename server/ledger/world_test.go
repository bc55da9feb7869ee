package ledger_test

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
	"github.com/lodd-rct/lodd/server/vault"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path, os.Getenv(childEnv+"_AT"))
		return
	}
	goleak.VerifyTestMain(m)
}

// A clock stands still until a test moves it. If set, asked is called by whoever
// asks for the time, once: it may set itself again.
type clock struct {
	mu    sync.Mutex
	at    time.Time
	asked func()
}

func (c *clock) now() time.Time {
	if f := c.asked; f != nil {
		c.asked = nil
		f()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// on sets the clock to 10 o'clock UTC of a day.
func (c *clock) on(day string) {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	c.add(at.Add(10 * time.Hour).Sub(c.now()))
}

// A world is a ledger on a store.
type world struct {
	testing.TB
	*clock
	store  store.Store
	log    *audit.Log
	vault  *vault.Vault
	ledger *ledger.Ledger
	used   uint64 // request ids
}

// open opens a store as a server does. It is closed with the test.
func open(t testing.TB, s store.Store) *world {
	t.Helper()
	w, err := try(t, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

// try returns the error of opening the ledger.
func try(t testing.TB, s store.Store) (*world, error) {
	t.Helper()
	w := &world{TB: t, store: s, clock: &clock{at: time.Date(2020, 3, 1, 10, 0, 0, 0, time.UTC)}}
	private, public, err := note.GenerateKey(rand.Reader, "lodd.example.org")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	if w.log, err = audit.Open(t.Context(), audit.Config{Store: s, Origin: "lodd.example.org", Signer: signer, Verifier: verifier}); err != nil {
		t.Fatal(err)
	}
	if w.vault, err = vault.New(vault.Config{Master: [32]byte{1}, Store: s, NotFound: store.ErrNotFound, Random: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	w.ledger, err = ledger.Open(t.Context(), ledger.Config{Log: w.log, Vault: w.vault, Seeds: rand.Reader, Random: rand.Reader, Now: w.now})
	if err != nil {
		if err := w.log.Close(); err != nil {
			t.Error(err)
		}
	}
	return w, err
}

func (w *world) close() {
	w.Helper()
	w.ledger.Close()
	if err := w.log.Close(); err != nil {
		w.Error(err)
	}
}

// reopen closes the world and opens what its store holds, as after a restart.
func (w *world) reopen() *world {
	w.Helper()
	w.close()
	m, ok := w.store.(*storetest.Memory)
	if !ok {
		w.Fatal("only a store in memory is opened again")
	}
	next := open(w.TB, m.Reopen())
	next.at, next.used = w.now(), w.used
	return next
}

// authentic returns an entry as the server itself would have written it.
func (w *world) authentic(list string, index int64, body []byte) []byte {
	return entry.Authenticate(body, w.vault.Subkey("log entries"), list, index)
}

// as is a caller in a role, with a request id of its own.
func (w *world) as(role trial.Role) ledger.Caller {
	w.used++
	c := ledger.Caller{Actor: string(role), Role: role}
	binary.BigEndian.PutUint64(c.Request[8:], w.used)
	return c
}

func (w *world) trial() *ledger.Trial {
	w.Helper()
	t, err := w.ledger.Trial("IPS")
	if err != nil {
		w.Fatal(err)
	}
	return t
}

// must returns the answer of a command that isn't refused.
func (w *world) must(a ledger.Answer, err error) ledger.Answer {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	return a
}

func (w *world) do(role trial.Role, e trial.Event) ledger.Answer {
	w.Helper()
	return w.must(w.trial().Do(w.Context(), w.as(role), e))
}

// view returns what f makes of the state.
func view[T any](w *world, f func(*trial.State) T) T {
	w.Helper()
	var out T
	if err := w.trial().View(func(s *trial.State) error { out = f(s); return nil }); err != nil {
		w.Fatal(err)
	}
	return out
}

var design = randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}}}

// recruiting is a world with a trial that is open.
func recruiting(t testing.TB, s store.Store) *world {
	t.Helper()
	w := open(t, s)
	w.recruit()
	return w
}

func (w *world) recruit() {
	w.Helper()
	if _, err := w.ledger.Create(w.Context(), w.as(trial.Administrator), protocol()); err != nil {
		w.Fatal(err)
	}
	if _, _, err := w.trial().Seal(w.Context(), w.as(trial.Custodian), design, false); err != nil {
		w.Fatal(err)
	}
	w.do(trial.Coordinator, trial.EnrolmentOpened{})
}

func date(s string) trial.Date {
	d, err := trial.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

var eligible = ledger.Answers{"adult": true, "in-work": false}

func screened(p trial.ParticipantID) trial.Screened {
	return trial.Screened{
		Participant: p, Site: "OSLO", On: date("2020-03-01"),
		Consent: trial.ConsentGiven{Version: "1.0", On: date("2020-03-01")},
	}
}

func numbers(n ...int) instrument.Values {
	v := instrument.Values{}
	for i, n := range n {
		v[fmt.Sprintf("n%d", i)] = instrument.Number(n)
	}
	return v
}

func (w *world) submit(p trial.ParticipantID, v trial.VisitID, f trial.FormID, values instrument.Values) {
	w.Helper()
	role := trial.Assessor
	if f == "history" {
		role = trial.Coordinator
	}
	today := view(w, func(s *trial.State) trial.Date { return s.Today(w.now()) })
	if _, _, err := w.trial().Submit(w.Context(), w.as(role), ledger.Place{Participant: p, Visit: v, Form: f}, today, values); err != nil {
		w.Fatal(err)
	}
}

// ready takes p to where only the commit of the randomization is missing, and
// returns that.
func (w *world) ready(p trial.ParticipantID) trial.Randomized {
	w.Helper()
	w.must(w.trial().Screen(w.Context(), w.as(trial.Coordinator), screened(p), eligible))
	w.submit(p, "baseline", "history", numbers(1))
	w.submit(p, "baseline", "audit", numbers(2))
	by := w.as(trial.Coordinator)
	w.must(w.trial().Do(w.Context(), by, trial.Prepared{Participant: p}))
	return trial.Randomized{Participant: p, Intent: by.Request}
}

func (w *world) randomize(p trial.ParticipantID) ledger.Receipt {
	w.Helper()
	r, err := w.trial().Randomize(w.Context(), w.as(trial.Coordinator), w.ready(p))
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// entries returns a trial's whole log in the order of its decisions.
func (w *world) entries() []ledger.Logged {
	w.Helper()
	to := ledger.Position{}
	for _, c := range trial.Compartments() {
		to[c] = w.log.Len(w.trial().List(c))
	}
	var out []ledger.Logged
	for l, err := range w.trial().Replay(w.Context(), to) {
		if err != nil {
			w.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

// of returns the entries of one type.
func of[E trial.Event](w *world) []ledger.Logged {
	w.Helper()
	var out []ledger.Logged
	for _, l := range w.entries() {
		if _, ok := l.Event.(E); ok {
			out = append(out, l)
		}
	}
	return out
}
