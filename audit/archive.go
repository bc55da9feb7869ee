package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	// ArchiveSchema is the schema of archives that this package writes.
	ArchiveSchema = "lodd.archive/1"

	archiveName = "archive.json"

	maxAbout    = 64 << 10 // bytes of archive.json
	maxLists    = 16
	perList     = 3 // members
	maxOrigin   = 200
	maxTrial    = 32
	wholeMember = -1 // the index of what is wrong with no entry in particular
)

// An Archive says what an archive holds: the signed heads of lists of one log,
// the hashes of all their entries, and those entries that its reader may read.
// It is the file archive.json of the archive.
type Archive struct {
	// Schema is [ArchiveSchema]; WriteArchive sets it.
	Schema string `json:"schema"`

	// Origin names the instance; see [Config].
	Origin string `json:"origin"`

	// Trial is the trial whose lists they are.
	Trial string `json:"trial"`

	// Key is the verifier key of the log. A key that lies in an archive proves
	// nothing by itself: whoever forges the one forges the other.
	Key string `json:"key"`

	// Lists are the lists, sorted by name. WriteArchive sets them.
	Lists []ArchivedList `json:"lists"`
}

// An ArchivedList says how much of a list is in an archive.
type ArchivedList struct {
	// List is the list's name.
	List string `json:"list"`

	// Size is the number of entries of the list as its checkpoint has it.
	Size int64 `json:"size"`

	// Entries is how many of them are in the archive.
	Entries int64 `json:"entries"`
}

// Whole reports whether every entry of the list is in the archive.
func (l ArchivedList) Whole() bool { return l.Entries == l.Size }

// A Copy is what an archive is to hold of a list.
type Copy struct {
	ArchivedList

	// Checkpoint is the signed checkpoint of Size.
	Checkpoint []byte

	// Leaves returns the leaf hashes of the first Size entries, and Records
	// the entries as AppendRecord writes them. Both are called twice, as
	// [Member].Open is.
	Leaves, Records func() (io.ReadCloser, error)
}

// WriteArchive writes copies of lists, sorted by name, as one ZIP file. The same
// arguments give the same bytes for ever. It believes what it is given: whoever
// writes an archive reads it with [ReadArchive] before handing it out.
func WriteArchive(w io.Writer, a Archive, copies []Copy) error {
	a.Schema, a.Lists = ArchiveSchema, nil
	for _, c := range copies {
		a.Lists = append(a.Lists, c.ArchivedList)
	}
	about, err := a.encode()
	if err != nil {
		return err
	}
	if err := a.check(); err != nil {
		return fmt.Errorf("audit: write archive: %w", err)
	}
	members := []Member{{Name: archiveName, Open: Bytes(about)}}
	for _, c := range copies {
		members = append(members,
			Member{Name: c.List + "/checkpoint", Open: Bytes(c.Checkpoint)},
			Member{Name: c.List + "/leaves", Open: c.Leaves},
			Member{Name: c.List + "/entries", Open: c.Records})
	}
	described, err := describe(members)
	if err != nil {
		return fmt.Errorf("audit: write archive: %w", err)
	}
	z := &zipWriter{w: w}
	if err := z.copyAll(members, described); err != nil {
		return fmt.Errorf("audit: write archive: %w", err)
	}
	if err := z.close(); err != nil {
		return fmt.Errorf("audit: write archive: %w", err)
	}
	return nil
}

// encode returns the one JSON form of what an archive holds.
func (a Archive) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(a); err != nil {
		return nil, fmt.Errorf("audit: encode archive: %w", err)
	}
	return b.Bytes(), nil
}

// decodeArchive is the inverse of encode.
func decodeArchive(b []byte) (Archive, error) {
	var a Archive
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return Archive{}, fmt.Errorf("%s can't be read: %w", archiveName, err)
	}
	if a.Schema != ArchiveSchema {
		return Archive{}, fmt.Errorf("the schema of %s is %q, this program knows %q", archiveName, a.Schema, ArchiveSchema)
	}
	if again, err := a.encode(); err != nil || !bytes.Equal(again, b) {
		return Archive{}, fmt.Errorf("%s isn't written as it always is", archiveName)
	}
	return a, a.check()
}

// check reports what no archive says of itself. Its texts are so narrow that
// there is one way to write them in JSON.
func (a Archive) check() error {
	if !plainASCII(a.Origin, maxOrigin) || strings.Contains(a.Origin, "+") {
		return fmt.Errorf("origin %q can't be that of an instance", a.Origin)
	}
	if !plainASCII(a.Trial, maxTrial) || strings.Trim(a.Trial, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return fmt.Errorf("%q can't be the name of a trial", a.Trial)
	}
	if _, err := NewVerifier(a.Key); err != nil || !plainASCII(a.Key, maxAbout) {
		return fmt.Errorf("%q is no key of a log", a.Key)
	}
	if len(a.Lists) < 1 || len(a.Lists) > maxLists {
		return fmt.Errorf("it has %d lists, want 1 to %d", len(a.Lists), maxLists)
	}
	for i, l := range a.Lists {
		if err := checkList(l.List); err != nil {
			return err
		}
		if i > 0 && a.Lists[i-1].List >= l.List {
			return fmt.Errorf("list %s isn't after %s", l.List, a.Lists[i-1].List)
		}
		if l.Entries < 0 || l.Entries > l.Size || l.Size > MaxBundleBytes/tlog.HashSize {
			return fmt.Errorf("list %s can't have %d of %d entries", l.List, l.Entries, l.Size)
		}
	}
	return nil
}

// plainASCII reports whether s has 1 to most bytes, all of them printable ASCII
// and no space.
func plainASCII(s string, most int) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= most
}

// An ArchiveError says what is wrong with an archive.
type ArchiveError struct {
	// List is the list that is wrong, or empty if the archive around the lists
	// is.
	List string

	// Index is the index of the first wrong entry, or -1 if no single entry is.
	Index int64

	// Reason says what is wrong.
	Reason string
}

// Error implements error.
func (e *ArchiveError) Error() string {
	switch {
	case e.List == "":
		return "audit: archive: " + e.Reason
	case e.Index < 0:
		return fmt.Sprintf("audit: archive: list %s: %s", e.List, e.Reason)
	default:
		return fmt.Sprintf("audit: archive: entry %d of %s: %s", e.Index, e.List, e.Reason)
	}
}

// asArchive says of an archive what was said of the ZIP file.
func asArchive(err error) error {
	if wrong, ok := errors.AsType[*BundleError](err); ok {
		return &ArchiveError{"", wholeMember, wrong.Reason}
	}
	return err
}
