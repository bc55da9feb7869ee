package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/lodd-rct/lodd/audit/durable"
	"github.com/lodd-rct/lodd/audit/store"
)

// ErrLocked is returned by Open when another process has the file open.
var ErrLocked = errors.New("another process has it open")

var errClosed = errors.New("bolt: store is closed")

// Options are how a file is opened. The zero value is right for most uses.
type Options struct {
	// MaxSize is the most bytes that the file may grow to; an append for which
	// there is no room fails with [store.ErrFull]. 0 is no limit. The file
	// grows in steps of 16 MiB.
	MaxSize int64

	// InitialMmapSize is how many bytes of address space are reserved. While
	// the file is smaller, reads never wait for a growing file. 0 is 1 GiB
	// where address space is plentiful.
	InitialMmapSize int64

	// Timeout is how long to wait for another process to close the file. 0 is
	// a second.
	Timeout time.Duration

	// MustExist refuses to create the file.
	MustExist bool

	// ReadOnly opens a file that must exist, and changes nothing in it: every
	// write fails. Several processes can have it open so, but none beside one
	// that writes.
	ReadOnly bool

	// AcceptOlder opens a file of whose two meta pages one can't be read. The
	// other may be older by one commit, so that the last entries may be gone.
	// It is for an operator who has no newer copy, and never a default.
	AcceptOlder bool
}

// A DB is a [store.Store] in a file. One process can have it open.
type DB struct {
	path string
	file *os.File // of db, for looking below bbolt
	db   *bbolt.DB

	writing sync.Mutex // one transaction at a time; guards written
	written int64      // how far writeAhead has come

	mu     sync.RWMutex // held by readers; guards failed
	failed error        // why the store serves nothing more
}

// Open opens the file at path, and creates it if it doesn't exist. It reads
// all of it, about a second for a gigabyte, and overwrites what a crash left of
// deleted and replaced values.
//
// The error wraps [ErrLocked], or a *[store.DamageError] if the file isn't what was
// written.
func Open(path string, o Options) (*DB, error) {
	if o.ReadOnly {
		if err := inspect(path, o); err != nil {
			return nil, err
		}
		return open(path, o)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !o.MustExist {
		if err := create(path, o); err != nil {
			return nil, err
		}
	}
	// Whoever made the file may have ended before its name was durable.
	if err := durable.SyncDir(filepath.Dir(path)); err != nil {
		return nil, openError(path, err)
	}
	if err := inspect(path, o); err != nil {
		return nil, err
	}
	d, err := open(path, o)
	if err != nil {
		return nil, err
	}
	// A process that was killed may have left entries that can be read and are
	// not on the disk yet.
	if err := d.file.Sync(); err != nil {
		return nil, errors.Join(fmt.Errorf("bolt: open %s: %w", path, err), d.Close())
	}
	// What was deleted or replaced just before a crash may not be scrubbed yet.
	// On a full disk the store serves all the same: the next scrub does it.
	if err := d.scrub(); err != nil && !errors.Is(err, store.ErrFull) {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// open opens a file that was inspected.
func open(path string, o Options) (*DB, error) {
	d := &DB{path: path}
	options := o.bbolt()
	options.OpenFile = func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
		d.file, err = os.OpenFile(name, flag, mode)
		return d.file, err
	}
	err := shielded(func() (err error) {
		d.db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	if err != nil {
		return nil, openError(path, err)
	}
	return d, nil
}

// inspect checks the file while no other process can write it.
func inspect(path string, o Options) error {
	options := o.bbolt()
	options.ReadOnly = true
	return shielded(func() error {
		db, err := bbolt.Open(path, 0, options)
		if errors.Is(err, berrors.ErrTimeout) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return openError(path, err)
		}
		if err == nil { // otherwise the file is too damaged for bbolt; check says why
			defer db.Close()
		}
		f, err := os.Open(path)
		if err != nil {
			return openError(path, err)
		}
		defer f.Close()
		if err := check(f, o.AcceptOlder); err != nil {
			return fmt.Errorf("bolt: %s: %w", path, err)
		}
		return nil
	})
}

func (o Options) bbolt() *bbolt.Options {
	mmap := int(o.InitialMmapSize)
	if mmap == 0 && strconv.IntSize == 64 && runtime.GOOS != "windows" { // there the file would get that size
		mmap = 1 << 30
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = time.Second
	}
	return &bbolt.Options{
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: mmap,
		MaxSize:         int(o.MaxSize),
		Timeout:         timeout,
		NoStatistics:    true,
		ReadOnly:        o.ReadOnly,
	}
}

func openError(path string, err error) error {
	if errors.Is(err, berrors.ErrTimeout) {
		return fmt.Errorf("bolt: open %s: %w: stop that one first", path, ErrLocked)
	}
	return fmt.Errorf("bolt: open %s: %w", path, err)
}

// shielded calls f and turns a panic into an error, even that of a page that
// can't be read from a mapped file.
func shielded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("bolt: panic: %v", p)
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return f()
}

// Close waits for running calls and releases the file.
func (d *DB) Close() error {
	d.writing.Lock()
	defer d.writing.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if errors.Is(d.failed, errClosed) {
		return nil
	}
	d.failed = errClosed
	if err := shielded(d.db.Close); err != nil {
		return fmt.Errorf("bolt: close %s: %w", d.path, err)
	}
	return nil
}
