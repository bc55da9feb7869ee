package people_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/people"
)

// sequence gives three roles to one account, one after the other; each ends before
// the next if ends is true. It returns those that were given, and how often a
// refusal was to be recorded.
func sequence(t *testing.T, roles [3]string, ends bool) (given []string, recorded int) {
	t.Helper()
	d := custody(t, "kim")
	for i, name := range roles {
		at := start.Add(time.Duration(i+10) * time.Hour)
		g := role("kim", name)
		event, err := d.Grant("liv", at, people.Granted{Grant: g})
		if event == nil && err == nil {
			given = append(given, name) // it is held already
			continue
		}
		if _, refused := event.(people.Refused); refused != (err != nil) || err != nil && !errors.Is(err, people.ErrConflict) {
			t.Fatalf("%v: %T, %v", roles, event, err)
		}
		if err := d.add(at, event); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			recorded++
			continue
		}
		given = append(given, name)
		if ends {
			if err := d.add(at.Add(time.Minute), people.Revoked{Grant: g, Reason: "moved"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return given, recorded
}

// L23: of every three roles in every order, held at once or one after the other, an
// account gets those that go with what it held before, and each other is refused
// and the refusal is recorded.
//
// Source: blinding.md of the design, channel L23.
func TestLeakL23SequencesOfThreeRoles(t *testing.T) {
	refusals := 0
	for _, a := range people.Roles() {
		for _, b := range people.Roles() {
			for _, c := range people.Roles() {
				for _, ends := range []bool{false, true} {
					var want []string
					for _, next := range []string{a, b, c} {
						if !slices.ContainsFunc(want, func(held string) bool { return forbidden(held, next) || barred(held, next) }) {
							want = append(want, next)
						}
					}
					got, recorded := sequence(t, [3]string{a, b, c}, ends)
					if !slices.Equal(got, want) || recorded != 3-len(want) {
						t.Errorf("%s, ended: %v: held %q, want %q; %d refusals recorded", fmt.Sprint(a, ", ", b, ", ", c), ends, got, want, recorded)
					}
					refusals += recorded
				}
			}
		}
	}
	if refusals < 1000 {
		t.Errorf("%d refusals: the test has no power", refusals)
	}
}
