package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lodd-rct/lodd/audit/store"
)

// format names the format of a backup. A later version of the program reads it.
const format = "lodd backup 1"

// The members of a backup, in this order.
const (
	manifestName = "backup.json"
	storeName    = "lodd.db"
)

// maxManifest is the most bytes of a manifest that are read: about 100,000 lists.
const maxManifest = 64 << 20

// A Manifest says what a backup holds.
type Manifest struct {
	// Format is "lodd backup 1".
	Format string `json:"format"`

	// Program is the version of the program that wrote it.
	Program string `json:"program"`

	// Time is when the snapshot was begun, UTC in full seconds. It holds what was
	// durable then, and perhaps a little more.
	Time time.Time `json:"time"`

	// Origin is the origin of the log.
	Origin string `json:"origin"`

	// Size and SHA256 are of the snapshot; the digest is in hexadecimal.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`

	// Lists are the lists of the log in the snapshot, sorted by name.
	Lists []Head `json:"lists"`
}

// A Head is the head of a list.
type Head struct {
	// List is its name, and Size the number of its entries.
	List string `json:"list"`
	Size int64  `json:"size"`

	// Root is the root of its tree in base64, and Checkpoint the signed note
	// that says so (C2SP tlog-checkpoint).
	Root       string `json:"root"`
	Checkpoint string `json:"checkpoint"`
}

// Entries returns the number of entries in all lists.
func (m Manifest) Entries() (n int64) {
	for _, h := range m.Lists {
		n += h.Size
	}
	return n
}

// marshal returns the manifest as it stands in a backup.
func (m Manifest) marshal() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}

// parseManifest is the inverse of marshal. It knows the shape of a manifest, not
// whether it is true.
func parseManifest(b []byte) (Manifest, error) {
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // half a manifest must not be believed
	if err := d.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", manifestName, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Manifest{}, errors.New(manifestName + ": more follows the object")
	}
	return m, m.check()
}

func (m Manifest) check() error {
	switch {
	case m.Format != format:
		return fmt.Errorf("%s: it has the format %q, this program reads %q", manifestName, m.Format, format)
	case m.Size < 0 || len(m.SHA256) != 64 || m.Time.IsZero() || m.Origin == "":
		return errors.New(manifestName + ": size, digest, time or origin is missing")
	}
	for i, h := range m.Lists {
		switch {
		case h.List == "" || len(h.List) > store.MaxName || h.Size < 1 || h.Checkpoint == "":
			return fmt.Errorf("%s: list %d has no name, no entries or no checkpoint", manifestName, i)
		case i > 0 && m.Lists[i-1].List >= h.List:
			return fmt.Errorf("%s: list %s comes after %s", manifestName, h.List, m.Lists[i-1].List)
		}
	}
	return nil
}
