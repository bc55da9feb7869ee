package ledger_test

import (
	"testing"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// Each randomized participant is of one team, and nobody else is of any.
func TestInTeam(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.ready("P2")
	for id, want := range map[trial.ParticipantID]int{"P1": 1, "P2": 0, "P9": 0} {
		n := 0
		for _, site := range []trial.SiteID{"OSLO", "BERGEN"} {
			for _, arm := range []trial.ArmID{"ips", "tau"} {
				yes, err := w.trial().InTeam(id, []ledger.Team{{Site: site, Arm: arm}})
				if err != nil || yes && site != "OSLO" {
					t.Errorf("%s, %s: %v, %v", site, arm, yes, err)
				}
				if yes {
					n++
				}
			}
		}
		if n != want {
			t.Errorf("%s is of %d teams, want %d", id, n, want)
		}
	}
}
