package ledger_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// A subject is a participant in a stratum of a trial. Its aliases are participants
// whom a caller takes for the same: that is what a server does that doesn't
// notice a repetition.
type subject struct {
	trial   trial.ID
	site    trial.SiteID
	who     int
	aliases []trial.Randomized

	mu   sync.Mutex      // guards last
	last trial.RequestID // of a call that wasn't answered
}

// An asked is one operation of a history.
type asked struct {
	subject   *subject
	as        trial.ParticipantID // one of its aliases
	life      int
	call, end int64
	known     bool
	index     int64 // of the randomization, if known
}

// A history is what callers saw of a server in several lives.
type history struct {
	*testing.T
	open    func() (s store.Store, end func())
	aliases bool

	ticks, requests atomic.Int64

	mu     sync.Mutex // guards the fields below
	random *rand.Rand
	asked  []asked
	people []*subject           // of this life and the last
	began  []map[trial.ID]int64 // how long the lists of conduct were at the start of each life
}

func newHistory(t *testing.T, open func() (store.Store, func())) *history {
	return &history{T: t, open: open, random: rand.New(rand.NewPCG(1, 2))}
}

// intN draws a number below n.
func (h *history) intN(n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.random.IntN(n)
}

// request returns a new request id.
func (h *history) request() (id trial.RequestID) {
	binary.BigEndian.PutUint64(id[8:], uint64(h.requests.Add(1)))
	return id
}

func (h *history) by(role trial.Role) ledger.Caller {
	return ledger.Caller{Actor: string(role), Role: role, Request: h.request()}
}

// live opens the server, lets callers randomize until it dies, and closes what is
// left.
func (h *history) live(life int) {
	h.Helper()
	s, end := h.open()
	m := &mortal{Store: s, left: -1}
	w, err := try(h.T, m)
	if err != nil {
		h.Fatal(err)
	}
	h.begin(w)
	h.recruit(w, life)
	m.die(1+h.intN(25), h.intN(2) == 0)
	var callers, waiting sync.WaitGroup
	for range 64 {
		callers.Go(func() { h.ask(w, life, &waiting) })
	}
	callers.Wait()
	w.close()
	waiting.Wait()
	end()
	for i := range h.asked { // from now on nothing of this life can happen any more
		if a := &h.asked[i]; a.life == life && !a.known {
			a.end = h.ticks.Add(1)
		}
	}
}

// begin notes what the log holds when a life begins.
func (h *history) begin(w *world) {
	lists := map[trial.ID]int64{}
	for _, t := range w.ledger.Trials() {
		lists[t.ID()] = w.log.Len(t.List(trial.Conduct))
	}
	h.began = append(h.began, lists)
}

// recruit makes a trial with new strata and prepares its participants.
func (h *history) recruit(w *world, life int) {
	id := trial.ID(fmt.Sprintf("L%d", life))
	p := protocol()
	p.ID, p.Sites, p.Criteria, p.Forms = id, nil, nil, nil
	for site := range 6 {
		p.Sites = append(p.Sites, trial.Site{ID: trial.SiteID(fmt.Sprintf("S%d", site)), Name: "x"})
	}
	must := func(err error) {
		if err != nil {
			h.Error(err)
		}
	}
	_, err := w.ledger.Create(h.Context(), h.by(trial.Administrator), p)
	must(err)
	t, err := w.ledger.Trial(id)
	if err != nil {
		h.Fatal(err)
	}
	_, _, err = t.Seal(h.Context(), h.by(trial.Custodian), design, false)
	must(err)
	_, err = t.Do(h.Context(), h.by(trial.Coordinator), trial.EnrolmentOpened{})
	must(err)
	before := h.people
	if len(before) > len(p.Sites)*peoplePerSite {
		before = before[len(before)-len(p.Sites)*peoplePerSite:]
	}
	h.people = before
	var wg sync.WaitGroup
	for i := range len(p.Sites) * peoplePerSite {
		s := &subject{trial: id, site: p.Sites[i%len(p.Sites)].ID, who: i / len(p.Sites)}
		h.people = append(h.people, s)
		wg.Go(func() { must(h.prepare(t, s)) })
	}
	wg.Wait()
}

// prepare takes a participant, with all aliases, to where only the randomization is
// missing.
func (h *history) prepare(t *ledger.Trial, s *subject) error {
	names := []string{""}
	if h.aliases {
		names = []string{"", "A", "B", "C"}
	}
	for _, name := range names {
		e := screened(trial.ParticipantID(fmt.Sprintf("%s-%d%s", s.site, s.who, name)))
		e.Site = s.site
		if _, err := t.Screen(h.Context(), h.by(trial.Coordinator), e, ledger.Answers{}); err != nil {
			return err
		}
		by := h.by(trial.Coordinator)
		if _, err := t.Do(h.Context(), by, trial.Prepared{Participant: e.Participant}); err != nil {
			return err
		}
		s.aliases = append(s.aliases, trial.Randomized{Participant: e.Participant, Intent: by.Request})
	}
	return nil
}

