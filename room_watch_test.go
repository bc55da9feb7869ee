package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

// A write that finds no room is done again without the ballast, also under a quota
// that doesn't show in the space of the disk; one whose outcome isn't known is not.
func TestWriteThatFindsNoRoomIsDoneAgain(t *testing.T) {
	ample := func(string) (space, error) { return space{1 << 40, 1 << 40}, nil }
	r := newRoom(world{space: ample, log: zerolog.Nop()}, t.TempDir())
	r.size = testBallast
	m := &storetest.Memory{}
	s := r.over(m)
	writes := 0
	for _, tt := range []struct {
		fails   error // while the ballast is there
		want    error
		writes  int
		ballast bool
	}{
		{nil, nil, 1, true},
		{store.ErrRefused, store.ErrRefused, 1, true},
		{store.ErrFull, nil, 2, false},
		{errors.Join(store.ErrUnknown, store.ErrFull), store.ErrUnknown, 1, true},
	} {
		r.look()
		m.FailAppend = func(...store.Part) error {
			writes++
			if _, err := os.Stat(r.path()); err != nil {
				return nil
			}
			return tt.fails
		}
		writes = 0
		n, err := m.Len(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		err = s.Append(t.Context(), store.Part{List: "a", At: n, Records: [][]byte{{1}}})
		_, missing := os.Stat(r.path())
		if !errors.Is(err, tt.want) || writes != tt.writes || (missing == nil) != tt.ballast || r.low() == tt.ballast {
			t.Errorf("%v: Append: %v in %d writes, ballast: %v, low %t", tt.fails, err, writes, missing, r.low())
		}
	}
}

// What is said of a disk is said once, and a ballast is made only where it leaves
// room.
func TestRoomIsToldOnce(t *testing.T) {
	const mib = 1 << 20
	var logs bytes.Buffer
	now := space{100 * mib, 1000 * mib}
	r := newRoom(world{space: func(string) (space, error) { return now, nil }, log: zerolog.New(&logs)}, t.TempDir())
	r.size = mib
	for i, tt := range []struct {
		free    uint64
		low     bool
		ballast bool
		told    string
	}{
		{50*mib - 1, true, false, "less than 5 %"},
		{50 * mib, false, false, "has room again"}, // but none for two ballasts
		{52*mib - 1, false, false, ""},
		{52 * mib, false, true, ""},
		{50*mib - 1, true, true, "less than 5 %"},
		{20 * mib, true, true, ""},
		{mib/8 - 1, true, false, "is full"},
		{mib/8 - 1, true, false, ""},
		{20 * mib, true, false, ""}, // full until the ballast is there again
		{51 * mib, true, false, ""},
		{52 * mib, false, true, "has room again"},
		{100 * mib, false, true, ""},
	} {
		logs.Reset()
		now.free = tt.free
		for range 2 {
			r.look()
		}
		_, err := os.Stat(r.path())
		if r.low() != tt.low || (err == nil) != tt.ballast {
			t.Errorf("row %d: low %t, ballast %v", i, r.low(), err)
		}
		lines := strings.Split(strings.TrimSpace(logs.String()), "\n")
		if len(lines) != 1 || !strings.Contains(lines[0], tt.told) || tt.told == "" && lines[0] != "" {
			t.Errorf("row %d: told %q, want %q", i, lines, tt.told)
		}
	}
}

// A ballast that was cut, or copied as a hole, is made anew; one that is whole
// stays.
func TestBallastIsOneAfterARestart(t *testing.T) {
	dir := t.TempDir()
	ample := func(string) (space, error) { return space{1 << 40, 1 << 40}, nil }
	look := func() os.FileInfo {
		t.Helper()
		r := newRoom(world{space: ample, log: zerolog.Nop()}, dir)
		r.size = testBallast
		r.look()
		info, err := os.Stat(r.path())
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != testBallast || !allocated(info) {
			t.Fatalf("ballast of %d bytes, allocated: %t", info.Size(), allocated(info))
		}
		return info
	}
	first := look()
	if again := look(); !again.ModTime().Equal(first.ModTime()) {
		t.Error("a whole ballast was made anew")
	}
	path := filepath.Join(dir, "ballast")
	for _, size := range []int64{0, testBallast / 2, 3 * testBallast} {
		if err := errors.Join(os.Truncate(path, 0), os.Truncate(path, size)); err != nil {
			t.Fatal(err)
		}
		look()
	}
	if err := errors.Join(os.Truncate(path, 0), os.Truncate(path, testBallast)); err != nil { // a hole
		t.Fatal(err)
	}
	look()
}

// Where the room isn't known nothing is watched, and nothing refused.
func TestUnknownRoomRefusesNothing(t *testing.T) {
	unknown := func(string) (space, error) { return space{}, errors.ErrUnsupported }
	r := newRoom(world{space: unknown}, t.TempDir())
	r.look()
	r.makeWay()
	if r != nil || r.low() || newRoom(world{}, "") != nil {
		t.Error("a room that nobody knows is watched")
	}
}

// What fills a ballast can't be stored in fewer bytes.
func TestFillIsNotCompressible(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := fill(f, 1<<16); err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 1<<16)
	if _, err := f.ReadAt(content, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for at := 0; at < len(content); at += 16 {
		seen[string(content[at:at+16])] = true
	}
	if len(seen) != 1<<12 {
		t.Errorf("%d different pieces of %d", len(seen), 1<<12)
	}
}
