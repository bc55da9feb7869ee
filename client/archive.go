package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// DownloadArchive writes an archive of the log of a trial to w: of each
// compartment that the user may check the signed head, the hashes of all
// entries, and those entries that the user may read. The heads continue those
// seen last, as in [Client.VerifyList], and are remembered. What is on its way lies in
// files in the folder dir. Progress, which may be nil, is told how much of how
// much was taken.
//
// The caller reads the archive with [audit.ReadArchive] before believing any of
// it. If there is an error, w holds a part of it.
func (c *Client) DownloadArchive(ctx context.Context, trial, dir string, w io.Writer, progress func(done, total int64)) error {
	if c.verifier == nil {
		return errNoKey
	}
	spool, err := os.MkdirTemp(dir, ".lodd-archive-*") // with mode 0700
	if err != nil {
		return fmt.Errorf("client: make folder: %w", err)
	}
	defer os.RemoveAll(spool)
	a := &archiving{Client: c, trial: trial, spool: spool, room: audit.MaxBundleBytes, progress: progress}
	if err := a.takeHeads(ctx); err != nil {
		return err
	}
	var copies []audit.Copy
	for i := range a.heads {
		entry, err := a.take(ctx, i)
		if err != nil {
			return err
		}
		copies = append(copies, entry)
	}
	return audit.WriteArchive(w, audit.Archive{Origin: a.origin, Trial: trial, Key: c.config.LogKey}, copies)
}

// An archiving is an archive that is being downloaded.
type archiving struct {
	*Client
	trial    string
	spool    string // a folder of its own
	room     int64  // how many bytes may still be kept in it
	origin   string // of the instance
	heads    []archivedHead
	progress func(done, total int64)
	done     int64
}

type archivedHead struct {
	list   string
	size   int64
	signed []byte
}

// headRounds is how often the heads are taken if conduct grows meanwhile.
const headRounds = 5

// takeHeads takes the head of each list, that of conduct first: whatever its
// entries need of the other lists is then there. If conduct has grown meanwhile,
// it takes them again, since an entry that came after the head of conduct can't
// be replayed. Of a trial in which conduct grows all the time, the last heads
// have to do: whoever verifies the archive counts what isn't replayed.
func (a *archiving) takeHeads(ctx context.Context) error {
	lists, err := a.Compartments(ctx, a.trial)
	if err != nil {
		return err
	}
	conduct, err := a.takeHead(ctx, a.trial+"/conduct")
	if err != nil {
		return err
	}
	for range headRounds {
		a.heads = []archivedHead{conduct}
		for _, list := range lists {
			if list == conduct.list {
				continue
			}
			h, err := a.takeHead(ctx, list)
			if err != nil {
				return err
			}
			a.heads = append(a.heads, h)
		}
		again, err := a.takeHead(ctx, conduct.list)
		if err != nil {
			return err
		}
		if again.size == conduct.size {
			break
		}
		conduct = again
	}
	slices.SortFunc(a.heads, func(x, y archivedHead) int { return strings.Compare(x.list, y.list) })
	return nil
}

func (a *archiving) takeHead(ctx context.Context, list string) (archivedHead, error) {
	f, err := a.follow(ctx, a.trial, list)
	if err != nil {
		return archivedHead{}, err
	}
	if err := a.remember(ctx, f); err != nil {
		return archivedHead{}, err
	}
	v, cosigned := f.verified(), f.cosigned
	if v.Checkpoint.Size > audit.MaxBundleBytes/tlog.HashSize {
		return archivedHead{}, fmt.Errorf("client: list %s has %d entries, and an archive has room for the hashes of %d", list, v.Checkpoint.Size, audit.MaxBundleBytes/tlog.HashSize)
	}
	h := archivedHead{list, v.Checkpoint.Size, v.Signed}
	switch origin := strings.TrimSuffix(v.Checkpoint.Origin, "/"+list); {
	case a.origin == "":
		a.origin = origin
	case a.origin != origin:
		return archivedHead{}, a.wrong(h, fmt.Sprintf("it is of %q, other lists of this server are of %q", origin, a.origin))
	}
	if same, err := a.openCheckpoint([]byte(cosigned), list); err == nil && same == v.Checkpoint {
		h.signed = []byte(cosigned) // the same head with more signatures
	}
	return h, nil
}

func (a *archiving) wrong(h archivedHead, problem string) error {
	return a.found(finding{List: h.list, Problem: problem, Given: string(h.signed)})
}

