package ledger_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/freetext"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

const fell = "Fell on the ice"

func relapse(reporter trial.Code) trial.AdverseEventReported {
	return trial.AdverseEventReported{Participant: "P1", On: date("2020-03-01"), Category: "relapse", Reporter: reporter}
}

func report(e trial.AdverseEventReported, text string) request {
	return func(ctx context.Context, w *world, by ledger.Caller) (ledger.Receipt, error) {
		r, _, err := w.trial().ReportAdverseEvent(ctx, by, e, text)
		return r, err
	}
}

// report enters an event of P1 as somebody of a role.
func (w *world) report(role trial.Role, text string) (ledger.Receipt, int) {
	w.Helper()
	reporter := trial.FromSite
	if role == trial.TreatmentTeam {
		reporter = trial.FromTeam
	}
	r, n, err := w.trial().ReportAdverseEvent(w.Context(), w.as(role), relapse(reporter), text)
	if err != nil {
		w.Fatal(err)
	}
	return r, n
}

// told returns the events of all sites.
func (w *world) told() []ledger.ToldEvent {
	w.Helper()
	got, err := w.trial().AdverseEvents(w.Context(), func(trial.SiteID) bool { return true })
	if err != nil {
		w.Fatal(err)
	}
	return got
}

// A report of a treatment team is one append of two entries: in conduct the event,
// which names nobody, and in delivery who reported it, sealed.
func TestTeamReportsInOneAppend(t *testing.T) {
	m := &storetest.Memory{}
	w := recruiting(t, m)
	w.randomize("P1")
	w.report(trial.Coordinator, fell)
	var sizes []int
	m.FailAppend = func(parts ...store.Part) error {
		for _, p := range parts {
			sizes = append(sizes, len(p.Records))
		}
		return nil
	}
	by := w.as(trial.TreatmentTeam)
	r, number, err := w.trial().ReportAdverseEvent(t.Context(), by, relapse(trial.FromTeam), fell)
	if err != nil || number != 2 || r.List != "IPS/delivery" || r.Index != 0 {
		t.Errorf("event %d, receipt %+v, %v", number, r, err)
	}
	if !slices.Equal(sizes, []int{1, 1}) {
		t.Errorf("appends of %v entries, want one of two parts", sizes)
	}
	events, taken := of[trial.AdverseEventReported](w), of[trial.EventTakenIn](w)
	if len(events) != 2 || len(taken) != 1 {
		t.Fatalf("%d events and %d taken in", len(events), len(taken))
	}
	if e := events[1]; e.Actor != trial.ServerActor || e.Role != "" || e.Request != (trial.RequestID{}) {
		t.Errorf("the event names %q, %q, %v", e.Actor, e.Role, e.Request)
	}
	if e := taken[0]; e.Actor != trial.ServerActor || e.Role != "" || e.Request != by.Request || e.Event.(trial.EventTakenIn).Number != 2 {
		t.Errorf("taken in: %+v", e)
	}
}

// The same request gives the same answer, also after a restart; its receipt and
// number are those of the first. Other content is refused.
func TestReportsAreRepeatable(t *testing.T) {
	other := relapse(trial.FromTeam)
	other.Serious = true
	for _, tt := range []struct {
		reporter trial.Code
		role     trial.Role
		others   []request
	}{
		{trial.FromTeam, trial.TreatmentTeam, []request{report(other, fell), report(relapse(trial.FromTeam), "Fell"), report(relapse(trial.FromSite), fell), do(trial.EnrolmentClosed{})}},
		{trial.FromSite, trial.Coordinator, []request{report(relapse(trial.FromSite), "Fell"), report(relapse(trial.FromTeam), fell), do(trial.EnrolmentClosed{})}},
	} {
		t.Run(string(tt.reporter), func(t *testing.T) {
			w := recruiting(t, &storetest.Memory{})
			w.randomize("P1")
			by := w.as(tt.role)
			same := report(relapse(tt.reporter), fell)
			first, err := same(t.Context(), w, by)
			if err != nil || first.Repeated {
				t.Fatalf("first: %+v, %v", first, err)
			}
			checkRepeats(t, w, by, first, same, tt.others)
			w.report(trial.TreatmentTeam, "Another fall")
			w.contact(phoned("P1"))
			w = w.reopen()
			checkRepeats(t, w, by, first, same, tt.others)
			if _, n, err := w.trial().ReportAdverseEvent(t.Context(), by, relapse(tt.reporter), fell); n != 1 || err != nil {
				t.Errorf("the repeated event has number %d, %v", n, err)
			}
		})
	}
}

