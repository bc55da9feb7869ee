package server_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// timed are how long calls took about participants of the first arm and of the
// second.
type timed [2][]time.Duration

// fault says how the arms differ: by ranks, or by more than 5 % of the median.
func (d timed) fault() string {
	p, a, b := mannWhitney(d[0], d[1]), median(d[0]), median(d[1])
	if by := float64(a-b) / float64(b); p <= 0.001 || by > 0.05 || by < -0.05 {
		return fmt.Sprintf("%d and %d calls, medians of %v and %v, p = %.2g", len(d[0]), len(d[1]), a, b, p)
	}
	return ""
}

// timings lets people be randomized one after the other, and takes the time of the
// calls about them. A server that leaks takes longer for one arm.
func timings(t *testing.T, people int, leak time.Duration) map[string]timed {
	t.Helper()
	w := newTrial(t, unlimited)
	took := map[string]map[string]time.Duration{"CommitRandomization": {}, "GetRandomization": {}, "ReadForm": {}}
	ctx, cancel := context.WithCancel(w.as("tc-osl"))
	defer cancel()
	measure := func(what, p string, call func() error) {
		begin := time.Now() //nolint:forbidigo // what is measured is time
		err := call()
		took[what][p] = time.Since(begin) //nolint:forbidigo // as above
		w.must(err)
	}
	for i := range people {
		p := fmt.Sprintf("S-%04d", i)
		w.ready(p, "OSL")
		intent := w.prepare(p, "OSL")
		measure("CommitRandomization", p, func() error {
			_, err := w.randomization().CommitRandomization(ctx, &loddv1.CommitRandomizationRequest{TrialId: "T1", IntentId: intent, Confirm: p})
			return err
		})
		measure("GetRandomization", p, func() error {
			_, err := w.randomization().GetRandomization(ctx, &loddv1.GetRandomizationRequest{TrialId: "T1", Participant: p})
			return err
		})
		measure("ReadForm", p, func() error {
			_, err := w.assessment().ReadForm(ctx, &loddv1.ReadFormRequest{TrialId: "T1", Participant: p, Visit: "baseline", Form: "background"})
			return err
		})
	}
	out := map[string]timed{}
	for arm, team := range []string{"es-north", "es-south"} {
		members, err := w.delivery().ListTeam(w.as(team), &loddv1.ListTeamRequest{TrialId: "T1"})
		w.must(err)
		for what := range took {
			of := out[what]
			for _, m := range members.GetParticipants() {
				of[arm] = append(of[arm], took[what][m.GetParticipant()]+time.Duration(arm)*leak)
			}
			out[what] = of
		}
	}
	return out
}

// L15: how long a call takes doesn't depend on the arm of whom it is about, in
// 2,000 calls of each arm; a server that takes 10 % longer for one is noticed. It
// takes minutes and a quiet machine, so that it runs where LODD_LONG is 1; else a
// server that is slower by much is to be noticed in fewer calls.
//
// Source: blinding.md of the design, channel L15.
func TestLeakL15TimesTellNoArm(t *testing.T) {
	if os.Getenv("LODD_LONG") != "1" {
		for what, of := range timings(t, 60, 100*time.Millisecond) {
			if of.fault() == "" {
				t.Errorf("%s: a server that waits for one arm isn't noticed", what)
			}
		}
		return
	}
	for what, of := range timings(t, 4000, 0) {
		if fault := of.fault(); fault != "" {
			t.Errorf("%s: %s", what, fault)
		}
		for i := range of[1] {
			of[1][i] += median(of[0]) / 10
		}
		if of.fault() == "" {
			t.Errorf("%s: one arm that takes 10 %% longer isn't noticed", what)
		}
	}
}
