package ledger_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// Contacts are read as they were recorded, without those of others, and not after
// a withdrawal from the data.
func TestContacts(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.randomize("P2")
	var want []ledger.Contact
	for i, kind := range trial.ContactKinds() {
		c := trial.ContactRecorded{Participant: "P1", On: date("2020-03-01"), Kind: kind, Minutes: i}
		want = append(want, ledger.Contact{ContactRecorded: c, By: string(trial.TreatmentTeam), At: w.now()})
		w.do(trial.TreatmentTeam, c)
		c.Participant = "P2"
		w.do(trial.TreatmentTeam, c)
	}
	for range 2 {
		got, err := w.trial().Contacts(t.Context(), "P1")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
		w = w.reopen()
	}
	w.on("2020-09-02")
	w.do(trial.Coordinator, w3)
	if got, err := w.trial().Contacts(t.Context(), "P1"); !errors.Is(err, trial.ErrErased) {
		t.Errorf("after the withdrawal: %v, %v", got, err)
	}
}
