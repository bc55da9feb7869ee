package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// Who comes when the list of the stratum is used up isn't randomized, and
// nothing is written; other strata go on, also in the same moment.
func TestListThatIsUsedUpRandomizesNobody(t *testing.T) {
	w := open(t, &storetest.Memory{})
	w.begin(listed(2))
	var commits []trial.Randomized
	for i := range 5 {
		commits = append(commits, w.readyIn(trial.ParticipantID(fmt.Sprintf("P%d", i)), "OSLO", "f"))
	}
	commits = append(commits, w.readyIn("B", "BERGEN", "f"))
	before := w.log.Len("IPS/conduct")
	refused := make([]error, len(commits))
	var callers sync.WaitGroup
	for i, commit := range commits {
		by := w.as(trial.Coordinator)
		callers.Go(func() { _, refused[i] = w.trial().Randomize(t.Context(), by, commit) })
	}
	callers.Wait()
	n := 0
	for i, err := range refused {
		if errors.Is(err, trial.ErrListUsedUp) && !errors.Is(err, ledger.ErrUnknown) {
			n++
			if view(w, func(s *trial.State) bool { p, _ := s.Participant(commits[i].Participant); return p.Randomized() }) {
				t.Errorf("%s is randomized", commits[i].Participant)
			}
		} else if err != nil {
			t.Error(err)
		}
	}
	if after := w.log.Len("IPS/conduct"); n != 3 || refused[5] != nil || after != before+3 {
		t.Errorf("%d refused, %v in another stratum, %d entries", n, refused[5], after-before)
	}
	checkReveal(w, 3)
	w = w.reopen()
	late := slices.IndexFunc(refused, func(err error) bool { return err != nil })
	if _, err := w.trial().Randomize(t.Context(), w.as(trial.Coordinator), commits[late]); !errors.Is(err, trial.ErrListUsedUp) {
		t.Errorf("after a restart: %v", err)
	}
}

// Sealed lists have few lengths, whatever is in them; what an entry can't hold is
// refused before anything is written.
func TestSealedListsArePadded(t *testing.T) {
	sealed := map[int]int{}
	for _, n := range []int{2, 100, 400, 500, 600} {
		w := open(t, &storetest.Memory{})
		w.begin(listed(n))
		sealed[len(of[trial.DesignKept](w)[0].Event.(trial.DesignKept).Sealed)]++
	}
	if len(sealed) != 2 { // 1024 and 4096 bytes
		t.Errorf("lengths %v", sealed)
	}
	w := open(t, &storetest.Memory{})
	if _, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), stratified()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.trial().Seal(t.Context(), w.as(trial.Custodian), listed(15_250), false); err != nil {
		t.Errorf("61,000 slots: %v", err)
	}
	w.do(trial.Custodian, trial.SealingAbandoned{Reason: "other"})
	before := w.log.Len("IPS/conduct")
	_, _, err := w.trial().Seal(t.Context(), w.as(trial.Custodian), listed(15_400), false)
	if bad, ok := errors.AsType[*trial.Invalid](err); !ok || bad.Field != "list" || !strings.Contains(bad.Problem, "more than 61440 bytes") {
		t.Errorf("61,600 slots: %v", err)
	}
	if w.log.Len("IPS/conduct") != before {
		t.Error("something was written")
	}
	checkSealedAgain(t, w.reopen())
}

// checkSealedAgain demands that a trial without a sealing takes one.
func checkSealedAgain(t *testing.T, w *world) {
	t.Helper()
	if _, _, err := w.trial().Seal(t.Context(), w.as(trial.Custodian), minimization, false); err != nil {
		t.Error(err)
	}
}

// A design that is not made for the protocol is refused.
func TestDesignThatDoesNotSuitIsRefused(t *testing.T) {
	other := minimization
	other.Factors = []randomization.Factor{{Levels: 2, Weight: 1}, {Levels: 3, Weight: 1}}
	short, strange := listed(2), listed(2)
	short.Strata = short.Strata[1:]
	strange.Strata[3].Name = "OSLO/sex=x"
	for name, d := range map[string]randomization.Design{
		"ratio":  randomization.Complete{Ratio: []int{2, 1}},
		"levels": other, "missing stratum": short, "strange stratum": strange,
	} {
		w := open(t, &storetest.Memory{})
		if _, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), stratified()); err != nil {
			t.Fatal(err)
		}
		_, _, err := w.trial().Seal(t.Context(), w.as(trial.Custodian), d, false)
		if _, ok := errors.AsType[*trial.Invalid](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
