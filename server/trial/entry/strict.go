package entry

import (
	"bytes"
	"errors"
)

// Strict returns the entry that is stored as b, for readers who don't have the
// key of its code: they can't tell whether the code is right, but that there is
// one, and that b is to the byte what [Marshal] and [Authenticate] make of the
// entry. The same entry written in another way is refused, since other readers
// could read something else in it.
func Strict(b []byte) (Entry, error) {
	e, err := Unmarshal(b)
	if err != nil {
		return Entry{}, err
	}
	body, err := Marshal(e)
	if err != nil {
		return Entry{}, err
	}
	code, ok := bytes.CutPrefix(b, append(body, macField()...))
	if !ok || len(code) != macSize {
		return Entry{}, errors.New("entry: it isn't written as entries are, with a code at its end")
	}
	return e, nil
}
