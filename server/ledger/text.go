package ledger

import (
	"strings"
	"unicode"
)

// blank reports whether a text has nothing in it that a person could see.
func blank(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r)
	}) < 0
}
