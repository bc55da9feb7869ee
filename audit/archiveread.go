package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"iter"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// An ArchiveReader reads the lists of an archive that is in order.
type ArchiveReader struct {
	Archive

	// Cosignatures are those of known witnesses below the checkpoint of each
	// list, by name.
	Cosignatures map[string][]Cosignature

	// Unknown is how many further signatures stand below the checkpoint of each
	// list. Whoever hands the archive on can have written them: they say
	// nothing.
	Unknown map[string]int

	zip       *zipReader
	witnesses []*CosignatureVerifier
}

// HasArchive reports whether a file of size bytes was written as an archive,
// whatever has become of it since. It reads the two places where the name of the
// first member stands, and believes either.
func HasArchive(r io.ReaderAt, size int64) bool {
	b := make([]byte, localSize+len(archiveName))
	if _, err := r.ReadAt(b, 0); err == nil && string(b[localSize:]) == archiveName {
		return true
	}
	z, err := readZip(r, size, 1+perList*maxLists)
	return err == nil && z.entries[0].name == archiveName
}

// ReadArchive checks an archive of size bytes: every byte of its structure is
// the one that [WriteArchive] wrote, one of the verifiers has signed each head,
// the hashes of each list add up to it, and the entries have these hashes. What
// the entries say isn't looked at. Without verifiers it takes the archive's own
// key; the caller has to say that this proves nothing about who wrote it. A
// signature that bears the name and hash of one of the witnesses and isn't its
// own is refused. Memory doesn't grow with the size of the archive.
//
// What is wrong with the archive is an *[ArchiveError]; any other error is one
// of reading r.
func ReadArchive(r io.ReaderAt, size int64, verifiers note.Verifiers, witnesses ...*CosignatureVerifier) (*ArchiveReader, error) {
	z, err := readZip(r, size, 1+perList*maxLists)
	if err != nil {
		return nil, asArchive(err)
	}
	a := &ArchiveReader{zip: z, Cosignatures: map[string][]Cosignature{}, Unknown: map[string]int{}, witnesses: witnesses}
	if err := a.open(); err != nil {
		return nil, asArchive(err)
	}
	if verifiers == nil {
		own, _ := NewVerifier(a.Key) // was checked
		verifiers = note.VerifierList(own)
	}
	for i := range a.Lists {
		if err := a.verify(i, verifiers); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Entries yields the entries of a list that are in the archive, by ascending
// index, and nothing for a list that isn't. After an error, which is one of
// reading, it ends.
func (a *ArchiveReader) Entries(list string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		i := slices.IndexFunc(a.Lists, func(l ArchivedList) bool { return l.List == list })
		if i < 0 {
			return
		}
		records := &recordReader{r: bufio.NewReaderSize(a.zip.content(a.members(i)[2]), 1<<16), list: a.Lists[i]}
		for range a.Lists[i].Entries {
			record, err := records.next()
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// members returns checkpoint, leaves and entries of list i.
func (a *ArchiveReader) members(i int) []zipEntry {
	return a.zip.entries[1+perList*i : 1+perList*(i+1)]
}

// open checks all that lies around the content of the lists.
func (a *ArchiveReader) open() error {
	if err := a.zip.checkFrame(); err != nil {
		return err
	}
	first := a.zip.entries[0]
	if first.name != archiveName || first.size > maxAbout {
		return structure(fmt.Sprintf("it begins with %q of %d bytes, want %s of at most %d", first.name, first.size, archiveName, maxAbout))
	}
	about, err := a.zip.read(localSize+int64(len(archiveName)), first.size)
	if err != nil {
		return err
	}
	if crc32.ChecksumIEEE(about) != first.crc {
		return structure("the checksum of " + archiveName + " is wrong")
	}
	if a.Archive, err = decodeArchive(about); err != nil {
		return structure(err.Error())
	}
	return a.checkMembers()
}

// checkMembers compares the members with archive.json.
func (a *ArchiveReader) checkMembers() error {
	if len(a.zip.entries) != 1+perList*len(a.Lists) {
		return structure(fmt.Sprintf("it has %d members, %d lists need %d", len(a.zip.entries), len(a.Lists), 1+perList*len(a.Lists)))
	}
	for i, l := range a.Lists {
		for j, name := range []string{"/checkpoint", "/leaves", "/entries"} {
			if have := a.members(i)[j].name; have != l.List+name {
				return structure(fmt.Sprintf("%q is in the place of %s%s", have, l.List, name))
			}
		}
		if bytes := a.members(i)[1].size; bytes != l.Size*tlog.HashSize {
			return structure(fmt.Sprintf("%s/leaves has %d bytes, %d entries need %d", l.List, bytes, l.Size, l.Size*tlog.HashSize))
		}
	}
	return nil
}

// checkFrame compares headers and directory with what a zipWriter writes,
// save that the checksums are those of the directory: whether they are right,
// whoever reads the content finds out.
func (z *zipReader) checkFrame() error {
	at := int64(0)
	for _, e := range z.entries {
		header := e.local()
		have, err := z.read(at, int64(len(header)))
		if err != nil {
			return err
		}
		if e.offset != at || !bytes.Equal(have, header) {
			return structure(fmt.Sprintf("the header of %q isn't the one that was written", e.name))
		}
		at += int64(len(header)) + e.size
	}
	if at != z.start || !bytes.Equal(directory(z.entries, at), z.directory) {
		return structure("the directory isn't the one that was written")
	}
	return nil
}

// verify checks one list: its head, its hashes, its entries, and at last the
// checksums, so that a changed byte is found where it does harm.
func (a *ArchiveReader) verify(i int, verifiers note.Verifiers) error {
	l, members := a.Lists[i], a.members(i)
	head, err := a.checkpoint(l, members[0], verifiers)
	if err != nil {
		return err
	}
	sums := [perList]hash.Hash32{crc32.NewIEEE(), crc32.NewIEEE(), crc32.NewIEEE()}
	if err := a.addUp(head, l, io.TeeReader(a.zip.content(members[1]), sums[1])); err != nil {
		return err
	}
	if err := a.compareEntries(l, a.zip.content(members[1]), io.TeeReader(a.zip.content(members[2]), sums[2])); err != nil {
		return err
	}
	if _, err := io.Copy(sums[0], a.zip.content(members[0])); err != nil {
		return reading(l, err)
	}
	for j, sum := range sums {
		if sum.Sum32() != members[j].crc {
			return &ArchiveError{l.List, wholeMember, "the checksum of " + members[j].name + " is wrong"}
		}
	}
	return nil
}

// checkpoint opens the head of a list.
func (a *ArchiveReader) checkpoint(l ArchivedList, member zipEntry, verifiers note.Verifiers) (Checkpoint, error) {
	wrong := func(reason string) (Checkpoint, error) {
		return Checkpoint{}, &ArchiveError{l.List, wholeMember, reason}
	}
	if member.size > maxCheckpoint {
		return wrong(fmt.Sprintf("its checkpoint has %d bytes, at most %d are allowed", member.size, maxCheckpoint))
	}
	signed, err := io.ReadAll(a.zip.content(member))
	if err != nil {
		return Checkpoint{}, reading(l, err)
	}
	head, err := OpenCheckpoint(signed, verifiers)
	if err != nil {
		return wrong("its checkpoint isn't signed with the key of the log: " + err.Error())
	}
	if want := a.Origin + "/" + l.List; head.Origin != want || head.Size != l.Size {
		return wrong(fmt.Sprintf("its checkpoint is of %d entries of %s, want %d of %s", head.Size, head.Origin, l.Size, want))
	}
	if err := a.cosigners(l, signed, verifiers); err != nil {
		return wrong(err.Error())
	}
	return head, nil
}

// cosigners tells the signatures of known witnesses, below a checkpoint that the
// log has signed, from those that anybody can have written there.
func (a *ArchiveReader) cosigners(l ArchivedList, signed []byte, verifiers note.Verifiers) error {
	n, err := note.Open(signed, verifiers)
	if err != nil {
		return err
	}
	log, err := verifiers.Verifier(n.Sigs[0].Name, n.Sigs[0].Hash)
	if err != nil {
		return err
	}
	c, err := OpenCosigned(signed, log, a.witnesses...)
	if err != nil {
		return err
	}
	if len(c.Cosignatures) > 0 {
		a.Cosignatures[l.List] = c.Cosignatures
	}
	if unknown := len(n.UnverifiedSigs) - len(c.Cosignatures); unknown > 0 {
		a.Unknown[l.List] = unknown
	}
	return nil
}

// addUp compares the root of the leaves with that of the head.
func (a *ArchiveReader) addUp(head Checkpoint, l ArchivedList, leaves io.Reader) error {
	var tree Tree
	r := bufio.NewReaderSize(leaves, 1<<16)
	for range l.Size {
		var leaf tlog.Hash
		if _, err := io.ReadFull(r, leaf[:]); err != nil {
			return reading(l, err)
		}
		tree.Add(leaf)
	}
	if root := tree.Root(); root != head.Root {
		return &ArchiveError{l.List, wholeMember, fmt.Sprintf("its hashes add up to %v, but the root that was signed is %v", root, head.Root)}
	}
	return nil
}

// compareEntries compares the entries with their leaves.
func (a *ArchiveReader) compareEntries(l ArchivedList, leaves *io.SectionReader, entries io.Reader) error {
	records := &recordReader{r: bufio.NewReaderSize(entries, 1<<16), list: l}
	hashes := bufio.NewReaderSize(leaves, 1<<16)
	next := int64(0) // the index of the leaf that hashes is at
	for range l.Entries {
		record, err := records.next()
		if err != nil {
			return err
		}
		if skip := record.Index - next; skip > int64(hashes.Size()/tlog.HashSize) {
			if _, err := leaves.Seek(record.Index*tlog.HashSize, io.SeekStart); err != nil {
				return reading(l, err)
			}
			hashes.Reset(leaves)
		} else if _, err := hashes.Discard(int(skip) * tlog.HashSize); err != nil {
			return reading(l, err)
		}
		var leaf tlog.Hash
		if _, err := io.ReadFull(hashes, leaf[:]); err != nil {
			return reading(l, err)
		}
		next = record.Index + 1
		if Leaf(record.Entry) != leaf {
			return &ArchiveError{l.List, record.Index, "it isn't the entry whose hash was signed"}
		}
	}
	switch _, err := records.r.ReadByte(); {
	case err == nil:
		return &ArchiveError{l.List, wholeMember, fmt.Sprintf("it has more than the %d entries that it says", l.Entries)}
	case !errors.Is(err, io.EOF):
		return reading(l, err)
	}
	return nil
}

// reading says which list couldn't be read.
func reading(l ArchivedList, err error) error {
	return fmt.Errorf("audit: read archive: list %s: %w", l.List, err)
}
