package protocol

import "github.com/goccy/go-yaml/token"

// maxDepth is how deep lists and keys may stand in one another; a protocol needs
// about ten. The parser's memory grows with the square of the depth.
const maxDepth = 64

// tooDeep returns the first token that stands too deep, or nil. It counts
// brackets, and the columns at which what stands in no bracket begins: those
// further left than the last are what it stands in. A "?", which begins a key
// that isn't a word, is always too deep: no key of ours is one, and the parser
// nests what stands below it whatever the columns are.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, line := 0, 0
	var columns []int
	for _, t := range tokens {
		switch t.Type {
		case token.CommentType:
			continue
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets = max(0, brackets-1)
		default: // stands where it stands
		}
		begins := t.Position.Line != line // or comes after "- "
		line = t.Position.Line
		if t.Type == token.SequenceEntryType {
			line = 0
		}
		if begins && brackets == 0 {
			for len(columns) > 0 && columns[len(columns)-1] > t.Position.Column {
				columns = columns[:len(columns)-1]
			}
			if len(columns) == 0 || columns[len(columns)-1] < t.Position.Column {
				columns = append(columns, t.Position.Column)
			}
		}
		if brackets+len(columns) > maxDepth || t.Type == token.MappingKeyType {
			return t
		}
	}
	return nil
}
