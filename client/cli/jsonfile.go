package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// readJSON reads one JSON value that holds nothing but what v has room for. A
// misspelt key must not be taken for an answer that wasn't given, nor the last
// of two answers for the only one. What is wrong is an [invalidError] that
// names the place and knows nothing of Go.
func (a *app) readJSON(path string, v any) error {
	b, err := a.readInput(path)
	if err != nil {
		return err
	}
	if fault := decodeJSON(b, v); fault != "" {
		return &invalidError{message: path + ": " + fault}
	}
	return nil
}

// decodeJSON reads b into v and returns what is wrong with it, "" if nothing is.
func decodeJSON(b []byte, v any) string {
	d := json.NewDecoder(bytes.NewReader(b))
	var whole json.RawMessage
	if err := d.Decode(&whole); err != nil {
		return syntaxFault(b, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "there is more after the first JSON value"
	}
	w := walk{decoder: json.NewDecoder(bytes.NewReader(b))}
	if err := w.value(""); err != nil {
		return err.Error()
	}
	d = json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		return ""
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		fault := kindOf(wrong.Value) + " stands where " + wanted(wrong.Type) + " is expected"
		return strings.TrimPrefix(w.at(wrong.Offset)+": "+fault, ": ")
	}
	if key, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok { // it has no type of its own
		return "unknown key " + key + ", want " + strings.Join(keysOf(reflect.TypeOf(v), ""), ", ")
	}
	return err.Error()
}

// syntaxFault says where a text stops being JSON.
func syntaxFault(b []byte, err error) string {
	wrong, ok := errors.AsType[*json.SyntaxError](err)
	if !ok || errors.Is(err, io.ErrUnexpectedEOF) || wrong.Offset > int64(len(b)) {
		return "it ends too early: a quote, a bracket or a brace is not closed, or the file is empty"
	}
	before := b[:max(wrong.Offset-1, 0)]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:]))) + 1
	return fmt.Sprintf("line %d, column %d: this is not JSON from here on; look for a comma, a quote or a colon that is missing or too many", line, column)
}

// A walk goes through JSON that is well-formed and notes where which value
// stands.
type walk struct {
	decoder *json.Decoder
	ends    []int64 // of each token that is no key
	paths   []string
}

// value walks through the value at a path, such as "answers.adult", and
// returns an error if an object in it has a key twice.
func (w *walk) value(path string) error {
	token, err := w.decoder.Token()
	if err != nil {
		return err
	}
	w.ends, w.paths = append(w.ends, w.decoder.InputOffset()), append(w.paths, path)
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	keys := map[string]bool{}
	for w.decoder.More() {
		inner := path
		if open == '{' {
			token, err := w.decoder.Token()
			if err != nil {
				return err
			}
			key, _ := token.(string)
			if keys[key] {
				return fmt.Errorf("key %q stands there twice", key)
			}
			keys[key] = true
			inner = strings.TrimPrefix(path+"."+key, ".")
		}
		if err := w.value(inner); err != nil {
			return err
		}
	}
	_, err = w.decoder.Token()
	return err
}

// at returns the path of the last value that begins before an offset.
func (w *walk) at(offset int64) string {
	path := ""
	for i, end := range w.ends {
		if end <= offset {
			path = w.paths[i]
		}
	}
	return path
}

// kindOf names a kind of JSON value as encoding/json calls it.
func kindOf(value string) string {
	kind, _, _ := strings.Cut(value, " ") // a number is followed by itself
	if name, ok := map[string]string{
		"bool": "true or false", "string": "a text", "number": "a number", "array": "a list", "object": "an object",
	}[kind]; ok {
		return name
	}
	return "another value"
}

// wanted names the kind of JSON value that a type is read from.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Map, reflect.Struct:
		return "an object in braces"
	default:
		return "another value"
	}
}

// keysOf returns the keys that a type has room for, those within others behind
// a dot.
func keysOf(t reflect.Type, within string) []string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return []string{strings.TrimSuffix(within, ".")}
	}
	var keys []string
	for f := range t.Fields() {
		keys = append(keys, keysOf(f.Type, within+f.Tag.Get("json")+".")...)
	}
	return keys
}
