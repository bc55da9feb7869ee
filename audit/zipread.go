package audit

import (
	"fmt"
	"io"
)

// A zipReader reads a ZIP file that a zipWriter may have written. What is wrong
// with its structure is a *[BundleError] that names no member.
type zipReader struct {
	r         io.ReaderAt
	size      int64
	directory []byte
	start     int64      // of the directory
	entries   []zipEntry // as the directory says, and not to be trusted
}

func structure(reason string) error { return &BundleError{Reason: reason} }

// readZip finds out where the members are, of which there are 1 to most.
func readZip(r io.ReaderAt, size, most int64) (*zipReader, error) {
	z := &zipReader{r: r, size: size}
	end, err := z.read(size-endSize, endSize)
	if err != nil {
		return nil, err
	}
	n, length, start := int64(little.Uint16(end[10:])), int64(little.Uint32(end[12:])), int64(little.Uint32(end[16:]))
	if little.Uint32(end) != endMagic || start+length+endSize != size {
		return nil, structure("its end isn't where it should be: the file was cut or something was added")
	}
	if n < 1 || n > most || length > n*(directorySize+maxMember) {
		return nil, structure(fmt.Sprintf("%d members in a directory of %d bytes are impossible", n, length))
	}
	if z.directory, err = z.read(start, length+endSize); err != nil {
		return nil, err
	}
	z.start = start
	for b := z.directory[:length]; len(b) > 0; {
		if len(b) < directorySize || len(b) < directorySize+int(little.Uint16(b[28:])) {
			return nil, structure("directory ends within a member")
		}
		name := b[directorySize : directorySize+int(little.Uint16(b[28:]))]
		z.entries = append(z.entries, zipEntry{
			name: string(name), crc: little.Uint32(b[16:]), size: int64(little.Uint32(b[24:])), offset: int64(little.Uint32(b[42:])),
		})
		b = b[directorySize+len(name):]
	}
	if int64(len(z.entries)) != n {
		return nil, structure("directory has another number of members than it says")
	}
	return z, nil
}

// read reads n bytes, which lie in the file unless its structure is wrong.
func (z *zipReader) read(at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || at > z.size || n > z.size-at {
		return nil, structure("it ends too early")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(z.r, at, n), b); err != nil {
		return nil, fmt.Errorf("audit: read: %w", err)
	}
	return b, nil
}

// content returns where the content of a member lies.
func (z *zipReader) content(e zipEntry) *io.SectionReader {
	return io.NewSectionReader(z.r, e.offset+localSize+int64(len(e.name)), e.size)
}
