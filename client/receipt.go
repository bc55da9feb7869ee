package client

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A Receipt is what the server promised: an entry with this hash stands at this
// place of the log.
type Receipt struct {
	List  string `json:"list"`
	Index int64  `json:"index"`
	Leaf  leaf   `json:"leaf_hash"`

	// Request is what it was given for.
	Request Request `json:"request,omitzero"`
}

// A leaf is the hash of an entry. In JSON it is hexadecimal, as the sealing
// record and the command line write it.
type leaf tlog.Hash

// MarshalText implements encoding.TextMarshaler.
func (l leaf) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(l[:])), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *leaf) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != tlog.HashSize || hex.EncodeToString(b) != string(text) {
		return fmt.Errorf("a leaf hash is %d bytes in small hexadecimal digits", tlog.HashSize)
	}
	*l = leaf(b)
	return nil
}

// trial returns the trial whose compartment it is of: what comes before the last
// slash of the list, or for that of accounts the trial of the request; empty if
// there is none.
func (r Receipt) trial() string {
	if r.List == system {
		return r.Request.Trial
	}
	return r.List[:max(strings.LastIndexByte(r.List, '/'), 0)]
}

// compartment returns which compartment of the trial that is.
func (r Receipt) compartment() string { return strings.TrimPrefix(r.List, r.trial()+"/") }

func (r Receipt) check() error {
	switch {
	case r.trial() == "" || r.List != system && !slices.Contains(compartments, r.compartment()):
		return fmt.Errorf("the receipt is of the list %q, which is no compartment of a trial", r.List)
	case r.Index < 0:
		return fmt.Errorf("the receipt is of entry %d", r.Index)
	}
	return nil
}

// placed reports that what was asked for can't stand in the list of the receipt.
func (r Receipt) placed() error {
	if kind := r.Request.Kind; kind != "" && !slices.Contains(compartmentsOf(kind), r.compartment()) {
		return fmt.Errorf("the receipt is of %s, where no entry %q stands", r.List, kind)
	}
	return nil
}

// openReceipt reads a receipt as the server sends it, given for a request.
func openReceipt(m *loddv1.Receipt, q Request) (Receipt, error) {
	r := Receipt{List: m.GetList(), Index: m.GetIndex(), Request: q}
	if len(m.GetLeafHash()) != tlog.HashSize {
		return r, fmt.Errorf("the receipt has a leaf hash of %d bytes", len(m.GetLeafHash()))
	}
	r.Leaf = leaf(m.GetLeafHash())
	return r, r.check()
}

const receiptSuffix = ".receipt"

// pendingReceipt is a file of a receipt that is still to be checked.
type pendingReceipt struct {
	Schema string `json:"schema"`
	Pin    string `json:"pin"`
	Receipt
	Kept int64 `json:"kept_unix,omitempty"` // when, seconds since 1970; 0 if there was no clock
}

const receiptSchema = "lodd.receipt/1"

// parsePending reads such a file, strictly: half a receipt must not be believed.
func parsePending(b []byte) (pendingReceipt, error) {
	var p pendingReceipt
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return pendingReceipt{}, err
	}
	if d.More() || p.Schema != receiptSchema {
		return pendingReceipt{}, errors.New("it is no receipt of version 1")
	}
	return p, p.check()
}

// receiptPath returns the file of a receipt. Its name is a digest, because the
// names of lists come from the server. One receipt given for two requests is two
// files: what each was given for is to be checked.
func (m memory) receiptPath(r Receipt) string {
	q := r.Request
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%x\n%q\n%q\n%q\n%q\n%t",
		m.pin, r.List, r.Index, r.Leaf[:], q.ID, q.Actor, q.Kind, q.Participant+q.Trial+q.Grant, q.Repeated))
	return filepath.Join(m.dir, hex.EncodeToString(sum[:16])+receiptSuffix)
}

// keep keeps a receipt, from a time on, until it is checked.
func (m memory) keep(r Receipt, at int64) error {
	b, err := json.Marshal(pendingReceipt{receiptSchema, m.pin, r, at})
	if err == nil {
		err = writePrivate(m.receiptPath(r), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("client: keep the receipt: %w", err)
	}
	return nil
}

// drop forgets a receipt that was checked.
func (m memory) drop(r Receipt) error {
	if err := os.Remove(m.receiptPath(r)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("client: drop the receipt: %w", err)
	}
	return nil
}

// pending returns the receipts of a trial that are still to be checked, in the
// order of the log.
func (m memory) pending(trial string) ([]pendingReceipt, error) {
	var receipts []pendingReceipt
	err := m.files(receiptSuffix, func(path string, b []byte) error {
		p, err := parsePending(b)
		if err != nil {
			return fmt.Errorf("client: %s can't be read: %w; move it away", path, err)
		}
		if p.Pin == m.pin && p.trial() == trial {
			receipts = append(receipts, p)
		}
		return nil
	})
	slices.SortFunc(receipts, func(a, b pendingReceipt) int {
		if a.List != b.List {
			return strings.Compare(a.List, b.List)
		}
		return int(min(max(a.Index-b.Index, -1), 1))
	})
	return receipts, err
}

// files calls f for each file of the memory with a suffix.
func (m memory) files(suffix string, f func(path string, data []byte) error) error {
	entries, err := os.ReadDir(m.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("client: read what was seen: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(m.dir, e.Name())
		if filepath.Ext(path) != suffix {
			continue // of another kind, or one that is being written
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // dropped meanwhile
		}
		if err != nil {
			return fmt.Errorf("client: read what was seen: %w", err)
		}
		if err := f(path, b); err != nil {
			return err
		}
	}
	return nil
}
