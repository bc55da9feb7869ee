package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The ZIP file of a bundle or an archive is written here rather than by
// archive/zip: every byte of it is fixed by docs/log-format.md, in this version
// and in every later one, so that a reader can demand exactly these bytes.
//
// Source: PKWARE APPNOTE 6.3.10 (2022), sections 4.3.7, 4.3.12, 4.3.16.

// A zipEntry is a member of a ZIP file.
type zipEntry struct {
	name   string
	size   int64
	crc    uint32 // CRC-32 (IEEE) of the content
	offset int64  // of its local header
}

const (
	localMagic     = 0x04034b50
	directoryMagic = 0x02014b50
	endMagic       = 0x06054b50

	localSize     = 30 // of a local header without the name
	directorySize = 46 // of an entry of the directory without the name
	endSize       = 22

	zipVersion = 10       // 1.0: files that aren't compressed
	zipDate    = 1<<5 | 1 // 1 January 1980, which is as early as it can be
)

var little = binary.LittleEndian

// fields appends what a local header and an entry of the directory share: version needed,
// flags, method, time, date, checksum, both sizes, length of the name and of what
// follows it.
func (e zipEntry) fields(b []byte) []byte {
	for _, v := range []uint16{zipVersion, 0, 0, 0, zipDate} {
		b = little.AppendUint16(b, v)
	}
	b = little.AppendUint32(b, e.crc)
	b = little.AppendUint32(b, uint32(e.size))
	b = little.AppendUint32(b, uint32(e.size))
	b = little.AppendUint16(b, uint16(len(e.name)))
	return little.AppendUint16(b, 0)
}

// local returns the header before the content.
func (e zipEntry) local() []byte {
	b := little.AppendUint32(nil, localMagic)
	return append(e.fields(b), e.name...)
}

// central returns the entry of the directory.
func (e zipEntry) central() []byte {
	b := little.AppendUint32(nil, directoryMagic)
	b = e.fields(little.AppendUint16(b, zipVersion))
	b = append(b, make([]byte, 10)...) // no comment, disk 0, no attributes
	b = little.AppendUint32(b, uint32(e.offset))
	return append(b, e.name...)
}

// directory returns the end of the file: the directory, which begins at offset,
// and the record that ends it.
func directory(entries []zipEntry, offset int64) []byte {
	var b []byte
	for _, e := range entries {
		b = append(b, e.central()...)
	}
	size := len(b)
	b = little.AppendUint32(b, endMagic)
	b = little.AppendUint32(b, 0) // disks
	b = little.AppendUint16(b, uint16(len(entries)))
	b = little.AppendUint16(b, uint16(len(entries)))
	b = little.AppendUint32(b, uint32(size))
	b = little.AppendUint32(b, uint32(offset))
	return little.AppendUint16(b, 0) // no comment
}

// A zipWriter writes a ZIP file.
type zipWriter struct {
	w       io.Writer
	entries []zipEntry
	offset  int64
}

// copyAll reads members for the second time and writes them.
func (z *zipWriter) copyAll(members []Member, described []described) error {
	for i, member := range members {
		if err := z.copy(member, described[i]); err != nil {
			return fmt.Errorf("member %s: %w", member.Name, err)
		}
	}
	return nil
}

func (z *zipWriter) copy(member Member, d described) error {
	r, err := member.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	sha := sha256.New()
	e := zipEntry{name: d.Name, size: d.Bytes, crc: d.crc}
	if err := z.write(e, io.TeeReader(r, sha)); err != nil {
		return err
	}
	if hex.EncodeToString(sha.Sum(nil)) != d.SHA256 {
		return errors.New("it gave other bytes the second time")
	}
	return nil
}

func (z *zipWriter) add(name string, content []byte) error {
	e := zipEntry{name: name, size: int64(len(content)), crc: crc32.ChecksumIEEE(content)}
	return z.write(e, bytes.NewReader(content))
}

func (z *zipWriter) write(e zipEntry, r io.Reader) error {
	e.offset = z.offset
	local := e.local()
	if _, err := z.w.Write(local); err != nil {
		return err
	}
	n, err := io.Copy(z.w, io.LimitReader(r, e.size+1))
	if err != nil {
		return err
	}
	if n != e.size {
		return errors.New("it gave another number of bytes the second time")
	}
	z.offset += int64(len(local)) + n
	z.entries = append(z.entries, e)
	return nil
}

func (z *zipWriter) close() error {
	_, err := z.w.Write(directory(z.entries, z.offset))
	return err
}
