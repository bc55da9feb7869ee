package entry

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lodd-rct/lodd/server/trial"
)

// fields are the fields of a message, one after another. A field that comes
// twice holds what it held last, as in the standard library.
//
// Source: Protocol Buffers (2024), Encoding.
type fields struct {
	rest  []byte
	words *words
	bad   bool // something is not as expected; there are no more fields then

	number uint64
	kind   protowire.Type
	value  uint64 // of a varint
	data   []byte // of text, bytes and messages
}

// next goes to the next field, if there is one.
func (f *fields) next() bool {
	if f.bad || len(f.rest) == 0 {
		return false
	}
	tag := f.consume()
	f.number, f.kind = tag>>3, protowire.Type(tag&7)
	f.value = f.consume()
	switch f.kind {
	case protowire.VarintType:
	case protowire.BytesType:
		if f.value > uint64(len(f.rest)) {
			f.bad = true
			return false
		}
		f.data, f.rest = f.rest[:f.value:f.value], f.rest[f.value:]
	default:
		f.bad = true
	}
	return !f.bad
}

// consume takes a varint, which is mostly of one byte: so is a tag, and a length.
func (f *fields) consume() uint64 {
	if len(f.rest) > 0 && f.rest[0] < 0x80 {
		v := f.rest[0]
		f.rest = f.rest[1:]
		return uint64(v)
	}
	v, n := protowire.ConsumeVarint(f.rest)
	if n < 0 {
		f.bad = true
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

func (f *fields) varint() uint64 {
	f.bad = f.bad || f.kind != protowire.VarintType
	return f.value
}

func (f *fields) bytes() []byte {
	if f.kind != protowire.BytesType {
		f.bad = true
		return nil
	}
	return f.data
}

// exactly returns n bytes.
func (f *fields) exactly(n int) []byte {
	b := f.bytes()
	f.bad = f.bad || len(b) != n
	return b
}

// text returns a text of which there are many.
func (f *fields) text() string {
	b := f.bytes()
	f.bad = f.bad || !utf8.Valid(b)
	return string(b)
}

// only returns the text of a message that has no other field.
func (f *fields) only() (text string) {
	for f.next() {
		f.bad = f.bad || f.number != 1
		text = f.text()
	}
	return text
}

// word returns a text that many entries share.
func (f *fields) word() string {
	s, ok := f.words.text(f.bytes())
	f.bad = f.bad || !ok
	return s
}

func (f *fields) date() trial.Date {
	d, ok := f.words.date(f.bytes())
	f.bad = f.bad || !ok
	return d
}
