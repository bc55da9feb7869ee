package protocol

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/lodd-rct/lodd/server/trial"
)

// fields are the values of a mapping, by key.
type fields struct {
	d      *document
	what   string // what the mapping describes, for messages
	begin  int    // line
	lines  map[string]int
	values map[string]ast.Node
	broken bool // n was no mapping; nothing more is said of its keys
}

// mapping reads n as a mapping with some of these keys.
func (d *document) mapping(n ast.Node, what string, keys []string) fields {
	f := fields{d: d, what: what, begin: line(n), lines: map[string]int{}, values: map[string]ast.Node{}}
	n = d.follow(n)
	pairs, ok := pairs(n)
	if f.broken = !ok; f.broken && n != nil {
		d.fault(f.begin, "%s: %s, want the keys %s", what, describe(n), list(keys))
	}
	for _, p := range pairs {
		key := name(p.Key)
		switch _, twice := f.values[key]; {
		case !slices.Contains(keys, key):
			d.fault(line(p.Key), "unknown key %q; expected one of %s", key, list(keys))
		case twice:
			d.fault(line(p.Key), "key %q stands twice; the first is in line %d", key, f.lines[key])
		default:
			f.lines[key], f.values[key] = line(p.Key), p.Value
		}
	}
	return f
}

// pairs returns the keys and values of a mapping.
func pairs(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// name returns the text of a key.
func name(key ast.MapKeyNode) string {
	if t := key.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

func list(words []string) string { return strings.Join(words, ", ") }

// has reports whether the key is there.
func (f fields) has(key string) bool { return f.values[key] != nil }

// line returns the line of a key, or of the mapping if the key isn't there.
func (f fields) line(key string) int {
	if at, ok := f.lines[key]; ok {
		return at
	}
	return f.begin
}

// bad notes a fault of the value of a key.
func (f fields) bad(key, format string, args ...any) {
	f.d.fault(f.line(key), "%s: %s: %s", f.what, key, fmt.Sprintf(format, args...))
}

// node returns the value of a key, which must be there.
func (f fields) node(key string) ast.Node {
	n := f.values[key]
	if n == nil && !f.broken {
		f.d.fault(f.begin, "%s: key %q is missing", f.what, key)
	}
	return f.d.follow(n)
}

// text returns a text of 1 to 200 characters.
func (f fields) text(key string) string {
	n := f.node(key)
	if n == nil {
		return ""
	}
	s, ok := content(n)
	if !ok {
		f.bad(key, "%s, want text", describe(n))
		return ""
	}
	if msg := badText(s); msg != "" {
		f.bad(key, "%s", msg)
	}
	return s
}

// word returns a text, or the number as it is written: versions and codes look
// like numbers to YAML.
func (f fields) word(key string) string {
	n := f.node(key)
	if n == nil {
		return ""
	}
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value
	}
	return f.text(key)
}

// content returns the text that n holds.
func content(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return strings.TrimRight(n.Value.Value, "\n"), true
	}
	return "", false
}

// texts returns a text in the languages of the trial.
func (f fields) texts(key string) trial.Text {
	n := f.node(key)
	if n == nil {
		return trial.Text{}
	}
	in := f.d.mapping(n, f.what+": "+key, textKeys)
	var t trial.Text
	if in.has("nb") {
		t.NB = in.text("nb")
	}
	if in.has("en") {
		t.EN = in.text("en")
	}
	if !in.broken && !in.has("nb") && !in.has("en") {
		f.bad(key, "want the text in nb, en or both")
	}
	return t
}

// integer returns a number from low to high, or otherwise if the key isn't
// there.
func (f fields) integer(key string, low, high, otherwise int) int {
	if !f.has(key) {
		return otherwise
	}
	n := f.node(key)
	if n == nil {
		return otherwise
	}
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		f.bad(key, "%s, want an integer from %d to %d", describe(n), low, high)
		return otherwise
	}
	v, err := strconv.Atoi(fmt.Sprint(i.Value)) // an int64 or a uint64
	if err != nil || v < low || v > high {
		f.bad(key, "%s, want %d to %d", i.GetToken().Value, low, high)
		return otherwise
	}
	return v
}

// elements returns the elements of a list of low to high, and none if the key
// isn't there and low is 0.
func (f fields) elements(key string, low, high int) []ast.Node {
	if !f.has(key) && low == 0 {
		return nil
	}
	n := f.node(key)
	if n == nil {
		return nil
	}
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		f.bad(key, "%s, want a list", describe(n))
		return nil
	}
	if k := len(s.Values); k < low || k > high {
		f.bad(key, "%d given, want %d to %d", k, low, high)
	}
	return s.Values
}

// identifier returns the text of a key as parse reads it. The ids of one list
// must differ: seen holds those so far.
func identifier[T ~string](f fields, key string, parse func(string) (T, error), seen map[T]bool) T {
	s := f.word(key)
	if s == "" {
		return ""
	}
	id, err := parse(s)
	if err != nil {
		f.bad(key, "%q: %v", s, err)
		return ""
	}
	if seen[id] {
		f.bad(key, "%q stands twice", s)
	}
	seen[id] = true
	return id
}
