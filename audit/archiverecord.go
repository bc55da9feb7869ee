package audit

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// recordSize is how many bytes stand before the entry of a record.
const recordSize = 10

// A Record is an entry of an archive.
type Record struct {
	Index int64
	Entry []byte
}

// AppendRecord appends an entry to what Copy.Records returns: its index (8
// bytes) and its length (2 bytes), most significant byte first, and the entry,
// which has at most [store.MaxRecord] bytes.
func AppendRecord(b []byte, index int64, entry []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(index))
	b = binary.BigEndian.AppendUint16(b, uint16(len(entry)))
	return append(b, entry...)
}

// A recordReader reads the entries of a list, as AppendRecord wrote them.
type recordReader struct {
	r    *bufio.Reader
	list ArchivedList
	last int64 // the index before, plus 1
}

// next returns the next entry.
func (r *recordReader) next() (Record, error) {
	var head [recordSize]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return Record{}, r.cut(wholeMember, err)
	}
	index := binary.BigEndian.Uint64(head[:])
	if index < uint64(r.last) || index >= uint64(r.list.Size) {
		return Record{}, &ArchiveError{r.list.List, wholeMember, fmt.Sprintf("an entry has the index %d, want %d to %d", index, r.last, r.list.Size-1)}
	}
	record := Record{int64(index), make([]byte, binary.BigEndian.Uint16(head[8:]))}
	if _, err := io.ReadFull(r.r, record.Entry); err != nil {
		return Record{}, r.cut(record.Index, err)
	}
	r.last = record.Index + 1
	return record, nil
}

// cut tells entries that end too early from a file that can't be read.
func (r *recordReader) cut(index int64, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &ArchiveError{r.list.List, index, "its entries end too early"}
	}
	return reading(r.list, err)
}
