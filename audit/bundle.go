package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

const (
	// ManifestSchema is the schema of manifests that this package writes.
	ManifestSchema = "lodd.manifest/1"

	manifestName  = "manifest.json"
	signatureName = "manifest.sig"
	bundleHeading = "lodd bundle v1"
)

// Limits of a bundle, checked before anything of that size is read.
const (
	// MaxMembers is the most files in a bundle.
	MaxMembers = 4096

	// MaxBundleBytes is the most bytes in all files of a bundle: what a ZIP
	// file can hold without extensions that not every reader knows.
	MaxBundleBytes = 1<<32 - 1<<25

	maxManifest  = 16 << 20
	maxSignature = 64 << 10
	maxMember    = 200 // bytes in a name
)

// A Member is a file of a bundle.
type Member struct {
	// Name is its path in the bundle, with "/" between folders.
	Name string

	// Format says what it holds, for example "odm-1.3.2".
	Format string

	// Records is the number of rows or records in it.
	Records int64

	// Open returns its content. It is called twice and must give the same
	// bytes each time, so that nothing is held in memory.
	Open func() (io.ReadCloser, error)
}

// Bytes returns a Member.Open for content that is in memory.
func Bytes(content []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
}

// A Manifest says what a bundle holds and of what state of the log it was made.
// It is the file manifest.json of the bundle.
type Manifest struct {
	// Schema is [ManifestSchema]; WriteBundle sets it.
	Schema string `json:"schema"`

	// Study is the trial's name.
	Study string `json:"study"`

	// View says for whom the bundle is: pooled; or unsealed, for whoever checks
	// the randomization.
	View string `json:"view"`

	// Blinded is true if nothing in the bundle depends on an arm.
	Blinded bool `json:"blinded"`

	// Lock is the lock of which the bundle is a function.
	Lock Lock `json:"lock"`

	// CreatedAt is the time of the lock, or of the unsealing, RFC 3339 in UTC: the
	// same lock gives the same bundle for ever.
	CreatedAt string `json:"created_at"`

	// Producer is the program that wrote the bundle.
	Producer Producer `json:"producer"`

	// Compartments are the heads of the lists that the bundle was made of.
	Compartments []Compartment `json:"compartments"`

	// RevisedBy names the erasures since the lock: the bundle lacks what they
	// destroyed.
	RevisedBy []string `json:"revised_by"`

	// Files are the members, in the order in which they lie in the bundle.
	// WriteBundle sets them.
	Files []File `json:"files"`
}

// A Lock names a lock.
type Lock struct {
	// Number counts the locks of a trial from 1.
	Number int64 `json:"number"`

	// ID is the lock's name.
	ID string `json:"id"`

	// At is when it was made, RFC 3339 in UTC.
	At string `json:"at"`
}

// A Producer is a program.
type Producer struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// A Compartment is the head of a list of the log.
type Compartment struct {
	// List is the list's name.
	List string `json:"list"`

	// Size is the number of entries that the lock covers.
	Size int64 `json:"size"`

	// Root is the root of the tree over them, in base64.
	Root string `json:"root"`
}

// A File describes a member.
type File struct {
	Name    string `json:"name"`
	SHA256  string `json:"sha256"` // in hex
	Bytes   int64  `json:"bytes"`
	Records int64  `json:"records"`
	Format  string `json:"format"`
}

// encode returns the one JSON form of a manifest.
func (m Manifest) encode() ([]byte, error) {
	m.Schema = ManifestSchema
	// An empty list is [], whether it was nil or not.
	m.Compartments = append([]Compartment{}, m.Compartments...)
	m.RevisedBy = append([]string{}, m.RevisedBy...)
	m.Files = append([]File{}, m.Files...)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return nil, fmt.Errorf("audit: encode manifest: %w", err)
	}
	if b.Len() > maxManifest {
		return nil, fmt.Errorf("audit: manifest of %d bytes, at most %d are allowed", b.Len(), maxManifest)
	}
	return b.Bytes(), nil
}

// bundleText is what is signed.
func bundleText(manifest []byte) string {
	sum := sha256.Sum256(manifest)
	return bundleHeading + "\n" + base64.StdEncoding.EncodeToString(sum[:]) + "\n"
}

// checkMember returns an error unless name is a plain relative path that means
// the same on every system.
func checkMember(name string) error {
	bad := strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./", r)
	})
	if name == "" || len(name) > maxMember || bad >= 0 {
		return fmt.Errorf("name of member %q: want 1 to %d letters, digits and - _ . /", name, maxMember)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".") {
			return fmt.Errorf("name of member %q: no part of a path may be empty, or begin or end with a dot", name)
		}
	}
	return nil
}
