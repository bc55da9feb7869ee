package instrument

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// tokens reads JSON token by token, since package encoding/json takes the last
// of two equal keys, ignores their case and repairs text that isn't UTF-8.
type tokens struct{ *json.Decoder }

// newTokens returns the tokens of data, which must be valid UTF-8 and not
// larger than limit bytes.
func newTokens(data []byte, limit int) (tokens, error) {
	if len(data) > limit {
		return tokens{}, fmt.Errorf("%d bytes, want at most %d", len(data), limit)
	}
	if !utf8.Valid(data) {
		return tokens{}, errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return tokens{d}, nil
}

// object reads an object and calls member for each key; member reads the value.
func (t tokens) object(member func(key string) error) error {
	if err := t.delim('{', "an object"); err != nil {
		return err
	}
	return t.members(member)
}

// members reads the rest of an object whose brace has been read.
func (t tokens) members(member func(key string) error) error {
	seen := map[string]bool{}
	for t.More() {
		tok, err := t.Token()
		if err != nil {
			return syntax(err)
		}
		key, _ := tok.(string) // keys are strings, the decoder sees to it
		if seen[key] {
			return fmt.Errorf("key %q stands twice", key)
		}
		seen[key] = true
		if err := member(key); err != nil {
			return err
		}
	}
	_, err := t.Token()
	return syntax(err)
}

// elements reads the rest of a list whose bracket has been read.
func (t tokens) elements(element func() error) error {
	for t.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := t.Token()
	return syntax(err)
}

func (t tokens) delim(want json.Delim, what string) error {
	tok, err := t.Token()
	if err != nil {
		return syntax(err)
	}
	if tok != want {
		return fmt.Errorf("%s, want %s", describe(tok), what)
	}
	return nil
}

// end returns an error unless all tokens have been read.
func (t tokens) end() error {
	if _, err := t.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more text after the end")
	}
	return nil
}

// syntax words an error of the decoder.
func syntax(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the text ends too early")
	}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("no JSON: %w", s)
	}
	return err
}

// describe names what tok is.
func describe(tok json.Token) string {
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '[' {
			return "a list"
		}
		return "an object"
	case string:
		return "a text"
	case json.Number:
		return "a number"
	case bool:
		return fmt.Sprint(tok)
	}
	return "null"
}

// wellFormed returns an error unless data is one JSON value in which no object
// has the same key twice and no key is written with capitals.
func wellFormed(data []byte, limit int) error {
	t, err := newTokens(data, limit)
	if err != nil {
		return err
	}
	if err := t.skip(); err != nil {
		return err
	}
	return t.end()
}

// skip reads one value.
func (t tokens) skip() error {
	tok, err := t.Token()
	if err != nil {
		return syntax(err)
	}
	switch tok {
	case json.Delim('{'):
		return t.members(func(key string) error {
			if strings.ToLower(key) != key {
				return fmt.Errorf("unknown key %q", key)
			}
			return t.skip()
		})
	case json.Delim('['):
		return t.elements(t.skip)
	}
	return nil
}

// oneOf lists words for a message.
func oneOf[S ~string](words []S) string {
	var list []string
	for _, w := range words {
		list = append(list, string(w))
	}
	return strings.Join(list, ", ")
}

// known reports whether word is one of words.
func known[S ~string](word S, words []S) bool { return slices.Contains(words, word) }
