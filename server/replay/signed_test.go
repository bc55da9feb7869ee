package replay_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/trial"
)

// A signature must be under the entries that are there, and what a team reported
// must say elsewhere who it was.
func TestSignedFormsAndTakenInEventsAreChecked(t *testing.T) {
	signed := func(t *testing.T, steps []step, n int, change func(*trial.FormSigned)) ([]step, place) {
		t.Helper()
		i := find[trial.FormSigned](t, steps, n)
		e := steps[i].Event.(trial.FormSigned)
		change(&e)
		steps[i].Event = e
		return steps, at(steps, i)
	}
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, steps []step) (changed []step, want place)
		reason string
	}{
		{"another digest", func(t *testing.T, s []step) ([]step, place) {
			return signed(t, s, 0, func(e *trial.FormSigned) { e.Digest[31] ^= 1 })
		}, "digest"},
		{"the digest of the form before it was corrected", func(t *testing.T, s []step) ([]step, place) {
			first := s[find[trial.FormSigned](t, s, 0)].Event.(trial.FormSigned)
			return signed(t, s, 1, func(e *trial.FormSigned) { e.Digest = first.Digest })
		}, "digest"},
		{"the entry before the last one", func(t *testing.T, s []step) ([]step, place) {
			return signed(t, s, 1, func(e *trial.FormSigned) { e.At = 0 })
		}, "changed since"},
		{"an entry that was signed and is another one", func(t *testing.T, s []step) ([]step, place) {
			s[find[trial.FormSubmitted](t, s, 3)].Actor = "eva"
			return s, at(s, find[trial.FormSigned](t, s, 0))
		}, "digest"},
		{"nobody took in an event, and the log ends", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.AdverseEventReported](t, s, 0)
			return s[:i+1], at(s, i)
		}, "took in"},
		{"nobody took in an event", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.EventTakenIn](t, s, 0)
			s = slices.Delete(s, i, i+1)
			return s, at(s, find[trial.AdverseEventReported](t, s, 0))
		}, "took in"},
		{"an event that a person took in", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.EventTakenIn](t, s, 0)
			s[i].Actor = "ina"
			return s, at(s, i)
		}, "reporter"},
		{"an arm collected before it was opened", func(t *testing.T, s []step) ([]step, place) {
			i, j := find[trial.Unblinded](t, s, 0), find[trial.ArmCollected](t, s, 0)
			s[i].Event, s[j].Event = s[j].Event, s[i].Event
			return s, at(s, i)
		}, "no arm"},
		{"time going back from allocation to outcome", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.Unblinded](t, s, 0)
			s[i].At = s[find[trial.Locked](t, s, 0)].At.Add(-time.Hour)
			return s, at(s, i)
		}, "earlier"},
		{"a signature in another list", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.FormSigned](t, s, 1)
			s[i].list, s[i].ConductSize = "IPS/conduct", 0
			return s, place{"IPS/conduct", at(s, i).index}
		}, "belongs in outcome"},
		{"a signature where none ever lies", func(t *testing.T, s []step) ([]step, place) {
			i := find[trial.FormSigned](t, s, 1)
			s[i].list = "IPS/delivery"
			return s, at(s, i)
		}, "doesn't belong"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			steps, want := tt.change(t, learned(t).steps)
			wantRefused(t, archive(t, steps, nil), want, tt.reason)
		})
	}
}
