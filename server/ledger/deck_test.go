package ledger_test

import (
	"fmt"
	"testing"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/trial"
)

// Whatever the design, allocations follow from it, also after a restart, and
// the length of what is sealed doesn't tell which one it is.
func TestEveryDesignIsSealedAlike(t *testing.T) {
	lengths := map[int]bool{}
	for _, d := range []randomization.Design{
		design,
		randomization.Complete{Ratio: []int{1, 1}},
		randomization.BigStick{Tolerance: 2},
		randomization.Maximal{Tolerance: 2, Length: 4}, // begins a second list
		randomization.BiasedCoin{Favored: 2, Of: 3},
		randomization.Urn{Arms: 2, Alpha: 0, Beta: 1},
	} {
		t.Run(fmt.Sprintf("%T", d), func(t *testing.T) {
			w := open(t, &storetest.Memory{})
			if _, err := w.ledger.Create(t.Context(), w.as(trial.Administrator), protocol()); err != nil {
				t.Fatal(err)
			}
			by := w.as(trial.Custodian)
			first, _, err := w.trial().Seal(t.Context(), by, d, false)
			if err != nil {
				t.Fatal(err)
			}
			if again, r, err := w.trial().Seal(t.Context(), by, d, false); err != nil || !r.Repeated || again.Commitment != first.Commitment {
				t.Errorf("the request repeated: %+v, %+v, %v; want %+v", again, r, err, first)
			}
			w.do(trial.Coordinator, trial.EnrolmentOpened{})
			for i := range 5 {
				w.randomize(trial.ParticipantID(fmt.Sprintf("P%d", i)))
			}
			checkAllocations(t, w, 5)
			w = w.reopen()
			w.randomize("LAST")
			checkAllocations(t, w, 6)
			lengths[len(of[trial.DesignKept](w)[0].Event.(trial.DesignKept).Sealed)] = true
		})
	}
	if len(lengths) != 1 {
		t.Errorf("sealed designs have %d different lengths", len(lengths))
	}
}
