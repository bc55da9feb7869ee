package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// WriteBundle writes the members and a manifest of them, signed, as one ZIP
// file. The same arguments give the same bytes for ever: members aren't
// compressed, lie in the order given, and carry no times. Memory doesn't grow
// with their size. The schema and the files of m are set here.
func WriteBundle(w io.Writer, m Manifest, members []Member, signer note.Signer) error {
	described, err := describe(members)
	if err != nil {
		return fmt.Errorf("audit: write bundle: %w", err)
	}
	m.Files = nil
	for _, d := range described {
		m.Files = append(m.Files, d.File)
	}
	manifest, err := m.encode()
	if err != nil {
		return err
	}
	signature, err := note.Sign(&note.Note{Text: bundleText(manifest)}, signer)
	if err != nil {
		return fmt.Errorf("audit: sign bundle: %w", err)
	}
	z := &zipWriter{w: w}
	if err := z.copyAll(members, described); err != nil {
		return fmt.Errorf("audit: write bundle: %w", err)
	}
	if err := errors.Join(z.add(manifestName, manifest), z.add(signatureName, signature), z.close()); err != nil {
		return fmt.Errorf("audit: write bundle: %w", err)
	}
	return nil
}

// A described is a member that was read once.
type described struct {
	File
	crc uint32
}

// describe reads the members for the first time.
func describe(members []Member) ([]described, error) {
	if len(members) > MaxMembers {
		return nil, fmt.Errorf("%d members, at most %d are allowed", len(members), MaxMembers)
	}
	out := make([]described, 0, len(members))
	seen := map[string]bool{manifestName: true, signatureName: true}
	total := int64(0)
	for _, member := range members {
		if err := checkMember(member.Name); err != nil {
			return nil, err
		}
		fold := strings.ToLower(member.Name) // some file systems can't hold both
		if seen[fold] {
			return nil, fmt.Errorf("member %s occurs twice", member.Name)
		}
		seen[fold] = true
		d, err := describeOne(member)
		if err != nil {
			return nil, fmt.Errorf("read member %s: %w", member.Name, err)
		}
		if total += d.Bytes; total > MaxBundleBytes {
			return nil, fmt.Errorf("more than %d bytes, which one file can't hold", int64(MaxBundleBytes))
		}
		out = append(out, d)
	}
	return out, nil
}

func describeOne(member Member) (described, error) {
	r, err := member.Open()
	if err != nil {
		return described{}, err
	}
	defer r.Close()
	sha, crc := sha256.New(), crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(sha, crc), io.LimitReader(r, MaxBundleBytes+1))
	if err != nil {
		return described{}, err
	}
	return described{crc: crc.Sum32(), File: File{
		Name: member.Name, SHA256: hex.EncodeToString(sha.Sum(nil)), Bytes: n,
		Records: member.Records, Format: member.Format,
	}}, nil
}
