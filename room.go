package main

import (
	"context"
	"crypto/sha3"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/lodd-rct/lodd/audit/durable"
	"github.com/lodd-rct/lodd/audit/store"
)

const (
	// ballastSize is the bytes of the ballast file: the 16 MiB by which the
	// database grows, which some file systems take at once, and as much again for
	// what a stop writes, the signed heads of all lists.
	ballastSize = 32 << 20

	// lookEvery is how often the server looks at the room on its disk. What fills
	// a disk in less is met by the ballast.
	lookEvery = 10 * time.Second
)

// A space is the room on a disk, in bytes: what this process may still write, and
// all that there is.
type space struct{ free, total uint64 }

// low reports whether less than 5 % is left. A trial that begins then would
// take the room of those that run, and can wait; a participant can't.
func (s space) low() bool { return s.free < s.total/20 }

// without returns the space once n more bytes are written.
func (s space) without(n uint64) space { return space{s.free - min(n, s.free), s.total} }

// A roomState is how a disk stands.
type roomState int

const (
	roomAmple roomState = iota
	roomLow             // new trials are refused
	roomFull            // and the ballast is given up
)

// A room watches the disk of a data folder. While there is room it keeps a ballast
// file there; once there is none it gives the file up, so that what is under way
// and a clean stop can be written. All methods may be called concurrently, and on
// nil, which watches nothing.
type room struct {
	dir   string
	size  int64 // of the ballast
	space func(dir string) (space, error)
	log   zerolog.Logger

	mu    sync.Mutex // guards the fields below, and the ballast file
	state roomState
	made  bool // the ballast is this process's own
}

// newRoom returns what watches the disk of a data folder, or nil where nobody
// can tell how much room it has. The folder must be there. Nothing is written
// before the first look, so that a folder in use by another process stays as it is.
func newRoom(w world, dir string) *room {
	if w.space == nil {
		return nil
	}
	if _, err := w.space(dir); errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return &room{dir: dir, size: ballastSize, space: w.space, log: w.log}
}

// low reports whether new trials are refused.
func (r *room) low() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state != roomAmple
}

// look finds out how the disk stands, and makes the ballast if there is room.
func (r *room) look() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.measure()
	switch {
	case !ok:
	case s.free < r.least():
		r.giveUp()
	case !r.ballasted(s):
		if r.state != roomFull { // that ends with a new ballast only
			r.become(s)
		}
	default:
		r.become(s)
	}
}

// makeWay gives up the ballast if hardly any room is left. It comes before what
// can't be tried again.
func (r *room) makeWay() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.measure(); ok && s.free < r.least() {
		r.giveUp()
	}
}

// spend gives up the ballast, for a write that found no room.
func (r *room) spend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.giveUp()
}

// least is the room below which a disk counts as full: an erasure and the heads
// that are saved once a second need less.
func (r *room) least() uint64 { return uint64(r.size / 8) }

func (r *room) path() string { return filepath.Join(r.dir, "ballast") }

// measure returns the space on the disk. The caller holds mu, here and below.
func (r *room) measure() (space, bool) {
	s, err := r.space(r.dir)
	if err != nil {
		r.log.Error().Err(err).Msg("disk")
	}
	return s, err == nil
}

// ballasted reports whether the ballast is there, and makes it if it can be. That
// takes room for two beside the 5 %: a quota doesn't show in the space, and
// a ballast that took up the very room that its loss had made would be of no use.
func (r *room) ballasted(s space) bool {
	info, err := os.Stat(r.path())
	if err == nil && info.Size() == r.size && (r.made || allocated(info)) { // a copied folder may have one that is all hole
		return true
	}
	if two := uint64(2 * r.size); s.free < two || s.without(two).low() {
		return false
	}
	err = r.makeBallast()
	if err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		r.log.Error().Err(err).Msg("ballast")
	}
	r.made = err == nil
	return r.made
}

func (r *room) makeBallast() error {
	f, err := os.OpenFile(r.path(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = reserve(f, 2*r.size)
	if err == nil {
		err = f.Truncate(r.size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(r.path()))
	}
	return durable.SyncDir(r.dir)
}

// fill makes an empty file one of size bytes that no file system can store in
// fewer.
func fill(f *os.File, size int64) error {
	_, err := io.CopyN(f, sha3.NewSHAKE128(), size)
	return err
}

// giveUp removes the ballast. Its blocks are free once the folder is synced.
func (r *room) giveUp() {
	err := os.Remove(r.path())
	if err == nil {
		err = durable.SyncDir(r.dir)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.log.Error().Err(err).Msg("ballast")
	}
	if r.state != roomFull {
		r.log.Error().Msg("the disk is full and the ballast gone: no new trial begins; make room")
	}
	r.state = roomFull
}

// become notes how the disk stands, and says it once.
func (r *room) become(s space) {
	is := roomAmple
	if s.low() {
		is = roomLow
	}
	if is == r.state {
		return
	}
	if r.state = is; is == roomLow {
		r.log.Warn().Msg("less than 5 % of the disk is free: no new trial begins; make room")
	} else {
		r.log.Info().Msg("the disk has room again: new trials may begin")
	}
}

// rooms looks at the disk until ctx ends.
func (n *node) rooms(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.room.look()
		}
	}
}

// over returns s, on a disk that is watched if there is somebody to do it.
func (r *room) over(s store.Store) store.Store {
	if r == nil {
		return s
	}
	return roomy{s, r}
}

// A roomy store gives up the ballast when it finds no room, and writes again.
type roomy struct {
	store.Store
	room *room
}

// Append implements [store.Store].
func (s roomy) Append(ctx context.Context, parts ...store.Part) error {
	return s.twice(func() error { return s.Store.Append(ctx, parts...) })
}

// Put implements [store.Store].
func (s roomy) Put(ctx context.Context, key string, value []byte) error {
	s.room.makeWay() // a replaced value must be overwritten, or the outcome isn't known
	return s.twice(func() error { return s.Store.Put(ctx, key, value) })
}

// Delete implements [store.Store].
func (s roomy) Delete(ctx context.Context, key string) error {
	s.room.makeWay()
	return s.twice(func() error { return s.Store.Delete(ctx, key) })
}

// twice writes, and once more if there was no room: either the ballast made some,
// or somebody who gave it up at the same time.
func (s roomy) twice(write func() error) error {
	err := write()
	if !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnknown) {
		return err
	}
	s.room.spend()
	return write()
}
