package entry

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// macSize is the length of a code in bytes, of the 32 that HMAC-SHA-256 gives.
//
// Source: NIST SP 800-107 Rev. 1 (2012), section 5.3.3: whoever tries a forged
// code has one try an opening of the log, so 128 bits are plenty.
const macSize = 16

// MACOverhead is by how many bytes [Authenticate] makes an entry longer.
const MACOverhead = 3 + macSize

// macDomain begins what a code is over, so that no other use of the key makes
// one.
const macDomain = "lodd entry mac v1\n"

// macField is the tag of the field mac, number 100 with a length before it, and
// that length.
func macField() []byte { return []byte{0xa2, 0x06, macSize} }

// Authenticate returns body, which [Marshal] made, with the code that says that
// a holder of the key wrote it as entry index of list. The code is the last
// field of the message: [Unmarshal] and [Describe] read the result as body.
//
// Source: RFC 2104 (1997), FIPS 198-1 (2008), HMAC with SHA-256.
func Authenticate(body []byte, key [32]byte, list string, index int64) []byte {
	b := make([]byte, 0, len(body)+MACOverhead)
	b = append(append(b, body...), macField()...)
	return append(b, newCoder(key).code(body, list, index)...)
}

// Authentic reports whether [Authenticate] made b with the same key, list and
// index.
func Authentic(b []byte, key [32]byte, list string, index int64) bool {
	return newCoder(key).authentic(b, list, index)
}

// A coder makes codes: over the domain, the length (2 bytes, big endian) and text
// of the list's name, the index (8 bytes, big endian) and body.
type coder struct {
	mac   hash.Hash
	place []byte // all before the body
	sum   []byte
}

func newCoder(key [32]byte) *coder { return &coder{mac: hmac.New(sha256.New, key[:])} }

// Format implements [fmt.Formatter]: a coder holds a key.
func (*coder) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed") }

// code returns the code of an entry. The next call overwrites it.
func (c *coder) code(body []byte, list string, index int64) []byte {
	c.place = binary.BigEndian.AppendUint16(append(c.place[:0], macDomain...), uint16(len(list)))
	c.place = binary.BigEndian.AppendUint64(append(c.place, list...), uint64(index))
	c.mac.Reset()
	c.mac.Write(c.place)
	c.mac.Write(body)
	c.sum = c.mac.Sum(c.sum[:0])
	return c.sum[:macSize]
}

func (c *coder) authentic(b []byte, list string, index int64) bool {
	n := len(b) - MACOverhead
	if n < 0 || !bytes.HasPrefix(b[n:], macField()) {
		return false
	}
	return hmac.Equal(b[n+3:], c.code(b[:n], list, index))
}
