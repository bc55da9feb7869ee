package protocol

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// formKeys are the keys of a form; items hold those of package instrument.
var formKeys = []string{"id", "version", "title", "visits", "by", "after", "items"}

// classes are the classes of the forms by the role that fills them in.
var classes = map[trial.Role]instrument.Class{
	trial.Coordinator: instrument.Open,
	trial.Assessor:    instrument.Blinded,
}

// forms reads the forms and checks how they refer to visits and to each other.
func forms(f fields, visits []trial.Visit) []trial.Form {
	r := formReader{visits: visits, items: map[string]trial.FormID{}}
	seen := map[trial.FormID]bool{}
	for _, n := range f.elements("forms", 1, 100) {
		in := f.d.mapping(n, "form", formKeys)
		form := trial.Form{
			ID:      identifier(in, "id", code[trial.FormID], seen),
			Version: in.integer("version", 1, 9999, 1),
			Title:   in.texts("title"),
			Visits:  r.at(in),
			By:      role(in),
		}
		if in.has("after") {
			form.After = trial.FormID(in.text("after"))
		}
		form.Definition = r.definition(in, form)
		r.forms, r.fields = append(r.forms, form), append(r.fields, in)
	}
	for i := range r.forms {
		r.order(i)
	}
	atBaseline := func(form trial.Form) bool { return form.At(visits[0].ID) }
	if len(r.forms) > 0 && r.named() && !slices.ContainsFunc(r.forms, atBaseline) {
		f.bad("forms", "no form is at visit %q; the baseline needs one", visits[0].ID)
	}
	return r.forms
}

// formReader holds what has been read of the forms.
type formReader struct {
	visits []trial.Visit
	forms  []trial.Form
	fields []fields
	items  map[string]trial.FormID // the form of each item
}

// named reports whether all visits could be read. If not, what refers to them
// isn't wrong.
func (r *formReader) named() bool {
	return len(r.visits) > 0 && !slices.ContainsFunc(r.visits, func(v trial.Visit) bool { return v.ID == "" })
}

// at reads the visits of a form.
func (r *formReader) at(in fields) []trial.VisitID {
	var ids, known []trial.VisitID
	for _, v := range r.visits {
		known = append(known, v.ID)
	}
	for _, n := range in.elements("visits", 1, maxVisits) {
		s, _ := content(in.d.follow(n))
		id := trial.VisitID(s)
		switch {
		case r.named() && !slices.Contains(known, id):
			in.d.fault(line(n), "form: visits: there is no visit %q; expected one of %s", s, list(texts(known)))
		case slices.Contains(ids, id):
			in.d.fault(line(n), "form: visits: %q stands twice", s)
		}
		ids = append(ids, id)
	}
	return ids
}

func role(in fields) trial.Role {
	by := trial.Role(in.text("by"))
	if _, ok := classes[by]; !ok && by != "" {
		in.bad("by", "%q, want %s or %s", by, trial.Coordinator, trial.Assessor)
	}
	return by
}

// order checks the form that form i comes after: it must be filled in at a
// visit of form i, or there would be nothing to wait for, and not wait for form
// i itself.
func (r *formReader) order(i int) {
	form, in := r.forms[i], r.fields[i]
	if form.After == "" {
		return
	}
	find := func(id trial.FormID) int {
		return slices.IndexFunc(r.forms, func(f trial.Form) bool { return f.ID == id && id != "" })
	}
	before := find(form.After)
	if before < 0 {
		in.bad("after", "there is no form %q", form.After)
		return
	}
	if !slices.ContainsFunc(form.Visits, r.forms[before].At) {
		in.bad("after", "form %q is filled in at none of this form's visits", form.After)
	}
	for range r.forms {
		if before == i {
			in.bad("after", "form %q waits for this form itself", form.After)
			return
		}
		if before = find(r.forms[max(before, 0)].After); before < 0 {
			return
		}
	}
}

