package bolt_test

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// growth is by how much a file grows when it is full.
const growth = 16 << 20

// A commit costs two syncs, and one more when the file grows, which it does by
// 16 MiB. An entry alone makes the disk write six pages, in two lists, as a
// randomization is, nine: of each list a leaf and the two pages above it, and
// the root, the free pages and the meta page of the file. One in fifteen splits
// a leaf, which is a page more, and one in 256 completes a tile, which is ten.
// It writes only where was written before, so that the file system has nothing
// to note down; for that a MiB is written now and then ahead of need.
//
// Source: docs/performance.md.
func TestCommitCostsTwoSyncs(t *testing.T) {
	for _, tt := range []struct {
		kind          string
		commits       int
		usual, most   int // pages of nine commits in ten, and of any
		fewestGrowths int
		fresh         int // commits that write where nothing was, at most
	}{
		{"one", 300, 6, 20, 0, 0},
		{"two", 300, 9, 36, 0, 0},
		{"large", 40, 400, 400, 2, 40},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			costs := costsOf(t, tt.kind)
			var pages []int
			var growths, fresh, ahead int
			for i, c := range costs {
				pages = append(pages, c.pages)
				growths += c.growths
				fresh += min(1, c.fresh)
				ahead += c.ahead
				if c.syncs != 2+c.growths {
					t.Errorf("commit %d: %d syncs, the file grew %d times; want 2 syncs and one for each growth", i, c.syncs, c.growths)
				}
			}
			if len(costs) != tt.commits || growths < tt.fewestGrowths {
				t.Fatalf("%d commits, the file grew %d times; want %d and at least %d", len(costs), growths, tt.commits, tt.fewestGrowths)
			}
			if enough := 512 + 256*len(costs)*min(1, growths); fresh > tt.fresh || ahead > enough {
				t.Errorf("%d commits write where nothing was, and %d pages ahead; at most %d and %d are allowed", fresh, ahead, tt.fresh, enough)
			}
			slices.Sort(pages)
			usual, most := pages[len(pages)*9/10], pages[len(pages)-1]
			if usual > tt.usual || most > tt.most {
				t.Errorf("nine commits in ten write up to %d pages, one writes %d; at most %d and %d are allowed", usual, most, tt.usual, tt.most)
			}
			t.Logf("p50 %d, p90 %d, at most %d pages a commit; %d ahead", pages[len(pages)/2], usual, most, ahead)
		})
	}
}

// A cost is what a commit cost the disk: fresh are its writes beyond what was
// written before it, for which the file system must give out blocks; ahead are
// the pages that prepare for later ones.
type cost struct{ syncs, growths, pages, fresh, ahead int }

// costsOf has a worker commit on a disk of its own.
func costsOf(t *testing.T, kind string) (costs []cost) {
	t.Helper()
	d := mount(t)
	hire(t, d).do("commits", kind)
	var opened bool
	var c cost
	var size, end, endBefore int64
	for _, e := range d.recorded() {
		switch {
		case e.op == opAnswer && e.name == "opened":
			opened, c, endBefore = true, cost{}, end
		case e.op == opAnswer:
			costs, c, endBefore = append(costs, c), cost{}, end
		case e.op == opWrite:
			pages := len(e.data) / os.Getpagesize()
			if end = max(end, e.at+int64(len(e.data))); len(bytes.Trim(e.data, "\x00")) == 0 {
				c.ahead += pages
				break
			}
			if c.pages += pages; e.at >= endBefore {
				c.fresh++
			}
		case e.op == opSync || e.op == opDataSync:
			c.syncs++
		case e.op == opTruncate:
			c.growths++
			if opened && e.size < size+growth {
				t.Errorf("the file grows from %d to %d bytes, want at least %d more", size, e.size, growth)
			}
			size = e.size
		}
	}
	return costs
}

// commit appends to a log that is opened as a server does, and answers each time.
func (j *job) commit(kind string) {
	l, db, err := openLogWith(j.ctx, j.dir, bolt.Options{})
	j.must(err)
	lists := []string{"a"}
	switch kind {
	case "two":
		lists = []string{"a", "t/b"}
		fallthrough
	case "one": // in a tree of three levels, as it has from 3,000 to 400,000 entries
		for range 10 {
			j.addAlike(l, lists, 500, entryBytes)
		}
	}
	j.tell("opened")
	commits, entries, size := 300, 1, entryBytes
	if kind == "large" {
		commits, entries, size = 40, 16, 60_000
	}
	for range commits {
		j.addAlike(l, lists, entries, size)
		j.tell("answered")
	}
	j.must(l.Close())
	j.must(db.Close())
}

// addAlike appends n entries of some size to each of the lists, in one step.
func (j *job) addAlike(l *audit.Log, lists []string, n, size int) {
	var parts []audit.Part
	for _, list := range lists {
		p := audit.Part{List: list, At: l.Len(list)}
		for range n {
			p.Entries = append(p.Entries, bytes.Repeat([]byte{1}, size))
		}
		parts = append(parts, p)
	}
	_, err := l.Append(j.ctx, parts...)
	j.must(err)
}
