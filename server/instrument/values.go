package instrument

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// reasons are the reasons why an answer is missing, in the order of forms.
var reasons = []Missing{NotDone, Refused, Unknown}

// ParseValues returns the answers that data, a JSON object of at most
// [MaxEncoded] bytes, holds:
//
//	{"age": 34, "name": "text", "drugs": ["a", "b"], "audit_1": {"missing": "refused"}}
//
// It knows no form: whether the answers fit is for [Instrument.Check] to say.
func ParseValues(data []byte) (Values, error) {
	v, err := parseValues(data)
	if err != nil {
		return nil, fmt.Errorf("instrument: parse values: %w", err)
	}
	return v, nil
}

func parseValues(data []byte) (Values, error) {
	t, err := newTokens(data, MaxEncoded)
	if err != nil {
		return nil, err
	}
	values := Values{}
	err = t.object(func(item string) error {
		v, err := t.answer()
		if err != nil {
			return fmt.Errorf("item %q: %w", item, err)
		}
		values[item] = v
		return nil
	})
	if err != nil {
		return nil, err
	}
	return values, t.end()
}

// answer reads one value.
func (t tokens) answer() (Value, error) {
	tok, err := t.Token()
	if err != nil {
		return nil, syntax(err)
	}
	switch tok := tok.(type) {
	case string:
		return String(tok), unicodeText(tok)
	case json.Number:
		return parseNumber(tok.String())
	case json.Delim:
		if tok == '[' {
			return t.codes()
		}
		return t.reason()
	}
	return nil, fmt.Errorf(`%s, want a number, a text, a list of codes or {"missing": reason}`, describe(tok))
}

// codes reads the rest of a list of codes.
func (t tokens) codes() (Codes, error) {
	codes := Codes{}
	err := t.elements(func() error {
		tok, err := t.Token()
		if err != nil {
			return syntax(err)
		}
		s, ok := tok.(string)
		if !ok {
			return fmt.Errorf("%s in a list, want codes", describe(tok))
		}
		codes = append(codes, s)
		return unicodeText(s)
	})
	return codes, err
}

// reason reads the rest of {"missing": reason}.
func (t tokens) reason() (Missing, error) {
	var m Missing
	err := t.members(func(key string) error {
		tok, err := t.Token()
		if err != nil {
			return syntax(err)
		}
		s, _ := tok.(string)
		if m = Missing(s); key != "missing" || !known(m, reasons) {
			return fmt.Errorf(`an object with key %q, want {"missing": reason}, the reason one of %s`, key, oneOf(reasons))
		}
		return nil
	})
	if err == nil && m == "" {
		err = fmt.Errorf(`an empty object, want {"missing": reason}`)
	}
	return m, err
}

// unicodeText refuses text in which the decoder replaced half a surrogate
// pair: what was typed would be lost without a word.
func unicodeText(s string) error {
	if strings.ContainsRune(s, '\uFFFD') {
		return fmt.Errorf("text with a character that is no Unicode")
	}
	return nil
}

// Encode returns the values as one line of JSON, ordered by item: the same
// values give the same bytes, and [ParseValues] gives them back. It refuses
// values that ParseValues would.
func (v Values) Encode() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, item := range slices.Sorted(maps.Keys(v)) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(item))
		b.WriteByte(':')
		j, err := encodeValue(v[item])
		if err != nil {
			return nil, fmt.Errorf("instrument: encode item %q: %w", item, err)
		}
		b.Write(j)
	}
	b.WriteByte('}')
	if _, err := ParseValues(b.Bytes()); err != nil {
		return nil, fmt.Errorf("instrument: encode values: %w", err)
	}
	return b.Bytes(), nil
}

func encodeValue(v Value) ([]byte, error) {
	switch v := v.(type) {
	case Number:
		return []byte(v.String()), nil // Encode sees whether it can be read
	case String:
		return quote(string(v)), nil
	case Codes:
		var quoted [][]byte
		for _, c := range v {
			quoted = append(quoted, quote(c))
		}
		return slices.Concat([]byte("["), bytes.Join(quoted, []byte(",")), []byte("]")), nil
	case Missing:
		return slices.Concat([]byte(`{"missing":`), quote(string(v)), []byte("}")), nil
	}
	return nil, fmt.Errorf("%T is no value", v)
}

// quote returns s as JSON writes it, with <, > and & as they are. A string
// can't fail to encode.
func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
