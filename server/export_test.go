package server_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc/codes"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
)

func (w *world) takeLock() *loddv1.TakeLockResponse {
	w.t.Helper()
	got, err := w.exports().TakeLock(w.as("dm"), &loddv1.TakeLockRequest{TrialId: "T1", RequestId: w.id()})
	w.must(err)
	return got
}

// download returns a bundle, its announced size and its name.
func (w *world) download(user string, lock int32) (bundle []byte, size int64, name string, err error) {
	w.t.Helper()
	s, err := w.exports().DownloadExport(w.as(user), &loddv1.DownloadExportRequest{TrialId: "T1", RequestId: w.id(), Lock: lock})
	w.must(err)
	for {
		piece, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return bundle, size, name, nil
		}
		if err != nil {
			return nil, 0, "", err
		}
		if len(piece.GetChunk()) > 64<<10 {
			w.t.Errorf("piece of %d bytes", len(piece.GetChunk()))
		}
		if bundle == nil {
			size, name = piece.GetSizeBytes(), piece.GetFileName()
		}
		bundle = append(bundle, piece.GetChunk()...)
	}
}

func TestLocks(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	req := &loddv1.TakeLockRequest{TrialId: "T1", RequestId: w.id()}
	first, err := w.exports().TakeLock(w.as("dm"), req)
	w.must(err)
	again, err := w.exports().TakeLock(w.as("dm"), req)
	w.must(err)
	if first.GetLock().GetNumber() != 1 || first.GetLock().GetBy() != "dm" || first.GetLock().GetConduct() != first.GetReceipt().GetIndex() ||
		again.GetLock().String() != first.GetLock().String() {
		t.Errorf("first %v, again %v", first, again)
	}
	w.takeLock()
	locks, err := w.exports().ListLocks(w.as("dm"), &loddv1.ListLocksRequest{TrialId: "T1"})
	w.must(err)
	if l := locks.GetLocks(); len(l) != 2 || l[0].String() != first.GetLock().String() || l[1].GetNumber() != 2 {
		t.Errorf("locks = %v", l)
	}
}

func TestDownloadExport(t *testing.T) {
	w := newTrial(t, nil)
	for _, p := range []string{"S-1", "S-2", "S-3", "S-4"} {
		w.randomize(p, "OSL")
	}
	w.takeLock()
	bundle, size, name, err := w.download("dm", 1)
	w.must(err)
	if int64(len(bundle)) != size || name != "T1-lock1-pooled.zip" {
		t.Errorf("%s: %d bytes, announced %d", name, len(bundle), size)
	}
	key, err := note.NewVerifier(w.keys.ExportVerifier)
	w.must(err)
	m, bad := audit.VerifyBundle(bytes.NewReader(bundle), size, note.VerifierList(key))
	if bad != nil || !m.Blinded || m.Study != "T1" {
		t.Errorf("manifest %+v, %v", m, bad)
	}
	w.randomize("S-5", "OSL")
	again, _, _, err := w.download("dm", 1)
	w.must(err)
	if !bytes.Equal(bundle, again) {
		t.Error("the same lock gave other bytes")
	}
	if n := w.count("T1/conduct", "exported"); n != 2 {
		t.Errorf("%d entries, want one for each download", n)
	}

	_, err = w.participants().RecordWithdrawal(w.as("tc-osl"), &loddv1.RecordWithdrawalRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-2", Scope: "data", Reason: "not-given", Confirm: "S-2",
	})
	w.must(err)
	revised, size, _, err := w.download("dm", 1)
	w.must(err)
	m, bad = audit.VerifyBundle(bytes.NewReader(revised), size, note.VerifierList(key))
	if bad != nil || len(m.RevisedBy) != 1 {
		t.Errorf("manifest after an erasure: %+v, %v", m, bad)
	}
}

func TestDownloadExportRefuses(t *testing.T) {
	w := newTrial(t, nil)
	for _, lock := range []int32{0, 1, -1} {
		_, _, _, err := w.download("dm", lock)
		refused(t, err, codes.NotFound, "NOT_FOUND")
	}
	w.takeLock()
	for _, user := range []string{"tc-osl", "oa-osl", "pi", "ts", "ds", "cus", "au", "es-north", "admin"} {
		_, _, _, err := w.download(user, 1)
		refused(t, err, codes.PermissionDenied, "")
	}
	if n := w.count("T1/conduct", "exported"); n != 0 {
		t.Errorf("%d entries of what was refused", n)
	}
}

// signing is a signer that something happens before.
type signing struct {
	note.Signer
	before func()
}

func (s signing) Sign(msg []byte) ([]byte, error) {
	s.before()
	return s.Signer.Sign(msg)
}

// Whoever is erased while a bundle is written is no fault of the caller, who
// may try again; a key that is gone without an erasure is a fault of the server.
func TestDownloadExportWhileAKeyGoes(t *testing.T) {
	for name, tt := range map[string]struct {
		happen func(*world)
		code   codes.Code
		reason string
	}{
		"erased meanwhile": {func(w *world) {
			_, err := w.participants().RecordWithdrawal(w.as("tc-osl"), &loddv1.RecordWithdrawalRequest{
				TrialId: "T1", RequestId: w.id(), Participant: "S-1", Scope: "data", Reason: "not-given", Confirm: "S-1",
			})
			w.must(err)
		}, codes.ResourceExhausted, "BUSY"},
		"destroyed by nobody": {func(w *world) { w.must(w.vault.Destroy(w.t.Context(), "T1/participant/S-1")) }, codes.Internal, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var w *world
			happen := func() {}
			w = newTrial(t, func(c *server.Config) {
				k := *c.Keys
				k.ExportSigner = signing{k.ExportSigner, func() { happen(); happen = func() {} }}
				c.Keys = &k
			})
			w.randomize("S-1", "OSL")
			w.takeLock()
			w.as("tc-osl")
			happen = func() { tt.happen(w) }
			_, _, _, err := w.download("dm", 1)
			refused(t, err, tt.code, tt.reason)
			if line := w.lastLine(); tt.code == codes.Internal && line["level"] != "error" {
				t.Errorf("line = %v", line)
			}
		})
	}
}
