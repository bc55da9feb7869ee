package vault

import (
	"bytes"
	"errors"
	"fmt"
)

// padMark ends the plain bytes; zeros follow it.
const padMark = 0x80

// Pad returns a copy of plain, padded to size bytes, so that sealed texts of
// different lengths can't be told apart. It is an error if plain has size bytes
// or more.
//
// Source: ISO/IEC 7816-4 (2020), padding with 80 and then 00.
func Pad(plain []byte, size int) ([]byte, error) {
	if len(plain) >= size {
		return nil, fmt.Errorf("vault: pad %d bytes to %d: at most %d fit", len(plain), size, max(size-1, 0))
	}
	out := make([]byte, size)
	copy(out, plain)
	out[len(plain)] = padMark
	return out, nil
}

// Unpad returns what was padded. The result shares memory with padded.
func Unpad(padded []byte) ([]byte, error) {
	plain := bytes.TrimRight(padded, "\x00")
	if len(plain) == 0 || plain[len(plain)-1] != padMark {
		return nil, errors.New("vault: unpad: the mark that ends the text is missing")
	}
	return plain[:len(plain)-1], nil
}
