package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// Every entry of every size of a list can be proved against the checkpoint of
// that size, also across the borders of tiles.
func TestEveryEntryHasAProof(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	_, verifier := key(t, origin)
	for _, n := range []int64{1, 2, 3, 255, 256, 257, 511, 513, 65_535, 65_536, 65_537} {
		grow(t, l, "a", int(n-l.Len("a")))
		signed, err := l.Checkpoint(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		c, err := audit.OpenCheckpoint(signed, note.VerifierList(verifier))
		if err != nil || c.Size != n || c.Origin != origin+"/a" {
			t.Fatalf("checkpoint %+v, %v; want size %d", c, err, n)
		}
		for i := int64(0); i < n; i += max(1, n/97) {
			proof, err := l.ProveRecord(t.Context(), "a", n, i)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.CheckRecord(i, audit.Leaf(entries("a", i, 1)[0]), proof); err != nil {
				t.Fatal(err)
			}
			if err := c.CheckRecord(i, audit.Leaf([]byte("another")), proof); err == nil {
				t.Fatalf("entry %d of %d: the proof holds for another entry", i, n)
			}
		}
	}
}

// Whose a store is stands in it in these words for ever, and beside the lists are
// those of their tiles: an engine need not be known to read it.
func TestListsOfAStoreAreAsReleased(t *testing.T) {
	m := filled(t, nil, map[string]int{"T/conduct": 256, "system": 1})
	names, err := m.Lists(t.Context(), "")
	if diff := cmp.Diff([]string{"#origin", "T/conduct", "T/conduct#tile/0", "system"}, names); diff != "" || err != nil {
		t.Errorf("%v, lists (-want +got):\n%s", err, diff)
	}
	about, err := m.Read(t.Context(), "#origin", 0, 1)
	if err != nil || string(about[0]) != "lodd log v1\nlodd.example.org\n" {
		t.Errorf("the store says %q, %v", about, err)
	}
}

// Every size is a prefix of every later one, and the proof says so.
func TestEverySizeIsAPrefixOfLaterOnes(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "a", 600)
	ctx := t.Context()
	at := func(size int64) audit.Checkpoint {
		root, err := l.RootAt(ctx, "a", size)
		if err != nil {
			t.Fatal(err)
		}
		return audit.Checkpoint{Origin: "o", Size: size, Root: root}
	}
	sizes := []int64{0, 1, 2, 7, 255, 256, 257, 512, 599, 600}
	for i, older := range sizes {
		for _, newer := range sizes[i:] {
			proof, err := l.ProveTree(ctx, "a", older, newer)
			if err != nil {
				t.Fatal(err)
			}
			if err := at(newer).CheckTree(at(older), proof); err != nil {
				t.Error(err)
			}
			forged := at(older)
			forged.Root[0] ^= 1
			if err := at(newer).CheckTree(forged, proof); err == nil {
				t.Errorf("from %d to %d: the proof holds for another root", older, newer)
			}
		}
	}
	for _, r := range [][2]int64{{2, 1}, {0, 601}, {-1, 5}} {
		if _, err := l.ProveTree(ctx, "a", r[0], r[1]); err == nil {
			t.Errorf("ProveTree%v succeeded", r)
		}
	}
}

// A receipt holds what a client needs to check a later checkpoint.
func TestReceiptsSayWhereTheEntriesAre(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "b", 3)
	got, err := l.Append(t.Context(), part("a", 0, 2), part("b", 3, 1), part("a", 2, 1))
	if err != nil {
		t.Fatal(err)
	}
	var want []audit.Receipt
	for _, e := range []struct {
		list  string
		index int64
	}{{"a", 0}, {"a", 1}, {"b", 3}, {"a", 2}} {
		size, root := l.Root(e.list)
		want = append(want, audit.Receipt{
			List: e.list, Index: e.index, Leaf: audit.Leaf(fmt.Appendf(nil, "%s %d", e.list, e.index)), Size: size, Root: root,
		})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("receipts (-want +got):\n%s", diff)
	}
}

