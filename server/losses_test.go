package server

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever stands in the note of losses, a line that is taken for a loss is one, and is
// written again as what it was taken for.
func FuzzNotedLosses(f *testing.F) {
	f.Add("7 AAAAAAAAAAAAAAAAAAAAAA== T1 3\n5 BBBBBBBBBBBBBBBBBBBBBB== T1 2 T2 9\n")
	f.Add("7 T1\n")
	f.Add("-1  T1 -9223372036854775808\n+1 c  01")
	f.Fuzz(func(t *testing.T, value string) {
		for line := range strings.Lines(value) {
			l, ok := parseLoss(line)
			if !ok {
				continue
			}
			again, ok := parseLoss(l.String())
			if diff := cmp.Diff(l, again, cmp.AllowUnexported(loss{}, known{})); diff != "" || !ok || len(l.known) == 0 {
				t.Errorf("%q is taken for %+v, and written as %q", line, l, l.String())
			}
		}
	})
}
