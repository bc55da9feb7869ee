package bolt_test

import (
	"context"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// An op is what was done to a disk.
type op int

const (
	opWrite    op = iota
	opTruncate    // to size, also if that is larger
	opSync        // of data and size
	opDataSync    // of data, and of the size that it needs
	opLoseSync    // a sync that failed: what it should have written is gone
	opLink        // a new name
	opRename
	opUnlink
	opSyncDir
	opAnswer // no change: what the process told the world
)

// An event is one op, in the order in which the disk saw them.
type event struct {
	op   op
	file *diskFile
	at   int64  // of a write
	data []byte // that was written
	size int64  // of a truncation
	name string // of a file, before a renaming; or the answer
	to   string // after a renaming
}

// A disk is a file system with one folder. It keeps everything in memory,
// records what is done to it, and fails when it is told to. What a process
// writes to the file "answers" is recorded in the same order as all else.
type disk struct {
	fs.Inode
	dir string // where it is mounted

	mu     sync.Mutex // guards the fields below, and the content of all files
	events []event
	calls  int // that change or sync something, since plan was set
	plan   func(call int, o op) syscall.Errno
}

// mount mounts an empty disk for the test. Only other processes may use it: a
// test that waits for a page of its own file system may wait for ever.
func mount(t *testing.T) *disk {
	t.Helper()
	d := &disk{dir: t.TempDir()}
	server, err := fs.Mount(d.dir, d, &fs.Options{MountOptions: fuse.MountOptions{
		DirectMount: true, DisableXAttrs: true, FsName: "lodd-test", Name: "lodd-test",
	}})
	if err != nil {
		skip := t.Skipf
		if os.Getenv("CI") == "true" {
			skip = t.Fatalf
		}
		skip("a file system of our own can't be mounted here (%s): %v", runtime.GOOS, err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return d
}

// OnAdd implements [fs.NodeOnAdder].
func (d *disk) OnAdd(ctx context.Context) {
	d.AddChild("answers", d.NewPersistentInode(ctx, &answers{disk: d}, fs.StableAttr{}), false)
}

// recorded returns what was done since the last call.
func (d *disk) recorded() []event {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() { d.events = nil }()
	return d.events
}

// fail sets when calls fail from now on: plan is asked with the number of the
// call, from 1. It returns how many calls there were under the last plan.
func (d *disk) fail(plan func(call int, o op) syscall.Errno) (calls int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls, d.calls, d.plan = d.calls, 0, plan
	return calls
}

// planned returns how the next call fails, or 0. The caller holds mu.
func (d *disk) planned(o op) syscall.Errno {
	d.calls++
	if d.plan == nil {
		return 0
	}
	return d.plan(d.calls, o)
}

// record does change and records it, unless the call is planned to fail.
func (d *disk) record(e event, change func()) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if errno := d.planned(e.op); errno != 0 {
		return errno
	}
	change()
	d.events = append(d.events, e)
	return 0
}

func nothing() {}

// notAtAll is how a call fails of a process that was killed before it: nothing
// has happened.
const notAtAll = syscall.EINTR

// Create implements [fs.NodeCreater].
func (d *disk) Create(ctx context.Context, name string, _, _ uint32, _ *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f := &diskFile{disk: d}
	errno := d.record(event{op: opLink, name: name, file: f}, nothing)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return d.NewPersistentInode(ctx, f, fs.StableAttr{Mode: syscall.S_IFREG}), nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Rename implements [fs.NodeRenamer].
func (d *disk) Rename(_ context.Context, name string, _ fs.InodeEmbedder, to string, _ uint32) syscall.Errno {
	return d.record(event{op: opRename, name: name, to: to}, nothing)
}

// Unlink implements [fs.NodeUnlinker].
func (d *disk) Unlink(_ context.Context, name string) syscall.Errno {
	return d.record(event{op: opUnlink, name: name}, nothing)
}

// Fsync implements [fs.NodeFsyncer] for the folder.
func (d *disk) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return d.record(event{op: opSyncDir}, nothing)
}

// A diskFile is a file of a disk.
type diskFile struct {
	fs.Inode
	disk    *disk
	content []byte // without what a failed sync lost
	stored  image  // what of it is synced
}

// Open implements [fs.NodeOpener]. The kernel keeps its pages, as it does for a
// disk: after a sync that failed, they may hold what the disk doesn't.
func (f *diskFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Getattr implements [fs.NodeGetattrer].
func (f *diskFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	out.Mode, out.Size = syscall.S_IFREG|0o600, uint64(len(f.content))
	return 0
}

// Setattr implements [fs.NodeSetattrer].
func (f *diskFile) Setattr(ctx context.Context, h fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		e := event{op: opTruncate, file: f, size: int64(size)}
		if errno := f.disk.record(e, func() { f.apply(e) }); errno != 0 {
			return errno
		}
	}
	return f.Getattr(ctx, h, out)
}

// apply changes the content, and notes the change as not yet synced.
func (f *diskFile) apply(e event) {
	f.content = e.apply(f.content)
	f.stored.pending = append(f.stored.pending, e)
}

// Read implements [fs.NodeReader].
func (f *diskFile) Read(_ context.Context, _ fs.FileHandle, b []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if at >= int64(len(f.content)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(b[:copy(b, f.content[at:])]), 0
}

// Write implements [fs.NodeWriter]. A write that fails has happened by half, in
// whole pages if there is no room.
func (f *diskFile) Write(_ context.Context, _ fs.FileHandle, b []byte, at int64) (uint32, syscall.Errno) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	errno := f.disk.planned(opWrite)
	if errno == notAtAll {
		return 0, errno
	}
	if errno != 0 {
		b = b[:len(b)/2]
	}
	if errno == syscall.ENOSPC {
		b = b[:len(b)/4096*4096]
	}
	e := event{op: opWrite, file: f, at: at, data: slices.Clone(b)}
	f.apply(e)
	f.disk.events = append(f.disk.events, e)
	return uint32(len(b)), errno
}

// Fsync implements [fs.NodeFsyncer]. If it fails, what was written since the
// last sync is gone from the disk, though not from the memory of the kernel.
func (f *diskFile) Fsync(_ context.Context, _ fs.FileHandle, flags uint32) syscall.Errno {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	o := opSync
	if flags&1 != 0 {
		o = opDataSync
	}
	errno := f.disk.planned(o)
	if errno == notAtAll {
		return errno
	}
	if errno != 0 {
		o = opLoseSync
	}
	e := event{op: o, file: f}
	f.disk.events = append(f.disk.events, e)
	f.stored.sync(o)
	if errno != 0 {
		f.content = f.stored.all()
	}
	return errno
}

// Flush implements [fs.NodeFlusher].
func (f *diskFile) Flush(context.Context, fs.FileHandle) syscall.Errno { return 0 }

// answers is where the process tells what it has told the world.
type answers struct {
	fs.Inode
	disk *disk
}

// Open implements [fs.NodeOpener].
func (a *answers) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

// Setattr implements [fs.NodeSetattrer].
func (a *answers) Setattr(context.Context, fs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return 0
}

// Write implements [fs.NodeWriter].
func (a *answers) Write(_ context.Context, _ fs.FileHandle, b []byte, _ int64) (uint32, syscall.Errno) {
	a.disk.mu.Lock()
	defer a.disk.mu.Unlock()
	told := strings.TrimSpace(string(b))
	if told == "free" { // somebody has made room
		a.disk.plan = nil
	}
	a.disk.events = append(a.disk.events, event{op: opAnswer, name: told})
	return uint32(len(b)), 0
}