// A server is killed before or after a team's report is durable: there are both
// entries or none, and whoever repeats the request has reported one event.
func TestReportKilledBetweenCommitAndReply(t *testing.T) {
	for _, at := range []string{"before report", "after report"} {
		t.Run(at, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lodd.db")
			kill(t, path, at)
			db, err := bolt.Open(path, bolt.Options{MustExist: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			w := open(t, db)
			done := at == "after report"
			if n, m := len(of[trial.AdverseEventReported](w)), len(of[trial.EventTakenIn](w)); n != m || n == 1 != done {
				t.Fatalf("%d events and %d taken in", n, m)
			}
			again := w.as(trial.TreatmentTeam)
			again.Request = reported
			r, n, err := w.trial().ReportAdverseEvent(t.Context(), again, relapse(trial.FromTeam), fell)
			if err != nil || r.Repeated != done || n != 1 || r.List != "IPS/delivery" {
				t.Errorf("the repetition: %+v, %d, %v", r, n, err)
			}
			if n, m := len(of[trial.AdverseEventReported](w)), len(of[trial.EventTakenIn](w)); n != 1 || m != 1 {
				t.Errorf("%d events and %d taken in", n, m)
			}
		})
	}
}

// What happened is read in the order of the numbers, and by nobody once the
// participant has withdrawn from the data; that it happened stays. An erasure
// destroys it, and the trial opens again.
func TestEventTexts(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	w.report(trial.TreatmentTeam, fell)
	w.report(trial.Assessor, strings.Repeat("å", 2000))
	w.do(trial.Investigator, trial.AdverseEventAssessed{Number: 1, Related: "possible", Expected: true})
	got := w.told()
	if len(got) != 2 || got[0].Text != fell || got[0].ToProcedures != "possible" || !got[0].Expected || got[1].Number != 2 || len(got[1].Text) != 4000 {
		t.Errorf("told %+v", got)
	}
	if got, err := w.trial().AdverseEvents(t.Context(), func(s trial.SiteID) bool { return s == "BERGEN" }); len(got) != 0 || err != nil {
		t.Errorf("of another site: %+v, %v", got, err)
	}
	w.on("2020-09-02")
	w.do(trial.Coordinator, w3)
	for range 2 {
		if got := w.told(); len(got) != 2 || got[0].Text != "" || got[1].Text != "" || got[0].Category != "relapse" {
			t.Errorf("after the withdrawal: %+v", got)
		}
		if _, err := w.trial().Erase(t.Context(), w.as(trial.Investigator), "P1"); err != nil {
			t.Fatal(err)
		}
		w = w.reopen()
	}
	if gone, err := w.vault.Destroyed(t.Context(), p1Key); !gone || err != nil {
		t.Errorf("the key is there: %v", err)
	}
}

// What teams report before and after a lock doesn't keep it from being exported.
func TestEventsOfTeamsDoNotDisturbLocks(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	for range 3 {
		w.report(trial.TreatmentTeam, fell)
		w.report(trial.Coordinator, fell)
		w.contact(phoned("P1"))
		w.do(trial.Monitor, trial.Locked{})
	}
	for n := 1; n <= 3; n++ {
		if src, err := w.trial().AtLock(t.Context(), n); err != nil || len(src.Participants) != 1 {
			t.Errorf("lock %d: %v, %v", n, src.Participants, err)
		}
	}
}

// A text has one size in the log, however long it is and whoever reports it.
func TestEventTextsAreOfOneSize(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.randomize("P1")
	for _, role := range []trial.Role{trial.Coordinator, trial.TreatmentTeam} {
		w.report(role, "x")
		w.report(role, strings.Repeat("語", 2000))
	}
	sizes := map[int]bool{}
	for _, e := range of[trial.AdverseEventReported](w) {
		sizes[len(e.Event.(trial.AdverseEventReported).Sealed)] = true
	}
	if len(sizes) != 1 {
		t.Errorf("sizes %v", sizes)
	}
}

func TestReportsAreRefused(t *testing.T) {
	w := recruiting(t, &storetest.Memory{})
	w.ready("P1")
	n := len(w.entries())
	for _, tt := range []struct {
		name, text  string
		participant trial.ParticipantID
		want        error
		kind        freetext.Kind
	}{
		{"nobody", fell, "P9", trial.ErrNotFound, ""},
		{"not randomized", fell, "P1", trial.ErrNotRandomized, ""},
		{"words that tell the arm", "Missed the IPS meeting", "P1", nil, freetext.GiveAway},
		{"an address", "Write to kari@example.org", "P1", nil, freetext.Email},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := relapse(trial.FromTeam)
			e.Participant = tt.participant
			_, _, err := w.trial().ReportAdverseEvent(t.Context(), w.as(trial.TreatmentTeam), e, tt.text)
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if wording, ok := errors.AsType[*ledger.Wording](err); tt.kind != "" && (!ok || wording.Kind != tt.kind || wording.Field != "text") {
				t.Errorf("%v, want %s", err, tt.kind)
			}
		})
	}
	if m := len(w.entries()); m != n {
		t.Errorf("what was refused left %d entries", m-n)
	}
}
