package ledger_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// The history of 64 callers who randomize the same participants, give up now
// and then, and repeat what a server that died didn't answer, is that of one
// machine that hands out the next slot of a stratum, at most one to a
// participant.
func TestRandomizationsAreLinearizable(t *testing.T) {
	lives := 10
	switch {
	case os.Getenv("LODD_LONG") != "":
		lives = 200
	case testing.Short():
		lives = 3
	}
	path := filepath.Join(t.TempDir(), "lodd.db")
	h := newHistory(t, func() (store.Store, func()) {
		db, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return db, func() { db.Close() }
	})
	for life := range lives {
		h.live(life)
	}
	operations, unknown := h.operations()
	if got := porcupine.CheckOperationsTimeout(linear(), operations, 5*time.Minute); got != porcupine.Ok {
		t.Errorf("the history of %d operations is %s", len(operations), got)
	}
	if known := len(h.asked) - unknown; unknown < 5*lives || known < 20*lives {
		t.Errorf("%d of %d outcomes are unknown: the test has lost its power", unknown, len(h.asked))
	}
	t.Logf("%d lives, %d operations, %d with an unknown outcome", lives, len(h.asked), unknown)
}

// The test above notices a store that answers before the write is durable, and a
// server that gives a second slot to who repeats a request.
func TestLinearizabilityNoticesFaults(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T) *history{
		"answer before commit": func(t *testing.T) *history {
			kept := &storetest.Memory{}
			return newHistory(t, func() (store.Store, func()) {
				s := &hasty{Memory: kept.Reopen()}
				return s, func() { kept = s.durable() }
			})
		},
		"no deduplication": func(t *testing.T) *history {
			m := &storetest.Memory{}
			h := newHistory(t, func() (store.Store, func()) {
				m = m.Reopen()
				return m, func() {}
			})
			h.aliases = true
			return h
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := prepare(t)
			for life := range 4 {
				h.live(life)
			}
			operations, _ := h.operations()
			if got := porcupine.CheckOperationsTimeout(linear(), operations, time.Minute); got != porcupine.Illegal {
				t.Errorf("the history of %d operations is %s, want Illegal", len(operations), got)
			}
		})
	}
}

// A mortal store dies at an append: that one is written or not, nobody is told,
// and nothing works any more.
type mortal struct {
	store.Store

	mu    sync.Mutex // guards the fields below
	left  int        // appends until it dies; less than 0 for never
	after bool       // whether the last one is written
	dead  bool
}

func (m *mortal) Append(ctx context.Context, parts ...store.Part) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return store.ErrUnknown
	}
	if m.left--; m.left != 0 {
		return m.Store.Append(ctx, parts...)
	}
	m.dead = true
	if m.after {
		_ = m.Store.Append(ctx, parts...) // nobody is told
	}
	return store.ErrUnknown
}

func (m *mortal) die(left int, after bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left, m.after = left, after
}

// A hasty store answers before the write is durable: the last two
// randomizations are lost when it dies.
type hasty struct {
	*storetest.Memory
	mu    sync.Mutex
	saved []*storetest.Memory // as it was before each randomization
}

// Append implements [store.Store].
func (h *hasty) Append(ctx context.Context, parts ...store.Part) error {
	if slices.ContainsFunc(parts, func(p store.Part) bool { return strings.HasSuffix(p.List, "/allocation") && p.At > 0 }) {
		h.mu.Lock()
		h.saved = append(h.saved, h.Reopen())
		h.mu.Unlock()
	}
	return h.Memory.Append(ctx, parts...)
}

// durable is what is left.
func (h *hasty) durable() *storetest.Memory {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.saved) == 0 {
		return h.Reopen()
	}
	return h.saved[max(0, len(h.saved)-2)]
}

// peoplePerSite is how many participants a stratum has.
const peoplePerSite = 12

// An input is who is randomized. An output is the slot, an int, or -1 if what was
// answered isn't in the log.
type input struct {
	stratum string // of one trial
	who     int
}

// A strip is a stratum: how many slots are taken, and the slot of each participant,
// from 1, or 0.
type strip struct {
	taken int
	slots [peoplePerSite]int
}

// linear is the machine that the server should be like.
func linear() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			by := map[string][]porcupine.Operation{}
			for _, o := range history {
				by[o.Input.(input).stratum] = append(by[o.Input.(input).stratum], o)
			}
			return slices.Collect(maps.Values(by))
		},
		Init: func() any { return strip{} },
		Step: func(state, in, out any) (bool, any) {
			s, who := state.(strip), in.(input).who
			if s.slots[who] == 0 {
				s.taken++
				s.slots[who] = s.taken
			}
			return out.(int)+1 == s.slots[who], s
		},
	}
}