func TestListsAreOnlyThoseThatWereAppendedTo(t *testing.T) {
	m := &storetest.Memory{}
	l := open(t, config(t, m))
	grow(t, l, "t1/conduct", 300)
	grow(t, l, "t1/outcome", 1)
	grow(t, l, "system", 1)
	if _, err := l.Checkpoint(t.Context(), "t2/conduct"); err != nil {
		t.Errorf("checkpoint of an empty list: %v", err)
	}
	for prefix, want := range map[string][]string{
		"": {"system", "t1/conduct", "t1/outcome"}, "t1/": {"t1/conduct", "t1/outcome"}, "t2": nil,
	} {
		if diff := cmp.Diff(want, l.Lists(prefix)); diff != "" {
			t.Errorf("Lists(%q) (-want +got):\n%s", prefix, diff)
		}
	}
	l.Close()
	reopened := open(t, config(t, m.Reopen()))
	if diff := cmp.Diff([]string{"system", "t1/conduct", "t1/outcome"}, reopened.Lists("")); diff != "" {
		t.Errorf("Lists after reopening (-want +got):\n%s", diff)
	}
}

func TestReadsStayWithinTheList(t *testing.T) {
	l := open(t, config(t, &storetest.Memory{}))
	grow(t, l, "a", 300)
	got, err := l.Read(t.Context(), "a", 255, 258)
	if diff := cmp.Diff(entries("a", 255, 3), got); diff != "" || err != nil {
		t.Errorf("Read, %v (-want +got):\n%s", err, diff)
	}
	leaves, err := l.Leaves(t.Context(), "a", 0, 300)
	if err != nil || len(leaves) != 300 || leaves[299] != audit.Leaf([]byte("a 299")) || leaves[3] != audit.Leaf([]byte("a 3")) {
		t.Errorf("Leaves = %d leaves, %v", len(leaves), err)
	}
	for _, r := range [][2]int64{{0, 301}, {-1, 0}, {5, 4}} {
		if _, err := l.Read(t.Context(), "a", r[0], r[1]); err == nil {
			t.Errorf("Read%v succeeded", r)
		}
		if _, err := l.Leaves(t.Context(), "a", r[0], r[1]); err == nil {
			t.Errorf("Leaves%v succeeded", r)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	signer, verifier := key(t, origin)
	_, other := key(t, "other.example.org")
	good := audit.Config{Store: &storetest.Memory{}, Origin: origin, Signer: signer, Verifier: verifier}
	for name, change := range map[string]func(*audit.Config){
		"no store":         func(c *audit.Config) { c.Store = nil },
		"no signer":        func(c *audit.Config) { c.Signer = nil },
		"two keys":         func(c *audit.Config) { c.Verifier = other },
		"no origin":        func(c *audit.Config) { c.Origin = "" },
		"origin in two":    func(c *audit.Config) { c.Origin = "a b" },
		"origin in lines":  func(c *audit.Config) { c.Origin = "a\nb" },
		"origin of a key":  func(c *audit.Config) { c.Origin = "a+b" },
		"origin too long":  func(c *audit.Config) { c.Origin = strings.Repeat("a", 201) },
		"foreign alphabet": func(c *audit.Config) { c.Origin = "ærlig.no" },
	} {
		c := good
		change(&c)
		if _, err := audit.Open(t.Context(), c); err == nil {
			t.Errorf("%s: Open succeeded", name)
		}
	}
	open(t, good)
}

func TestStoreOfAnotherOriginIsRefused(t *testing.T) {
	m := filled(t, nil, map[string]int{"a": 1})
	c := config(t, m.Reopen())
	c.Origin = "test.example.org"
	if _, err := audit.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "belongs to another log") {
		t.Errorf("Open: %v, want a refusal", err)
	}
}

func TestClosedLogServesNothing(t *testing.T) {
	m := &storetest.Memory{}
	l := open(t, config(t, m))
	grow(t, l, "a", 1)
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	_, appendErr := l.Append(t.Context(), part("a", 1, 1))
	_, readErr := l.Read(t.Context(), "a", 0, 1)
	_, checkpointErr := l.Checkpoint(t.Context(), "a")
	for what, err := range map[string]error{"Append": appendErr, "Read": readErr, "Checkpoint": checkpointErr} {
		if err == nil {
			t.Errorf("%s of a closed log succeeded", what)
		}
	}
	if n, err := m.Len(t.Context(), "a"); n != 1 || err != nil {
		t.Errorf("the store was closed as well: %v", err)
	}
}
