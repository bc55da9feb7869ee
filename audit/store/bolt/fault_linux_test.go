package bolt_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// Whichever call to the disk fails with an I/O error or for want of room: what the
// caller is told is true, the store goes on or opens again, and nothing that it
// has told is lost by a power cut after that.
func TestEveryFailingCallIsToldTruly(t *testing.T) {
	d := mount(t)
	w := hire(t, d)
	calls := countCalls(d, w)
	if calls < 50 {
		t.Fatalf("%d calls: the test has lost its power", calls)
	}
	told := map[string]int{}
	for n := 1; n <= calls; n += faultStep() {
		for name, plan := range map[string]func(int, op) syscall.Errno{
			"EIO":             once(n, syscall.EIO),
			"ENOSPC":          once(n, syscall.ENOSPC),
			"ENOSPC for long": from(n, syscall.ENOSPC),
		} {
			d.fail(plan)
			file := fmt.Sprintf("%s-%d.db", strings.ReplaceAll(name, " ", "-"), n)
			w.do("store", file)
			d.fail(nil)
			events := d.recorded()
			for _, a := range answersOf(events) {
				what, _, _ := strings.Cut(a, " ")
				if told[name+" "+what]++; what == "lie:" {
					t.Errorf("call %d fails with %s: %s", n, name, a)
				}
			}
			when := fmt.Sprintf("call %d fails with %s", n, name)
			wantAfterPowerCut(t, events, file, when)
			wantForgotten(t, events, file, when)
		}
	}
	if told["EIO unknown:"] == 0 || told["ENOSPC full:"] == 0 || told["ENOSPC for long free"] == 0 {
		t.Errorf("the test has lost its power: %v", told)
	}
	t.Logf("%d calls: %v", calls, told)
}

// countCalls returns how many calls to the disk the steps make.
func countCalls(d *disk, w *worker) int {
	w.do("store", "count.db")
	d.recorded()
	return d.fail(nil)
}

func faultStep() int {
	if testing.Short() {
		return 13
	}
	return 1
}

func once(n int, errno syscall.Errno) func(int, op) syscall.Errno {
	return func(call int, _ op) syscall.Errno {
		if call == n {
			return errno
		}
		return 0
	}
}

// from lets everything fail that needs room, until "free" is told.
func from(n int, errno syscall.Errno) func(int, op) syscall.Errno {
	return func(call int, o op) syscall.Errno {
		if call >= n && (o == opWrite || o == opTruncate || o == opLink) {
			return errno
		}
		return 0
	}
}

func answersOf(events []event) (told []string) {
	for _, e := range events {
		if e.op == opAnswer {
			told = append(told, e.name)
		}
	}
	return told
}

// wantAfterPowerCut checks that a power cut now leaves the store as it was
// told last.
func wantAfterPowerCut(t *testing.T, events []event, file, when string) {
	t.Helper()
	f, want := toldLast(events)
	dir := filepath.Join(t.TempDir(), "cut")
	for _, files := range f.cuts(rand.New(rand.NewPCG(1, 2)), 1) {
		if err := lay(dir, map[string][]byte{file: files[file]}); err != nil {
			t.Fatal(err)
		}
		o := small
		o.MustExist = true
		db, err := bolt.Open(filepath.Join(dir, file), o)
		if err != nil {
			t.Errorf("%s, then a power cut: %v", when, err)
			continue
		}
		if got, err := held(t.Context(), db); err != nil || got != want {
			t.Errorf("%s, then a power cut: %+v, %v; %+v was told", when, got, err, want)
		}
		db.Close()
	}
}

// toldLast returns the disk after all events, and what was told last.
func toldLast(events []event) (*folder, contents) {
	f := newFolder()
	var c contents
	for _, e := range events {
		if f.replay(e); e.op == opAnswer {
			fmt.Sscanf(e.name, "has %d %d %s", &c.a, &c.b, &c.k)
		}
	}
	return f, c
}

// wantForgotten checks that the file holds no value that is no longer told.
func wantForgotten(t *testing.T, events []event, file, when string) {
	t.Helper()
	f, c := toldLast(events)
	for _, files := range f.cuts(rand.New(rand.NewPCG(1, 2)), 1) {
		if c.k == "none" && bytes.Contains(files[file], []byte("-value")) {
			t.Errorf("%s: the file holds the deleted value", when)
		}
	}
}

// A process is killed before any of its calls to the disk. What another one then
// finds and tells isn't lost by a power cut after that, though the first never
// said so.
func TestKilledThenPowerCut(t *testing.T) {
	d := mount(t)
	second := hire(t, d)
	calls := countCalls(d, second)
	for n := 1; n <= calls; n += faultStep() {
		file := fmt.Sprintf("killed-%d.db", n)
		first := hire(t, d)
		d.fail(func(call int, _ op) syscall.Errno {
			if call < n {
				return 0
			}
			_ = first.process.Kill() // it is dead already the second time
			return notAtAll
		})
		if first.survives("store", file) {
			t.Fatalf("call %d: the worker wasn't killed", n)
		}
		d.fail(nil)
		if n%2 == 0 { // then the second one can only read
			d.fail(from(1, syscall.ENOSPC))
		}
		second.do("reopen", file)
		d.fail(nil)
		events, when := d.recorded(), fmt.Sprintf("killed at call %d", n)
		wantAfterPowerCut(t, events, file, when)
		if n%2 == 1 {
			wantForgotten(t, events, file, when)
		}
	}
}
