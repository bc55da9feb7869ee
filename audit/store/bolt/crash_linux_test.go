package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// A power cut at any time, whatever it leaves of what wasn't synced: the log
// opens by itself, and has everything that was answered before.
func TestPowerCutLosesNothingThatWasAnswered(t *testing.T) {
	events := traced(t, "well")
	states, bad := powerCuts(t, events, campaign{samples: cutSamples(), errors: 10})
	for _, err := range bad {
		t.Error(err)
	}
	if states < 200 {
		t.Errorf("%d states: the test has lost its power", states)
	}
	t.Logf("%d states of %d events opened", states, len(events))
}

// The test above notices an engine that syncs nothing, one that answers before
// it has written, and one that doesn't sync the folder of a new file.
func TestPowerCutsFindWhatIsNotSynced(t *testing.T) {
	for name, events := range map[string][]event{
		"nothing is synced":     traced(t, "nosync"),
		"answer before commit":  traced(t, "early"),
		"folder isn't synced":   without(traced(t, "well"), opSyncDir),
		"new size isn't synced": without(traced(t, "well"), opSync),
	} {
		states, bad := powerCuts(t, events, campaign{samples: 1, errors: 1})
		if len(bad) == 0 {
			t.Errorf("%s: %d states, and nothing was noticed", name, states)
			continue
		}
		t.Logf("%s: noticed in state %d: %v", name, states, bad[0])
	}
}

func cutSamples() int {
	switch {
	case long:
		return 100
	case testing.Short():
		return 0
	}
	return 3
}

// traced returns what a worker does to a disk, in its order.
func traced(t *testing.T, mode string) []event {
	t.Helper()
	d := mount(t)
	hire(t, d).do("log", mode)
	return d.recorded()
}

func without(events []event, o op) []event {
	var out []event
	for _, e := range events {
		if e.op != o {
			out = append(out, e)
		}
	}
	return out
}

// A campaign says how many states are sampled of each moment, and after how
// many errors there are enough.
type campaign struct{ samples, errors int }

// powerCuts opens what power cuts leave, and returns how many states there were
// and what was wrong with some. What may be left at a sync or before an answer
// may also be left earlier, and no more is asked of it then, so these are the
// moments.
func powerCuts(t *testing.T, events []event, c campaign) (states int, bad []error) {
	t.Helper()
	dir := filepath.Join(storetest.SmallDisk(t, "256m"), "cut") // in memory: its syncs cost nothing
	r := rand.New(rand.NewPCG(1, 2))
	f := newFolder()
	for i, e := range events {
		last := i == len(events)-1
		if e.op == opSync || e.op == opDataSync || e.op == opSyncDir || e.op == opAnswer || last {
			for _, files := range f.cuts(r, c.samples) {
				states++
				if err := opens(t, dir, files, f.told); err != nil {
					bad = append(bad, fmt.Errorf("before event %d of %d: %w", i, len(events), err))
				}
				if len(bad) == c.errors {
					return states, bad
				}
			}
		}
		f.replay(e)
	}
	return states, bad
}

// opens returns an error unless the files are a log that has all that was told.
func opens(t *testing.T, dir string, files map[string][]byte, told []string) error {
	t.Helper()
	w := promisesOf(told)
	for key := range w.deleted {
		if bytes.Contains(files["log.db"], valueOf(key)) {
			return fmt.Errorf("the file holds the value of deleted key %s", key)
		}
	}
	if err := lay(dir, files); err != nil {
		t.Fatal(err)
	}
	l, db, err := openLog(t.Context(), dir)
	if db != nil {
		defer db.Close()
	}
	if err != nil {
		return fmt.Errorf("the log doesn't open: %w", err)
	}
	defer l.Close()
	for list, want := range map[string]int64{"a": w.a, "t/b": w.b} {
		if err := wantEntries(t.Context(), l, list, want); err != nil {
			return err
		}
	}
	for key, there := range w.keys {
		v, err := db.Get(t.Context(), key)
		switch {
		case there && !bytes.Equal(v, valueOf(key)):
			return fmt.Errorf("key %s is gone or has another value: %w", key, err)
		case !there && !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("key %s was deleted and is there: %w", key, err)
		}
	}
	_, err = l.Append(t.Context(), partOf("a", l.Len("a"), 3))
	return err
}

// lay makes a folder with these files and no others.
func lay(dir string, files map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	err := os.Mkdir(dir, 0o700)
	for name, content := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	return err
}

// promises are what a worker told the world.
type promises struct {
	a, b    int64           // lengths of the lists
	keys    map[string]bool // whether they must be there
	deleted map[string]bool
}

func promisesOf(told []string) promises {
	p := promises{keys: map[string]bool{}, deleted: map[string]bool{}}
	for _, answer := range told {
		if strings.HasPrefix(answer, "lists ") {
			fmt.Sscanf(answer, "lists %d %d", &p.a, &p.b)
			continue
		}
		what, key, _ := strings.Cut(answer, " ")
		switch what {
		case "put":
			p.keys[key] = true
		case "deleting":
			delete(p.keys, key) // may still be there
		case "deleted":
			p.keys[key], p.deleted[key] = false, true
		}
	}
	return p
}
