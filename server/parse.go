package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lodd-rct/lodd/server/freetext"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// faults are what is wrong with a request. All of it is collected, so that the
// caller sees it at once.
type faults []error

// add notes what is wrong with a field, if anything is.
func (f *faults) add(field string, err error) {
	if err != nil {
		*f = append(*f, rpcerr.Field(field, err))
	}
}

// err returns the faults as one error, or nil.
func (f *faults) err() error { return errors.Join(*f...) }

// parse returns a field of a request as what it means.
func parse[T any](f *faults, field, text string, as func(string) (T, error)) T {
	v, err := as(text)
	f.add(field, err)
	return v
}

// optional is parse for a field that may be empty: it is then the zero T.
func optional[T any](f *faults, field, text string, as func(string) (T, error)) T {
	if text == "" {
		var none T
		return none
	}
	return parse(f, field, text, as)
}

// code reads a machine word as one of the types that are codes.
func code[T ~string](text string) (T, error) {
	c, err := trial.ParseCode(text)
	return T(c), err
}

// parseUser returns an account name.
func parseUser(text string) (string, error) {
	bad := strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("-._", r)
	})
	if bad || len(text) < 2 || len(text) > 32 || text[0] < 'a' || text[0] > 'z' {
		return "", errors.New(`want 2 to 32 characters out of a-z, 0-9, "-", "." and "_", beginning with a letter`)
	}
	if text == trial.ServerActor {
		return "", errors.New("the server itself acts under this name; choose another")
	}
	return text, nil
}

// parseFullName returns a printed name: one line with something to be seen.
func parseFullName(text string) (string, error) {
	text = strings.TrimSpace(text)
	if !visible(text) || utf8.RuneCountInString(text) > 100 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", errors.New("want the printed name: 1 to 100 characters on one line")
	}
	return text, nil
}

// parseReason returns words that say why something is done to an account. Nobody
// reviews them, so they must name nobody and tell no arm. Where data are
// corrected, package ledger sees to all of that.
func parseReason(text string) (string, error) {
	if !visible(text) {
		return "", errors.New("a reason is needed")
	}
	if err := ledger.CheckWording(freetext.New(), "reason", text); err != nil {
		return "", err
	}
	return parseText(text)
}

// parseText returns words of a length that entries hold.
func parseText(text string) (string, error) {
	if utf8.RuneCountInString(text) > 500 || !utf8.ValidString(text) {
		return "", errors.New("want at most 500 characters")
	}
	return text, nil
}

// visible reports whether a text has anything that a person can see.
func visible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r)
	})
}

// fileName returns a file name as messages repeat it.
func fileName(text, otherwise string) string {
	text = text[strings.LastIndexAny(text, `/\`)+1:]
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > 100 {
		text = string(runes[:100])
	}
	if text == "" {
		return otherwise
	}
	return text
}

// parseValues returns the answers to a form. A text among them that holds a
// national identity number is refused, however it is escaped.
func parseValues(text string) (instrument.Values, error) {
	values, err := instrument.ParseValues([]byte(text))
	if err != nil {
		return nil, rpcerr.Field("values", err)
	}
	for item, v := range values {
		if s, ok := v.(instrument.String); ok && holdsIdentifier(string(s)) {
			return nil, &rpcerr.IdentifierError{Field: "values." + item}
		}
	}
	return values, nil
}

// parsePatch returns answers to change, and the items whose answer null takes
// away.
func parsePatch(text string) (set instrument.Values, drop []string, err error) {
	members, err := parseMembers(text)
	if err != nil {
		return nil, nil, rpcerr.Field("values", err)
	}
	var kept []string
	for _, m := range members {
		if string(m.value) == "null" {
			drop = append(drop, m.item)
			continue
		}
		name, err := json.Marshal(m.item)
		if err != nil {
			return nil, nil, fmt.Errorf("server: encode item: %w", err)
		}
		kept = append(kept, string(name)+":"+string(m.value))
	}
	set, err = parseValues("{" + strings.Join(kept, ",") + "}")
	return set, drop, err
}

type member struct {
	item  string
	value json.RawMessage
}

// parseMembers returns the members of a JSON object in their order. An item
// that occurs twice is refused: one of its values would be lost.
func parseMembers(text string) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("want a JSON object from item to answer")
	}
	var members []member
	seen := map[string]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errors.New("the JSON is broken")
		}
		m := member{}
		m.item, _ = name.(string)
		if err := d.Decode(&m.value); err != nil {
			return nil, errors.New("the JSON is broken")
		}
		if seen[m.item] {
			return nil, fmt.Errorf("item %q occurs twice", m.item)
		}
		seen[m.item] = true
		members = append(members, m)
	}
	if _, err := d.Token(); err != nil || d.More() {
		return nil, errors.New("the JSON is broken, or something follows it")
	}
	return members, nil
}
