package server_test

import (
	"encoding/json"
	"strings"

	"github.com/lodd-rct/lodd/server/trial/entry"
)

// kinds returns the kinds of the entries of a list, each with whom it is about.
func (w *world) kinds(list string) []string {
	w.t.Helper()
	batch, err := w.log.Read(w.t.Context(), list, 0, w.log.Len(list))
	w.must(err)
	var out []string
	for _, b := range batch {
		kind, detail, err := entry.Describe(b)
		w.must(err)
		var about struct {
			User, Participant string
			Grant             struct{ User string }
		}
		w.must(json.Unmarshal([]byte(detail), &about))
		out = append(out, kind+" "+about.User+about.Participant+about.Grant.User)
	}
	return out
}

// count returns how many entries of a list begin so.
func (w *world) count(list, begin string) (n int) {
	w.t.Helper()
	for _, k := range w.kinds(list) {
		if strings.HasPrefix(k, begin) {
			n++
		}
	}
	return n
}
