package export_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

var update = flag.Bool("update", false, "write golden files")

// The files that depend on the bytes of log entries, which other tests pin, are
// left out.
func TestPooledBundleIsGolden(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	b := w.bundle(1)
	if b.files["mistakes.csv"] != "" {
		t.Error("there are mistakes in a story without any")
	}
	golden(t, "pooled", b)
}

// golden compares a bundle with a file in testdata, or writes it with -update.
func golden(t *testing.T, name string, b bundle) {
	t.Helper()
	var got strings.Builder
	for _, name := range b.names {
		if !strings.HasPrefix(name, "checkpoints/") && !strings.HasPrefix(name, "manifest.") {
			if strings.Contains(strings.ReplaceAll(b.files[name], "\r\n", ""), "\n") {
				t.Errorf("%s has lines that do not end with CRLF", name)
			}
			got.WriteString("-- " + name + " --\n" + strings.ReplaceAll(b.files[name], "\r\n", "\n"))
		}
	}
	file := "testdata/" + name + ".golden"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the pooled view has changed (-want +got):\n%s", diff)
	}
}

func TestSameLockGivesSameBytes(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	first := w.bundle(1)

	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one := w.bundle(1)
	runtime.GOMAXPROCS(2)
	two := w.bundle(1)
	if !bytes.Equal(first.raw, one.raw) || !bytes.Equal(one.raw, two.raw) {
		t.Error("the number of processors changes the bytes")
	}

	w.now = w.now.AddDate(0, 0, 30)
	w.enrol(person(20), "OSLO")
	w.submit(person(7), "month-6", "corrections", instrument.Values{"used": instrument.Codes{"nav"}})
	w.correct(person(0), "month-6", "mood", instrument.Values{"score": instrument.Number(1)})
	w.do("coordinator", trial.Died{Participant: person(0), On: w.today()})
	w.erase(person(8)) // was never randomized, so the lock has no row of it
	w.lock()
	if !bytes.Equal(first.raw, w.bundle(1).raw) {
		t.Error("entries after the lock change its bytes")
	}
	w.reopen()
	if !bytes.Equal(first.raw, w.bundle(1).raw) {
		t.Error("a restart changes the bytes")
	}
	if second := w.bundle(2); len(second.rows(t, "participants.csv")) != 9 || second.manifest.RevisedBy == nil || len(second.manifest.RevisedBy) != 0 {
		t.Errorf("lock 2 has %d participants and is revised by %q", len(second.rows(t, "participants.csv")), second.manifest.RevisedBy)
	}
}

