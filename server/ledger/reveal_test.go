package ledger_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/trial"
)

// unseal ends a trial.
func (w *world) unseal() {
	w.Helper()
	w.do(trial.Investigator, trial.EnrolmentClosed{})
	w.do(trial.Monitor, trial.Locked{})
	w.do(trial.Statistician, trial.PlanFrozen{Version: "1", Digest: [32]byte{1}})
	w.do(trial.Investigator, trial.UnsealingProposed{})
	w.do(trial.Custodian, trial.Unsealed{})
}

// With every design, what is handed out is what anybody would make of the log
// and the keys: those who were drawn, who got an envelope and who was corrected
// later, under the seed that two parties made, after a sealing that was given up.
func TestRevealIsWhatTheLogHolds(t *testing.T) {
	for _, d := range everyDesign() {
		t.Run(fmt.Sprintf("%T", d), func(t *testing.T) {
			w := created(t, &storetest.Memory{})
			w.seal(false)
			w.do(trial.Custodian, trial.SealingAbandoned{Reason: "other"})
			s, _, err := w.trial().Seal(t.Context(), w.as(trial.Custodian), d, true)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.trial().Contribute(t.Context(), w.as(trial.Statistician), s.Commitment, []byte("dice")); err != nil {
				t.Fatal(err)
			}
			w.do(trial.Custodian, trial.ContingencyPrinted{Envelopes: 4, Recipients: [2][32]byte{{1}, {2}}})
			w.do(trial.Coordinator, trial.EnrolmentOpened{})
			for i := range 16 {
				p := trial.ParticipantID(fmt.Sprintf("P%d", i))
				commit := w.readyIn(p, []trial.SiteID{"OSLO", "BERGEN"}[i%2], []trial.Code{"f", "m"}[i/2%2])
				if i%7 == 3 {
					w.do(trial.Coordinator, trial.ContingencyUsed{Participant: p, Envelope: 3, On: date("2020-03-01"), Witness: "pi", Reason: "server-down"})
					continue
				}
				w.do(trial.Coordinator, commit)
				if i == 5 {
					w.do(trial.Coordinator, trial.LevelsCorrected{Participant: p, Levels: []trial.Code{"m"}, Reason: "misread"})
				}
			}
			if _, err := w.trial().Reveal(t.Context()); !errors.Is(err, trial.ErrNotUnsealed) {
				t.Errorf("before the unsealing: %v", err)
			}
			w.unseal()
			want := revealed(w)
			for range 2 {
				got, err := w.trial().Reveal(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if err := randomization.Verify(got.Randomization); err != nil || len(got.Randomization.Allocations) != 16 {
					t.Errorf("%d allocations: %v", len(got.Randomization.Allocations), err)
				}
				if diff := cmp.Diff(want.Allocations, got.Randomization.Allocations, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("allocations (-want +got):\n%s", diff)
				}
				if string(got.Randomization.Entropy) != "dice" || got.Randomization.Commitment != want.Commitment {
					t.Errorf("contribution %q, commitment %v", got.Randomization.Entropy, got.Randomization.Commitment)
				}
				if got.Heads[0].Size != w.log.Len("IPS/conduct") || got.Heads[2].Size != w.log.Len("IPS/allocation") || got.Lock.Number != 1 {
					t.Errorf("heads %v of lock %d", got.Heads, got.Lock.Number)
				}
				w = w.reopen()
			}
		})
	}
}

// Slots that a restore has lost stand where they were given up.
func TestRevealTellsLostSlots(t *testing.T) {
	for _, d := range []randomization.Design{design, minimization} {
		t.Run(fmt.Sprintf("%T", d), func(t *testing.T) {
			w := created(t, &storetest.Memory{})
			lose := func(lost ...trial.LostSlots) {
				t.Helper()
				if err := w.ledger.MarkRestored(t.Context(), func(string) int64 { return 0 }); err != nil {
					t.Fatal(err)
				}
				w.do(trial.Custodian, trial.Reconciled{Lost: lost})
			}
			w.seal(false)
			w.do(trial.Custodian, trial.SealingAbandoned{Reason: "other"})
			if _, _, err := w.trial().Seal(t.Context(), w.as(trial.Custodian), d, false); err != nil {
				t.Fatal(err)
			}
			w.do(trial.Coordinator, trial.EnrolmentOpened{})
			w.do(trial.Coordinator, w.readyIn("P1", "OSLO", "f"))
			lose(trial.LostSlots{Stratum: "BERGEN/sex=f", Slots: 1}, trial.LostSlots{Stratum: "OSLO/sex=f", Slots: 2}, trial.LostSlots{Stratum: "OSLO/sex=m", Slots: 1})
			w.do(trial.Coordinator, w.readyIn("P2", "OSLO", "f"))
			w.do(trial.Coordinator, w.readyIn("P3", "BERGEN", "f"))
			w.unseal()
			got, err := w.trial().Reveal(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := randomization.Verify(got.Randomization); err != nil {
				t.Error(err)
			}
			var rows []string
			for i, a := range got.Randomization.Allocations {
				rows = append(rows, fmt.Sprintf("%s %s %d %s", a.Kind, a.Stratum, a.Slot, got.Allocations[i].Participant))
			}
			want := []string{
				"drawn OSLO/sex=f 0 P1", "lost BERGEN/sex=f 0 ", "lost OSLO/sex=f 1 ", "lost OSLO/sex=f 2 ", "lost OSLO/sex=m 0 ",
				"drawn OSLO/sex=f 3 P2", "drawn BERGEN/sex=f 1 P3",
			}
			if _, adaptive := d.(randomization.Minimization); adaptive { // slots are those of the trial
				want = []string{
					"drawn OSLO/sex=f 0 P1", "lost BERGEN/sex=f 1 ", "lost OSLO/sex=f 2 ", "lost OSLO/sex=f 3 ", "lost OSLO/sex=m 4 ",
					"drawn OSLO/sex=f 5 P2", "drawn BERGEN/sex=f 6 P3",
				}
			}
			if diff := cmp.Diff(want, rows); diff != "" {
				t.Errorf("slots (-want +got):\n%s", diff)
			}
		})
	}
}
