package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/export/csv"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// exportService implements lodd.v1.ExportService.
type exportService struct {
	loddv1.UnimplementedExportServiceServer
	*core
	exporting queue
}

// chunkBytes is the most of a bundle that one message carries.
const chunkBytes = 64 << 10

func (s *exportService) TakeLock(ctx context.Context, req *loddv1.TakeLockRequest) (*loddv1.TakeLockResponse, error) {
	c, err := s.command(ctx, req)
	if err != nil {
		return nil, err
	}
	a, err := c.trial.Do(ctx, c.by(c.access.Role()), trial.Locked{})
	if err != nil {
		return nil, err
	}
	e, ok := a.Events[0].(trial.Locked)
	if !ok {
		return nil, ledger.ErrReused
	}
	lock := trial.Lock{Number: e.Number, At: a.Receipt.At, By: c.access.User, Conduct: e.Conduct, Outcome: e.Outcome}
	return &loddv1.TakeLockResponse{Lock: lockMessage(lock), Receipt: receipt(a.Receipt)}, nil
}

func (s *exportService) ListLocks(ctx context.Context, req *loddv1.ListLocksRequest) (*loddv1.ListLocksResponse, error) {
	t, _, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := &loddv1.ListLocksResponse{}
	err = t.View(func(st *trial.State) error {
		for _, l := range st.Locks() {
			resp.Locks = append(resp.Locks, lockMessage(l))
		}
		return nil
	})
	return resp, err
}

func lockMessage(l trial.Lock) *loddv1.Lock {
	return &loddv1.Lock{Number: int32(l.Number), At: timestamppb.New(l.At), By: l.By, Conduct: l.Conduct, Outcome: l.Outcome}
}

// DownloadExport sends the bundle of a lock. The same lock gives the same bytes.
// Only a few are written at a time: each holds the state of the trial at its
// lock.
func (s *exportService) DownloadExport(req *loddv1.DownloadExportRequest, out grpc.ServerStreamingServer[loddv1.DownloadExportResponse]) error {
	ctx := out.Context()
	c, err := s.command(ctx, req)
	if err != nil {
		return err
	}
	leave, err := s.exporting.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	lock := int(req.GetLock())
	src, err := c.trial.AtLock(ctx, lock)
	if err != nil {
		return err
	}
	return sendBundle(
		export.Name(c.trial.ID(), lock, export.Pooled),
		func(w io.Writer) error { return s.bundle(ctx, w, c.trial, src) },
		func() error { return c.handOut(ctx, trial.Exported{Lock: lock, View: export.Pooled}) },
		func(p piece) error {
			return out.Send(&loddv1.DownloadExportResponse{FileName: p.name, SizeBytes: p.size, Chunk: p.chunk})
		},
	)
}

// bundle writes the pooled export of a lock. That somebody withdrew from the data
// is never the caller's mistake: either it happened meanwhile, and the next
// download leaves the participant out, or a key is gone that should be there.
func (s *exportService) bundle(ctx context.Context, w io.Writer, t *ledger.Trial, src export.Source) error {
	err := export.Bundle(ctx, w, src, export.Output{
		Format: csv.Format{}, Signer: s.config.Keys.ExportSigner, Log: s.config.Keys.LogSigner,
	})
	if !errors.Is(err, trial.ErrErased) {
		return err
	}
	meanwhile := false
	if stateErr := t.View(func(st *trial.State) error {
		meanwhile = slices.ContainsFunc(src.Participants, func(id trial.ParticipantID) bool {
			p, ok := st.Participant(id)
			return ok && !p.WithdrewData.IsZero()
		})
		return nil
	}); stateErr != nil {
		return stateErr
	}
	if meanwhile {
		return fmt.Errorf("%w: %v", ledger.ErrBusy, err) //nolint:errorlint // it is not about the caller's participant
	}
	return fmt.Errorf("server: a key is gone of a participant who did not withdraw from the data: %v", err) //nolint:errorlint // the same
}

// The exports that are written at once, and those that may wait for it.
const (
	exportsAtOnce  = 2
	exportsWaiting = 8
)

// A piece is what one message carries of a bundle. The first one alone has a name
// and the size of the whole.
type piece struct {
	name  string
	size  int64
	chunk []byte
}

// sendBundle writes a bundle twice: once to learn its size, so that a client can
// tell a whole one from a part, and once to send it. Nothing of it touches the
// server's disk. The entry comes before the first byte: what was handed out is in
// the log.
func sendBundle(name string, write func(io.Writer) error, enter func() error, send func(piece) error) error {
	var size counter
	if err := write(&size); err != nil {
		return err
	}
	if err := enter(); err != nil {
		return err
	}
	next := piece{name: name, size: int64(size)}
	w := &chunkWriter{send: func(chunk []byte) error {
		p := next
		p.chunk, next = chunk, piece{}
		return send(p)
	}}
	if err := write(w); err != nil {
		return err
	}
	return w.flush()
}

// handOut logs that something is handed out.
func (c *command) handOut(ctx context.Context, e trial.Event) error {
	_, err := c.trial.Do(ctx, c.by(c.access.Role()), e)
	return err
}

// A counter counts bytes.
type counter int64

// Write implements [io.Writer].
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// A chunkWriter sends what is written to it in pieces.
type chunkWriter struct {
	send func(chunk []byte) error // keeps what it is given
	next []byte
}

// Write implements [io.Writer].
func (w *chunkWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		take := min(len(p), chunkBytes-len(w.next))
		w.next = append(w.next, p[:take]...)
		p, n = p[take:], n+take
		if len(w.next) == chunkBytes {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// flush sends what is left.
func (w *chunkWriter) flush() error {
	if len(w.next) == 0 {
		return nil
	}
	chunk := w.next
	w.next = nil
	return w.send(chunk)
}
