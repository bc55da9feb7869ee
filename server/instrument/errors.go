package instrument

import "fmt"

// An Error says what is wrong at one place of a form's document.
type Error struct {
	Index   int    // position of the item, from 0; -1 for the form itself
	Item    string // id of the item, if it has one
	Key     string // key of the form or item, or empty
	Message string // what is wrong, and what was expected
}

// Error returns the place and the message in one line.
func (e *Error) Error() string {
	at := "form"
	if e.Index >= 0 {
		at = fmt.Sprintf("item %d", e.Index+1)
		if e.Item != "" {
			at = fmt.Sprintf("item %q", e.Item)
		}
	}
	if e.Key != "" {
		at += ": " + e.Key
	}
	return at + ": " + e.Message
}
