package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// Limits of a file. The parser's work grows with the square of lines and
// tokens, and an alias can stand for a tree of aliases.
const (
	maxBytes  = 1 << 20
	maxLines  = 10000
	maxTokens = 40000
	maxNodes  = 100000 // nodes read, those behind aliases each time
	maxErrors = 20     // after so many nobody reads on
)

// An Error says what is wrong in one line of a file, and what was expected.
type Error struct {
	File    string
	Line    int // from 1
	Message string
}

// Error returns the error as "file:line: message".
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }

// A document is a YAML file that is being read. It collects what is wrong, so
// that the author sees all of it at once.
type document struct {
	file    string
	faults  []*Error
	anchors map[string]ast.Node
	nodes   int // read so far
}

func (d *document) fault(line int, format string, args ...any) {
	d.faults = append(d.faults, &Error{d.file, max(line, 1), fmt.Sprintf(format, args...)})
}

// err returns the faults in the order of their lines, joined, or nil. What is
// wrong behind an anchor is found again at each alias, and said once.
func (d *document) err() error {
	slices.SortStableFunc(d.faults, func(a, b *Error) int { return a.Line - b.Line })
	var errs []error
	said := map[Error]bool{}
	for _, f := range d.faults {
		if !said[*f] && len(errs) < maxErrors {
			errs = append(errs, f)
		}
		said[*f] = true
	}
	return errors.Join(errs...)
}

// parse returns the top of the file, or nil if it can't be read as YAML.
func (d *document) parse(data []byte) ast.Node {
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	switch {
	case len(data) > maxBytes:
		d.fault(1, "%d bytes, want at most %d", len(data), maxBytes)
		return nil
	case !utf8.Valid(data):
		d.fault(1, "the file is not UTF-8; save it as UTF-8")
		return nil
	case bytes.Count(data, []byte("\n"))+bytes.Count(data, []byte("\r")) > maxLines:
		d.fault(maxLines+1, "want at most %d lines", maxLines)
		return nil
	}
	tokens := lexer.Tokenize(string(data))
	if len(tokens) > maxTokens {
		d.fault(tokens[maxTokens].Position.Line, "the file has too many words and signs, want at most %d", maxTokens)
		return nil
	}
	if deep := tooDeep(tokens); deep != nil {
		d.fault(deep.Position.Line, "lists and keys stand in one another too deep, want at most %d levels and no \"?\"", maxDepth)
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // mapping finds them, with better words
	if err != nil {
		d.syntax(err)
		return nil
	}
	return d.top(file)
}

// top returns the only document of the file.
func (d *document) top(file *ast.File) ast.Node {
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) == 0 {
		d.fault(1, "the file is empty")
		return nil
	}
	if len(bodies) > 1 {
		d.fault(line(bodies[1]), "a second document begins here, want one")
		return nil
	}
	d.anchors = map[string]ast.Node{}
	ast.Walk(d, bodies[0])
	return bodies[0]
}

// Visit notes the anchors of the file; it makes d an [ast.Visitor].
func (d *document) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		name := a.Name.String()
		if _, ok := d.anchors[name]; ok {
			d.fault(line(n), "anchor &%s stands twice", name)
		}
		d.anchors[name] = a.Value
	}
	return d
}

// syntax notes an error of the parser, without the picture that it draws.
func (d *document) syntax(err error) {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		d.fault(1, "no YAML: %s", first(err.Error()))
		return
	}
	d.fault(at.GetToken().Position.Line, "no YAML: %s", first(at.GetMessage()))
}

// first returns the first line of s.
func first(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// follow returns the node that n stands for, if it is an anchor or an alias. It
// returns nil for an alias of nothing, and once the file has led to too many
// nodes.
func (d *document) follow(n ast.Node) ast.Node {
	for n != nil {
		d.nodes++
		if d.nodes == maxNodes {
			d.fault(line(n), "the aliases of the file stand for more than %d nodes", maxNodes)
		}
		if d.nodes >= maxNodes {
			return nil
		}
		switch at := n.(type) {
		case *ast.AnchorNode:
			n = at.Value
		case *ast.AliasNode:
			name := at.Value.String()
			n = d.anchors[name]
			if n == nil {
				d.fault(line(at), "there is no anchor &%s", name)
			}
		default:
			return n
		}
	}
	return nil
}

// line returns the line at which n begins.
func line(n ast.Node) int {
	switch at := n.(type) {
	case *ast.MappingNode:
		if len(at.Values) > 0 && !at.IsFlowStyle {
			return line(at.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return line(at.Key)
	}
	if n == nil || n.GetToken() == nil {
		return 1
	}
	return n.GetToken().Position.Line
}

// describe names what n is, for a message.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys and values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode:
		return "the number " + n.GetToken().Value
	case *ast.BoolNode:
		return n.GetToken().Value
	case *ast.NullNode:
		return "nothing"
	}
	return "something else"
}
