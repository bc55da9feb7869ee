package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"golang.org/x/mod/sumdb/note"
)

// A BundleError says what is wrong with a bundle.
type BundleError struct {
	// Member is the member that is wrong, extra or missing; it is empty if the
	// archive around the members is.
	Member string

	// Reason says what is wrong.
	Reason string
}

// Error implements error.
func (e *BundleError) Error() string {
	if e.Member == "" {
		return "audit: bundle: archive structure: " + e.Reason
	}
	return fmt.Sprintf("audit: bundle: member %q: %s", e.Member, e.Reason)
}

// VerifyBundle checks a bundle of size bytes and returns its manifest. One of
// the verifiers must have signed it, and every byte of the file must be the one
// that [WriteBundle] wrote: content, headers, times, order, and nothing before,
// between or after. Memory doesn't grow with the size of the members.
//
// What is wrong with the bundle is a *[BundleError]; any other error is one of
// reading r.
func VerifyBundle(r io.ReaderAt, size int64, verifiers note.Verifiers) (Manifest, error) {
	z, err := readZip(r, size, MaxMembers+2)
	if err != nil {
		return Manifest{}, err
	}
	v := &verifier{zipReader: z}
	m, err := v.readManifest(verifiers)
	if err != nil {
		return Manifest{}, err
	}
	if err := v.compareNames(m.Files); err != nil {
		return Manifest{}, err
	}
	if err := v.compareBytes(m.Files); err != nil {
		return Manifest{}, err
	}
	return m, nil
}

// A verifier reads a bundle.
type verifier struct {
	*zipReader
	last [2][]byte // manifest and signature
}

// readManifest reads the last two members and checks the signature.
func (v *verifier) readManifest(verifiers note.Verifiers) (Manifest, error) {
	if len(v.entries) < 2 {
		return Manifest{}, &BundleError{manifestName, "it is missing"}
	}
	last := v.entries[len(v.entries)-2:]
	for i, want := range []struct {
		name  string
		limit int64
	}{{manifestName, maxManifest}, {signatureName, maxSignature}} {
		e := last[i]
		if e.name != want.name {
			return Manifest{}, &BundleError{want.name, fmt.Sprintf("it is missing; %q is in its place", e.name)}
		}
		if e.size > want.limit {
			return Manifest{}, &BundleError{want.name, fmt.Sprintf("it has %d bytes, at most %d are allowed", e.size, want.limit)}
		}
		content, err := v.read(e.offset+localSize+int64(len(e.name)), e.size)
		if err != nil {
			return Manifest{}, err
		}
		v.last[i] = content
	}
	if err := checkSignature(v.last[1], bundleText(v.last[0]), verifiers); err != nil {
		return Manifest{}, err
	}
	return decodeManifest(v.last[0])
}

// checkSignature checks that the signature is of text, by one key, and written
// in the only way: base64 has several forms of the same bytes.
func checkSignature(signature []byte, text string, verifiers note.Verifiers) error {
	n, err := note.Open(signature, verifiers)
	if err != nil {
		if _, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
			return &BundleError{signatureName, "it was signed with a key that isn't known here"}
		}
		return &BundleError{signatureName, err.Error()}
	}
	if n.Text != text {
		return &BundleError{manifestName, "it isn't the one that was signed"}
	}
	if len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return &BundleError{signatureName, "want one signature"}
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64)
	canonical := text + "\n— " + n.Sigs[0].Name + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
	if err != nil || canonical != string(signature) {
		return &BundleError{signatureName, "it isn't written as signatures are"}
	}
	return nil
}

func decodeManifest(b []byte) (Manifest, error) {
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Manifest{}, &BundleError{manifestName, "it can't be read: " + err.Error()}
	}
	if m.Schema != ManifestSchema {
		return Manifest{}, &BundleError{manifestName, fmt.Sprintf("its schema is %q, this program knows %q", m.Schema, ManifestSchema)}
	}
	if again, err := m.encode(); err != nil || !bytes.Equal(again, b) {
		return Manifest{}, &BundleError{manifestName, "it isn't written as manifests are"}
	}
	return m, nil
}

// compareNames compares the directory with the manifest.
func (v *verifier) compareNames(files []File) error {
	want := map[string]bool{}
	for _, f := range files {
		if err := checkMember(f.Name); err != nil || want[f.Name] || f.Bytes < 0 {
			return &BundleError{manifestName, fmt.Sprintf("file %q can't be in a bundle", f.Name)}
		}
		want[f.Name] = true
	}
	have := map[string]bool{}
	for _, e := range v.entries[:len(v.entries)-2] {
		switch {
		case !want[e.name]:
			return &BundleError{e.name, "it is in the archive, but not in the manifest"}
		case have[e.name]:
			return &BundleError{e.name, "it is in the archive twice"}
		}
		have[e.name] = true
	}
	for i, f := range files {
		switch {
		case !have[f.Name]:
			return &BundleError{f.Name, "it is in the manifest, but not in the archive"}
		case v.entries[i].name != f.Name:
			return &BundleError{f.Name, fmt.Sprintf("%q is in its place", v.entries[i].name)}
		}
	}
	return nil
}

// compareBytes compares the whole file with what WriteBundle writes.
func (v *verifier) compareBytes(files []File) error {
	at := int64(0)
	var entries []zipEntry
	next := func(name string, size int64, sum string) error {
		e := zipEntry{name: name, size: size, offset: at}
		if err := v.compareMember(&e, sum); err != nil {
			return err
		}
		entries = append(entries, e)
		at += localSize + int64(len(name)) + size
		return nil
	}
	for _, f := range files {
		if err := next(f.Name, f.Bytes, f.SHA256); err != nil {
			return err
		}
	}
	for i, name := range []string{manifestName, signatureName} {
		sum := sha256.Sum256(v.last[i]) // was read where the directory says, which may be elsewhere
		if err := next(name, int64(len(v.last[i])), hex.EncodeToString(sum[:])); err != nil {
			return err
		}
	}
	if at != v.start || !bytes.Equal(directory(entries, at), v.directory) {
		return structure("the directory isn't the one that was written")
	}
	return nil
}

// compareMember compares the content of a member and the header before it.
func (v *verifier) compareMember(e *zipEntry, sum string) error {
	header, err := v.read(e.offset, localSize+int64(len(e.name)))
	if err != nil {
		return err
	}
	begin := e.offset + int64(len(header))
	if e.size > v.start-begin {
		return &BundleError{e.name, "it is shorter than the manifest says"}
	}
	sha, crc := sha256.New(), crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(sha, crc), io.NewSectionReader(v.r, begin, e.size))
	if err == nil && n != e.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("audit: read bundle: member %s: %w", e.name, err)
	}
	if hex.EncodeToString(sha.Sum(nil)) != sum {
		return &BundleError{e.name, "its content isn't what was signed"}
	}
	e.crc = crc.Sum32()
	if !bytes.Equal(header, e.local()) {
		return &BundleError{e.name, "its header isn't the one that was written"}
	}
	return nil
}