func TestBundleIsSignedAndSaysWhatItHolds(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	b := w.bundle(1)
	m := b.manifest
	if got, want := export.Name("TRIAL-1", 1, export.Pooled), "TRIAL-1-lock1-pooled.zip"; got != want {
		t.Errorf("Name = %s, want %s", got, want)
	}
	if m.Study != "TRIAL-1" || m.View != "pooled" || !m.Blinded || m.Lock.ID != "TRIAL-1-lock1" || m.Lock.Number != 1 || m.CreatedAt != m.Lock.At {
		t.Errorf("manifest %+v", m)
	}
	if want := (audit.Producer{Name: "lodd", Version: "export 1"}); m.Producer != want {
		t.Errorf("producer %+v, want %+v whatever the version of the program", m.Producer, want)
	}
	for _, f := range m.Files {
		if f.Format == "csv" && f.Records != int64(len(b.rows(t, f.Name))) {
			t.Errorf("%s has %d rows, the manifest says %d", f.Name, len(b.rows(t, f.Name)), f.Records)
		}
	}
	var sizes []int64
	for _, c := range m.Compartments {
		sizes = append(sizes, c.Size)
		name := "checkpoints/" + strings.TrimPrefix(c.List, "TRIAL-1/") + ".txt"
		head, err := audit.OpenCheckpoint([]byte(b.files[name]), note.VerifierList(w.verifier))
		if err != nil {
			t.Fatal(err)
		}
		root, err := w.log.RootAt(t.Context(), c.List, c.Size)
		if err != nil {
			t.Fatal(err)
		}
		want := audit.Checkpoint{Origin: "example.org/" + c.List, Size: c.Size, Root: root}
		if head != want || c.Root != root.String() {
			t.Errorf("%s is %+v, want %+v", name, head, want)
		}
	}
	src, err := w.trial.AtLock(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(sizes, []int64{src.Lock.Conduct, src.Lock.Outcome}) {
		t.Errorf("compartments of sizes %d, want those of the lock, %+v", sizes, src.Lock)
	}
}

func TestUnknownLockIsNotFound(t *testing.T) {
	w := newWorld(t, "seed")
	for _, n := range []int{-1, 0, 1} {
		if _, err := w.trial.AtLock(t.Context(), n); !errors.Is(err, trial.ErrNotFound) {
			t.Errorf("AtLock(%d): %v, want ErrNotFound", n, err)
		}
	}
}

func TestEmptyTrialHasHeadersOnly(t *testing.T) {
	w := newWorld(t, "seed")
	w.lock()
	b := w.bundle(1)
	full := newWorld(t, "seed")
	full.story()
	f := full.bundle(1)
	if diff := cmp.Diff(f.names, b.names); diff != "" {
		t.Errorf("the files depend on the data (-full +empty):\n%s", diff)
	}
	for _, file := range b.manifest.Files {
		if file.Format != "csv" {
			continue
		}
		header := func(s string) string { line, _, _ := strings.Cut(s, "\r\n"); return line }
		if header(b.files[file.Name]) != header(f.files[file.Name]) {
			t.Errorf("columns of %s depend on the data", file.Name)
		}
	}
	if n := len(b.rows(t, "participants.csv")); n != 0 {
		t.Errorf("%d participants, want none", n)
	}
}

func TestErasureLeavesOutAndRevises(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	before := w.bundle(1)
	w.erase(person(0))
	after := w.bundle(1)

	if len(after.manifest.RevisedBy) != 1 {
		t.Fatalf("revised by %q, want one row key", after.manifest.RevisedBy)
	}
	key := after.manifest.RevisedBy[0]
	for _, file := range after.manifest.Files {
		if file.Format != "csv" || strings.HasPrefix(file.Name, "consort") {
			continue
		}
		var want []map[string]string
		for _, row := range before.rows(t, file.Name) {
			if row["row_key"] != key || key == "" {
				want = append(want, row)
			}
		}
		if diff := cmp.Diff(want, after.rows(t, file.Name)); diff != "" {
			t.Errorf("%s is not the earlier one without %s (-want +got):\n%s", file.Name, key, diff)
		}
		if file.Name == "participants.csv" && len(want) != 7 {
			t.Errorf("participants.csv had %d other rows, want 7", len(want))
		}
	}
	count := func(b bundle, class string) string {
		for _, row := range b.rows(t, "consort.csv") {
			if row["class"] == class && row["visit"] == "month-6" {
				return row["participants"]
			}
		}
		return ""
	}
	if count(before, "observed") != "1" || count(after, "observed") != "0" || count(before, "erased") != "0" || count(after, "erased") != "1" {
		t.Errorf("consort still counts who was erased as observed:\n%s", after.files["consort.csv"])
	}
	w.lock()
	if second := w.bundle(2); len(second.manifest.RevisedBy) != 0 || len(second.rows(t, "participants.csv")) != 7 {
		t.Errorf("a lock after the erasure is revised by %q", second.manifest.RevisedBy)
	}
	w.erase(person(1))
	if m := w.bundle(1).manifest; len(m.RevisedBy) != 2 || !slices.IsSorted(m.RevisedBy) {
		t.Errorf("revised by %q, want two row keys in an order that tells nothing", m.RevisedBy)
	}
	w.read(before.raw) // earlier bundles still verify
}

func TestErasureDuringAnExportEndsIt(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	src, err := w.trial.AtLock(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	w.erase(person(0))
	if err := export.Bundle(t.Context(), io.Discard, src, w.output()); !errors.Is(err, trial.ErrErased) {
		t.Errorf("Bundle: %v, want ErrErased", err)
	} else if strings.Contains(err.Error(), string(person(0))) {
		t.Errorf("the error names the participant: %v", err)
	}
}

func TestCancelledExportEnds(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	src, err := w.trial.AtLock(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := export.Bundle(ctx, io.Discard, src, w.output()); !errors.Is(err, context.Canceled) {
		t.Errorf("Bundle: %v, want context.Canceled", err)
	}
}