// take takes what belongs to a head: hashes and entries.
func (a *archiving) take(ctx context.Context, i int) (audit.Copy, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the streams if we return early
	defer cancel()
	h := a.heads[i]
	c := audit.Copy{ArchivedList: audit.ArchivedList{List: h.list, Size: h.size}, Checkpoint: h.signed}
	var err error
	c.Leaves, err = a.keep(fmt.Sprintf("leaves%d", i), func(w io.Writer) error { return a.takeLeaves(ctx, h, w) })
	if err != nil {
		return audit.Copy{}, err
	}
	c.Records, err = a.keep(fmt.Sprintf("entries%d", i), func(w io.Writer) error {
		c.Entries, err = a.takeEntries(ctx, h, w)
		return err
	})
	return c, err
}

// keep puts what is written into a file and returns how to read it.
func (a *archiving) keep(name string, write func(io.Writer) error) (func() (io.ReadCloser, error), error) {
	path := filepath.Join(a.spool, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("client: keep what was downloaded: %w", err)
	}
	b := bufio.NewWriter(f)
	if err := write(&narrow{b, &a.room}); err != nil {
		f.Close()
		return nil, err
	}
	if err := errors.Join(b.Flush(), f.Close()); err != nil {
		return nil, fmt.Errorf("client: keep what was downloaded: %w", err)
	}
	return func() (io.ReadCloser, error) { return os.Open(path) }, nil
}

// errRoom says that a server sends more than an archive can hold.
var errRoom = fmt.Errorf("the server sends more than the %d bytes that an archive can hold", int64(audit.MaxBundleBytes))

// narrow writes to w as long as there is room.
type narrow struct {
	w    io.Writer
	room *int64
}

func (n *narrow) Write(b []byte) (int, error) {
	if *n.room -= int64(len(b)); *n.room < 0 {
		return 0, errRoom
	}
	return n.w.Write(b)
}

// takeLeaves writes the hashes of all entries, as many as the head says.
func (a *archiving) takeLeaves(ctx context.Context, h archivedHead, w io.Writer) error {
	stream, err := a.Audit().ListLeaves(ctx, &loddv1.ListLeavesRequest{TrialId: a.trial, List: h.list, Size: h.size})
	if err != nil {
		return err
	}
	bytes, want := int64(0), h.size*tlog.HashSize
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		n := int64(len(answer.GetHashes()))
		if bytes += n; bytes > want {
			break
		}
		if _, err := w.Write(answer.GetHashes()); err != nil {
			return fmt.Errorf("client: keep what was downloaded: %w", err)
		}
		a.tell(n / tlog.HashSize)
	}
	if bytes != want {
		return a.wrong(h, fmt.Sprintf("the server sent %d bytes of hashes, the %d entries of the checkpoint have %d", bytes, h.size, want))
	}
	return nil
}

// takeEntries writes the entries that the user may read, and returns how many.
func (a *archiving) takeEntries(ctx context.Context, h archivedHead, w io.Writer) (n int64, err error) {
	if h.size == 0 {
		return 0, nil // asked for no entries, the server would send all
	}
	stream, err := a.Audit().ListEntries(ctx, &loddv1.ListEntriesRequest{TrialId: a.trial, List: h.list, Raw: true, Size: h.size})
	if err != nil {
		return 0, err
	}
	var record []byte
	for last := int64(-1); ; n++ {
		e, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			a.tell(h.size - 1 - last)
			return n, nil
		}
		if err != nil {
			return 0, err
		}
		if e.GetIndex() <= last || e.GetIndex() >= h.size || e.GetList() != h.list || len(e.GetEntry()) == 0 || len(e.GetEntry()) > 1<<16-1 {
			return 0, fmt.Errorf("client: the server sent entry %d of %s with %d bytes, where one of %s between %d and %d is wanted: it may be older than this program",
				e.GetIndex(), e.GetList(), len(e.GetEntry()), h.list, last+1, h.size-1)
		}
		record = audit.AppendRecord(record[:0], e.GetIndex(), e.GetEntry())
		if _, err := w.Write(record); err != nil {
			return 0, fmt.Errorf("client: keep what was downloaded: %w", err)
		}
		a.tell(e.GetIndex() - last)
		last = e.GetIndex()
	}
}

// tell tells how far it is: each entry counts twice, once for its hash.
func (a *archiving) tell(n int64) {
	a.done += n
	if a.progress == nil || n == 0 {
		return
	}
	total := int64(0)
	for _, h := range a.heads {
		total += 2 * h.size
	}
	a.progress(a.done, total)
}