// ask randomizes several participants, one after the other, until the server is
// dead.
func (h *history) ask(w *world, life int, waiting *sync.WaitGroup) {
	for range 8 {
		s := h.people[h.intN(len(h.people))]
		r := s.aliases[h.intN(len(s.aliases))]
		by := ledger.Caller{Actor: "tove", Role: trial.Coordinator, Request: h.repeated(s)}
		if h.aliases {
			by.Request = h.request()
		}
		a := asked{subject: s, as: r.Participant, life: life, call: h.ticks.Add(1)}
		receipt, err := h.randomize(func() (ledger.Receipt, error) {
			t, err := w.ledger.Trial(s.trial)
			if err != nil {
				return ledger.Receipt{}, err
			}
			return t.Randomize(h.Context(), by, r)
		}, waiting)
		a.end = h.ticks.Add(1)
		switch {
		case errors.Is(err, ledger.ErrBusy):
			continue // nothing was done
		case err == nil:
			a.known, a.index = true, receipt.Index
		case errors.Is(err, ledger.ErrUnknown), errors.Is(err, context.DeadlineExceeded):
			s.mu.Lock()
			s.last = by.Request
			s.mu.Unlock()
		default:
			h.Errorf("%s: %v", r.Participant, err)
		}
		h.mu.Lock()
		h.asked = append(h.asked, a)
		h.mu.Unlock()
		if errors.Is(err, ledger.ErrUnknown) {
			return
		}
	}
}

// repeated returns the request id of a call that wasn't answered, or a new one.
func (h *history) repeated(s *subject) trial.RequestID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != (trial.RequestID{}) && h.intN(2) == 0 {
		return s.last
	}
	return h.request()
}

// randomize makes one call. Some callers wait for less than a commit takes, and
// never hear of it.
func (h *history) randomize(call func() (ledger.Receipt, error), waiting *sync.WaitGroup) (ledger.Receipt, error) {
	if h.intN(8) > 0 {
		return call()
	}
	type answer struct {
		receipt ledger.Receipt
		err     error
	}
	answered := make(chan answer, 1) // perhaps for nobody
	waiting.Go(func() {
		r, err := call()
		answered <- answer{r, err}
	})
	select {
	case a := <-answered:
		return a.receipt, a.err
	case <-time.After(time.Duration(200+h.intN(1500)) * time.Microsecond):
		return ledger.Receipt{}, context.DeadlineExceeded
	}
}

// operations returns the history for the checker, and how many outcomes were
// unknown to who asked. Callers aren't told slots: the log has them.
//
// The log also has what became of an operation that wasn't answered. If nobody was
// randomized by it or another one in that life, it did nothing, and is left out.
// Else it gave that slot, first or again, at some time before the life ended: the
// checker needn't try both for each of them, which takes it minutes.
func (h *history) operations() (all []porcupine.Operation, unknown int) {
	h.Helper()
	s, end := h.open()
	defer end()
	w, err := try(h.T, s)
	if err != nil {
		h.Fatal(err)
	}
	defer w.close()
	h.begin(w)
	slots, indexes := map[trial.ID]map[int64]int{}, map[trial.ID]map[trial.ParticipantID]int64{}
	for _, t := range w.ledger.Trials() {
		slots[t.ID()], indexes[t.ID()] = slotsOf(h, w, t)
	}
	for i, a := range h.asked {
		id := a.subject.trial
		if !a.known {
			unknown++
			index, randomized := indexes[id][a.as]
			if !randomized || index < h.began[a.life][id] || index >= h.began[a.life+1][id] {
				continue
			}
			a.index = index
		}
		slot, ok := slots[id][a.index]
		if !ok {
			slot = -1
		}
		all = append(all, porcupine.Operation{
			ClientId: i, Call: a.call, Return: a.end, Output: slot,
			Input: input{fmt.Sprint(id, "|", a.subject.site), a.subject.who},
		})
	}
	return all, unknown
}

// slotsOf returns the slot that each randomization of a trial took, by its index,
// and the indexes of the participants.
func slotsOf(h *history, w *world, t *ledger.Trial) (slots map[int64]int, indexes map[trial.ParticipantID]int64) {
	to := ledger.Position{}
	for _, c := range trial.Compartments() {
		to[c] = w.log.Len(t.List(c))
	}
	slots, indexes = map[int64]int{}, map[trial.ParticipantID]int64{}
	last := int64(-1)
	for l, err := range t.Replay(h.Context(), to) {
		if err != nil {
			h.Fatal(err)
		}
		switch e := l.Event.(type) {
		case trial.Randomized:
			last = l.Index
			indexes[e.Participant] = l.Index
		case trial.Allocated:
			slots[last] = e.Slot
		}
	}
	return slots, indexes
}
