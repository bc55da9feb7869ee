package audit_test

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// Whatever is appended in whatever portions, with reopening in between: the log
// reads back what was appended, every checkpoint of the past is a prefix of the
// present, every proof holds, and there is a tile for every 256 hashes.
func TestLogIsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{t: t, store: &storetest.Memory{}, guard: memoryGuard{}, model: map[string][][]byte{}, hashes: map[string][]tlog.Hash{}}
		m.reopen(rt)
		defer func() { m.log.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"append": m.append,
			"reopen": func(rt *rapid.T) {
				if err := m.log.Close(); err != nil {
					rt.Fatal(err)
				}
				m.reopen(rt)
			},
			"": m.check,
		})
	})
}

type machine struct {
	t     *testing.T
	store *storetest.Memory
	guard memoryGuard
	log   *audit.Log
	model map[string][][]byte
	past  []audit.Checkpoint

	// hashes are the stored hashes of each list, as package tlog numbers them.
	hashes map[string][]tlog.Hash
}

func (m *machine) reopen(rt *rapid.T) {
	m.store = m.store.Reopen()
	c := config(m.t, m.store)
	c.Guard = m.guard
	var err error
	if m.log, err = audit.Open(m.t.Context(), c); err != nil {
		rt.Fatal(err)
	}
}

func (m *machine) append(rt *rapid.T) {
	var parts []audit.Part
	added := map[string]int64{}
	for range rapid.IntRange(1, 3).Draw(rt, "parts") {
		list := rapid.SampledFrom([]string{"a", "b", "t/c"}).Draw(rt, "list")
		n := rapid.SampledFrom([]int{0, 1, 2, 5, 100, 255, 256, 300}).Draw(rt, "entries")
		at := int64(len(m.model[list])) + added[list]
		parts = append(parts, part(list, at, n))
		added[list] += int64(n)
	}
	receipts, err := m.log.Append(m.t.Context(), parts...)
	if err != nil {
		rt.Fatal(err)
	}
	for _, p := range parts {
		for _, e := range p.Entries {
			h, err := tlog.StoredHashes(int64(len(m.model[p.List])), e, m.reader(p.List))
			if err != nil {
				rt.Fatal(err)
			}
			m.hashes[p.List] = append(m.hashes[p.List], h...)
			m.model[p.List] = append(m.model[p.List], e)
		}
	}
	for _, r := range receipts {
		if r.Leaf != audit.Leaf(m.model[r.List][r.Index]) || r.Size != int64(len(m.model[r.List])) {
			rt.Fatalf("receipt %+v is wrong", r)
		}
	}
}

func (m *machine) check(rt *rapid.T) {
	ctx := m.t.Context()
	_, verifier := key(m.t, origin)
	for list, want := range m.model {
		n := int64(len(want))
		got, err := m.log.Read(ctx, list, 0, n)
		if err != nil || m.log.Len(list) != n || !bytes.Equal(bytes.Join(got, nil), bytes.Join(want, nil)) {
			rt.Fatalf("list %s isn't what was appended: %v", list, err)
		}
		for level := range 2 {
			have, _ := m.store.Len(ctx, fmt.Sprintf("%s#tile/%d", list, level))
			if want := n >> (8 * (level + 1)); have != want {
				rt.Fatalf("list %s of %d has %d tiles of level %d, want %d", list, n, have, level, want)
			}
		}
		if n == 0 {
			continue
		}
		signed, err := m.log.Checkpoint(ctx, list)
		if err != nil {
			rt.Fatal(err)
		}
		c, err := audit.OpenCheckpoint(signed, note.VerifierList(verifier))
		if err != nil {
			rt.Fatal(err)
		}
		m.checkProofs(rt, list, c)
		m.past = append(m.past, c)
	}
}

// reader reads the hashes of the model.
func (m *machine) reader(list string) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) (out []tlog.Hash, err error) {
		for _, i := range indexes {
			out = append(out, m.hashes[list][i])
		}
		return out, nil
	})
}

// checkProofs compares the checkpoint with an independent computation of the
// root, and proves an entry and an older checkpoint against it.
func (m *machine) checkProofs(rt *rapid.T, list string, c audit.Checkpoint) {
	ctx := m.t.Context()
	if root, err := tlog.TreeHash(c.Size, m.reader(list)); err != nil || root != c.Root {
		rt.Fatalf("root of list %s at %d is %v, want %v, %v", list, c.Size, c.Root, root, err)
	}
	i := rapid.Int64Range(0, c.Size-1).Draw(rt, "index")
	proof, err := m.log.ProveRecord(ctx, list, c.Size, i)
	if err != nil {
		rt.Fatal(err)
	}
	if err := c.CheckRecord(i, audit.Leaf(m.model[list][i]), proof); err != nil {
		rt.Fatal(err)
	}
	for _, older := range m.past[max(0, len(m.past)-2):] {
		if older.Origin != c.Origin {
			continue
		}
		proof, err := m.log.ProveTree(ctx, list, older.Size, c.Size)
		if err != nil {
			rt.Fatal(err)
		}
		if err := c.CheckTree(older, proof); err != nil {
			rt.Fatal(err)
		}
	}
}
