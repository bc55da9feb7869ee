package instrument

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// faults collects what is wrong with a form, so that its author sees all of it
// at once.
type faults struct{ errs []error }

// maxFaults is the number of errors after which nobody reads on.
const maxFaults = 20

func (f *faults) add(index int, item, key, format string, args ...any) {
	if len(f.errs) < maxFaults {
		f.errs = append(f.errs, &Error{index, item, key, fmt.Sprintf(format, args...)})
	}
}

// decode reads the form's document as far as it can be read.
func (f *faults) decode(definition []byte) Form {
	var form Form
	if err := wellFormed(definition, MaxEncoded); err != nil {
		f.add(-1, "", "", "%v", err)
		return form
	}
	var outer struct {
		Schema  string            `json:"schema"`
		ID      string            `json:"id"`
		Version int               `json:"version"`
		Title   Text              `json:"title"`
		Class   Class             `json:"class"`
		Items   []json.RawMessage `json:"items"`
	}
	f.object(place{index: -1}, definition, &outer)
	form = Form{outer.Schema, outer.ID, outer.Version, outer.Title, outer.Class, nil}
	for i, raw := range outer.Items {
		if i == MaxItems {
			f.add(-1, "", "items", "%d items, want at most %d", len(outer.Items), MaxItems)
			break
		}
		var id struct{ ID string }
		_ = json.Unmarshal(raw, &id) // only to name the item; object says what is wrong
		var item Item
		f.object(place{i, id.ID}, raw, &item)
		form.Items = append(form.Items, item)
	}
	return form
}

// A place is an item of a form, or with index -1 the form.
type place struct {
	index int
	item  string
}

// object reads the JSON object data into the struct that into points to, key
// by key.
func (f *faults) object(at place, data []byte, into any) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		f.add(at.index, at.item, "", "want an object with the keys %s", oneOf(keys(into)))
		return
	}
	v := reflect.ValueOf(into).Elem()
	for i, key := range keys(into) {
		raw, ok := members[key]
		delete(members, key)
		if !ok {
			continue
		}
		if err := strict(raw, v.Field(i).Addr().Interface()); err != nil {
			f.add(at.index, at.item, key, "%v", err)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		f.add(at.index, at.item, key, "unknown key, want one of %s", oneOf(keys(into)))
	}
}

// keys returns the keys of the JSON object that the struct at into stands for.
func keys(into any) []string {
	t := reflect.TypeOf(into).Elem()
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	return names
}

// strict reads data into v and refuses null and unknown keys.
func strict(data []byte, v any) error {
	if string(data) == "null" {
		return errors.New("null, want a value, or leave the key out")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		in := ""
		if t.Field != "" {
			in = " in " + t.Field
		}
		return fmt.Errorf("%s%s, want %s", t.Value, in, words[t.Type.Kind()])
	}
	if err != nil {
		return errors.New(strings.Replace(err.Error(), "json: unknown field", "unknown key", 1))
	}
	return nil
}

// words name the kinds of the fields of a form.
var words = map[reflect.Kind]string{
	reflect.String:  "text",
	reflect.Int:     "an integer",
	reflect.Float64: "a number",
	reflect.Bool:    "true or false",
	reflect.Slice:   "a list",
	reflect.Struct:  "an object with keys of its own",
	reflect.Pointer: "an object with keys of its own",
}