// definition returns the instrument's document of a form.
func (r *formReader) definition(in fields, form trial.Form) []byte {
	items := in.elements("items", 1, instrument.MaxItems)
	if len(items) == 0 {
		return nil
	}
	document := map[string]any{
		// What is wrong with these has been said; the items are read all the same.
		"id":    cmp.Or(form.ID, "form"),
		"title": instrument.Text(cmp.Or(form.Title, trial.Text{EN: "Form"})),
		"class": cmp.Or(classes[form.By], instrument.Blinded),

		"schema": instrument.Schema, "version": form.Version,
	}
	places := make([]place, len(items))
	var converted []any
	for i, n := range items {
		places[i] = place{begin: line(n), lines: map[string]int{}}
		converted = append(converted, in.d.json(n, "", &places[i]))
		r.unique(in, form.ID, places[i])
	}
	document["items"] = converted
	data, err := json.Marshal(document)
	if err != nil {
		in.bad("items", "%v", err)
		return nil
	}
	return r.compile(in, data, places)
}

// unique checks that no other form has the item: dictionaries and exports have
// one column for each name.
func (r *formReader) unique(in fields, form trial.FormID, item place) {
	if other, ok := r.items[item.id]; ok && other != form {
		in.d.fault(item.line("id"), "item %q is also in form %q; choose another id", item.id, other)
	}
	if item.id != "" {
		r.items[item.id] = form
	}
}

// compile returns the canonical form of the document data, if it is one.
func (r *formReader) compile(in fields, data []byte, places []place) []byte {
	if len(in.d.faults) > 0 && in.d.nodes >= maxNodes {
		return nil
	}
	parsed, err := instrument.Parse(data)
	if err == nil {
		data, err = parsed.Form().Encode()
	}
	if err == nil {
		return data
	}
	for _, e := range each(err) {
		at, ok := errors.AsType[*instrument.Error](e)
		switch {
		case ok && at.Index >= 0 && at.Index < len(places):
			in.d.fault(places[at.Index].line(at.Key), "%v", at)
		case ok && in.has(at.Key):
			in.bad(at.Key, "%s", at.Message)
		default:
			in.bad("items", "%v", e)
		}
	}
	return nil
}

// each returns the errors that err joins.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// A place says where an item stands in the file.
type place struct {
	id    string
	begin int
	lines map[string]int
}

func (p place) line(key string) int {
	if at, ok := p.lines[key]; ok {
		return at
	}
	return p.begin
}

func texts[T ~string](words []T) []string {
	var out []string
	for _, w := range words {
		out = append(out, string(w))
	}
	return out
}

// json returns n, the value of a key, as package encoding/json takes it. The
// lines of the keys of n go to at, unless it is nil.
func (d *document) json(n ast.Node, key string, at *place) any {
	n = d.follow(n)
	if members, ok := pairs(n); ok {
		return d.object(members, at)
	}
	switch n := n.(type) {
	case nil:
		return nil
	case *ast.SequenceNode:
		elements := []any{}
		for _, v := range n.Values {
			elements = append(elements, d.json(v, "", nil))
		}
		return elements
	case *ast.IntegerNode:
		if key == "code" {
			return n.GetToken().Value // codes are text that looks like numbers
		}
		return n.Value
	case *ast.FloatNode:
		return n.Value
	case *ast.BoolNode:
		return n.Value
	case *ast.NullNode:
		return nil
	}
	s, ok := content(n)
	if !ok {
		d.fault(line(n), "%s: want text, a number, true or false, a list or keys and values", key)
	}
	return s
}

func (d *document) object(members []*ast.MappingValueNode, at *place) map[string]any {
	object := map[string]any{}
	for _, m := range members {
		key := name(m.Key)
		if _, twice := object[key]; twice {
			d.fault(line(m.Key), "key %q stands twice", key)
		}
		object[key] = d.json(m.Value, key, nil)
		if at == nil {
			continue
		}
		at.lines[key] = line(m.Key)
		if key == "id" {
			at.id = fmt.Sprint(object[key])
		}
	}
	return object
}
