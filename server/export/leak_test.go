package export_test

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// armsByPerson returns the arm of each participant as an index into the
// protocol's arms.
func (w *world) armsByPerson() map[trial.ParticipantID]randomization.Arm {
	w.t.Helper()
	of := map[trial.ParticipantID]randomization.Arm{}
	for arm, id := range []trial.ArmID{"zulu", "yankee"} {
		members, err := w.trial.Members(w.t.Context(), ledger.Caller{Actor: "team", Role: trial.TreatmentTeam},
			[]ledger.Team{{Site: "OSLO", Arm: id}, {Site: "-BERGEN", Arm: id}})
		w.must(err)
		for _, m := range members {
			of[m.Participant] = randomization.Arm(arm)
		}
	}
	return of
}

// enrolAlone enrols somebody on a day of their own.
func (w *world) enrolAlone(p trial.ParticipantID, site trial.SiteID) {
	w.t.Helper()
	w.now = w.now.AddDate(0, 0, 1)
	w.enrol(p, site)
}

// rowKeys returns the row key of each participant: the day of the randomization
// says whose it is.
func (w *world) rowKeys(b bundle) map[trial.ParticipantID]string {
	w.t.Helper()
	on, keys := map[string]string{}, map[trial.ParticipantID]string{}
	for _, row := range b.rows(w.t, "participants.csv") {
		on[row["randomized_on"]] = row["row_key"]
	}
	w.must(w.trial.View(func(s *trial.State) error {
		for p := range s.Participants() {
			y, m, d := p.RandomizedAt.Date()
			keys[p.ID] = on[trial.Date{Year: y, Month: m, Day: d}.String()]
		}
		return nil
	}))
	return keys
}

// separates returns the columns of two values that tell the arm of everybody who
// has one of them.
func separates(rows []map[string]string, arm map[string]randomization.Arm) (columns []string) {
	if len(rows) == 0 {
		return nil
	}
	for column := range rows[0] {
		arms, people := map[string]map[randomization.Arm]bool{}, map[string]bool{}
		for _, row := range rows {
			a, randomized := arm[row["row_key"]]
			if !randomized {
				continue
			}
			if arms[row[column]] == nil {
				arms[row[column]] = map[randomization.Arm]bool{}
			}
			arms[row[column]][a], people[row["row_key"]] = true, true
		}
		mixed := false
		for _, of := range arms {
			mixed = mixed || len(of) > 1
		}
		if len(arms) == 2 && !mixed && len(people) > 8 {
			columns = append(columns, column)
		}
	}
	slices.Sort(columns)
	return columns
}

// A data monitor's export has no column of two values, and no pattern of missing
// ones, that tells the arms apart. Codes for groups, drawn anew for each report,
// belong to reports to a monitoring board, which don't exist yet: until then no
// export has groups at all, and there is nothing whose order could be tried
// 1,000 times.
func TestLeakL8NoColumnSeparatesTheArms(t *testing.T) {
	w := newWorld(t, "seed one")
	for i := range 40 {
		w.enrolAlone(person(i), []trial.SiteID{"OSLO", "-BERGEN"}[i/3%2])
		if i%3 == 0 {
			w.do("coordinator", trial.Withdrawn{Participant: person(i), Scope: trial.FromIntervention, Reason: "not-given", On: w.today()})
		}
	}
	arms := w.armsByPerson()
	w.lock()
	b := w.bundle(1)
	arm, people := map[string]randomization.Arm{}, b.rows(t, "participants.csv")
	for p, key := range w.rowKeys(b) {
		arm[key] = arms[p]
	}
	if len(arm) != 40 {
		t.Fatalf("%d row keys of 40 people", len(arm))
	}
	tables := 0
	for _, name := range b.names {
		if !strings.HasSuffix(name, ".csv") || !strings.HasPrefix(b.files[name], "row_key") {
			continue
		}
		tables++
		rows := b.rows(t, name)
		missing := make([]map[string]string, len(rows))
		for i, row := range rows {
			missing[i] = map[string]string{}
			for column, value := range row {
				missing[i]["no "+column] = fmt.Sprint(value == "")
			}
			missing[i]["row_key"] = row["row_key"]
		}
		if found := append(separates(rows, arm), separates(missing, arm)...); found != nil {
			t.Errorf("%s: %q tell the arms apart", name, found)
		}
	}
	if tables < 3 {
		t.Errorf("%d tables with row keys in %q", tables, b.names)
	}
	for _, row := range people { // as an export with labels for groups would have it
		row["group"] = []string{"A", "B"}[arm[row["row_key"]]]
	}
	if found := separates(people, arm); !slices.Equal(found, []string{"group"}) {
		t.Errorf("a column of groups is seen as %q: the test is blind", found)
	}
}

// A sample is what a test of ranks and of runs makes of many trials.
type sample struct {
	ranks, runs, ranksVariance, runsVariance float64
}

// add adds a trial: its arms in the order of somebody's ids.
func (s *sample) add(arms []randomization.Arm) {
	n, ones, ranks, runs := float64(len(arms)), 0.0, 0.0, 1.0
	for i, a := range arms {
		if a == 1 {
			ones++
			ranks += float64(i + 1)
		}
		if i > 0 && a != arms[i-1] {
			runs++
		}
	}
	pairs := 2 * ones * (n - ones)
	if pairs == 0 {
		return
	}
	s.ranks += ranks - ones*(n+1)/2
	s.ranksVariance += pairs / 2 * (n + 1) / 12
	s.runs += runs - 1 - pairs/n
	s.runsVariance += pairs * (pairs - n) / (n * n * (n - 1))
}

// suspicious reports whether p is at most 0.001, two-sided, for ranks or for runs.
//
// Source: Wilcoxon 1945, Biometrics Bulletin 1:80-83; Wald and Wolfowitz 1940,
// Annals of Mathematical Statistics 11:147-162; sums over trials as van Elteren
// 1960 takes them.
func (s *sample) suspicious() (ranks, runs bool) {
	const z = 3.290527 // of the normal distribution
	return math.Abs(s.ranks) > z*math.Sqrt(s.ranksVariance), math.Abs(s.runs) > z*math.Sqrt(s.runsVariance)
}

// inOrder returns the arms of people in the order of an id of theirs.
func inOrder[K cmp.Ordered](arms map[trial.ParticipantID]randomization.Arm, id map[trial.ParticipantID]K) (out []randomization.Arm) {
	var people []trial.ParticipantID
	for p := range arms {
		people = append(people, p)
	}
	slices.SortFunc(people, func(a, b trial.ParticipantID) int { return cmp.Or(cmp.Compare(id[a], id[b]), cmp.Compare(a, b)) })
	for _, p := range people {
		out = append(out, arms[p])
	}
	return out
}

// ordered are the arms of a trial in the order of what people are known by.
type ordered struct {
	keys, receipts, places []randomization.Arm
	thousands, alternating []randomization.Arm // as leaky servers would number people
}

func orderedTrial(t *testing.T, seed string) ordered {
	const people = 16
	p := protocol(t)
	p.Forms = nil // answers are no ids
	w := newWorldOf(t, seed, p)
	for i := range people {
		w.now = w.now.AddDate(0, 0, 1)
		w.screen(person(i), "OSLO")
		w.randomize(person(i))
	}
	arms := w.armsByPerson()
	leaf, place := map[trial.ParticipantID]string{}, map[trial.ParticipantID]int64{}
	thousand, turn := map[trial.ParticipantID]int{}, map[trial.ParticipantID]int{}
	count := map[randomization.Arm]int{}
	w.lock()
	for i := range people {
		p := person(i)
		r, _, err := w.trial.Randomization(t.Context(), p)
		w.must(err)
		leaf[p], place[p] = hex.EncodeToString(r.Leaf[:]), r.Index
		thousand[p] = 1000*int(arms[p]) + i
		turn[p] = 2*count[arms[p]] + int(arms[p])
		count[arms[p]]++
	}
	return ordered{
		keys: inOrder(arms, w.rowKeys(w.bundle(1))), receipts: inOrder(arms, leaf), places: inOrder(arms, place),
		thousands: inOrder(arms, thousand), alternating: inOrder(arms, turn),
	}
}

// Over 200 trials, nothing by which a participant is known beside the screening
// number, which the site gives before anybody has an arm, follows the arm: the row
// keys of exports and the receipts of randomization. The place of a receipt in
// the log is the order of randomization, which blocks balance and which
// therefore has more runs than chance: of it ranks alone are looked at.
func TestLeakL11IDsTellNothingOfTheArm(t *testing.T) {
	trials := make([]ordered, 200)
	if testing.Short() {
		trials = trials[:40]
	}
	t.Run("trials", func(t *testing.T) {
		for n := range trials { // each in a test of its own, which frees what it used
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				trials[n] = orderedTrial(t, fmt.Sprint("seed ", n))
			})
		}
	})
	var keys, receipts, places, thousands, alternating sample
	for _, o := range trials {
		keys.add(o.keys)
		receipts.add(o.receipts)
		places.add(o.places)
		thousands.add(o.thousands)
		alternating.add(o.alternating)
	}
	for name, s := range map[string]*sample{"row keys": &keys, "receipts": &receipts} {
		if ranks, runs := s.suspicious(); ranks || runs {
			t.Errorf("%s follow the arm: %+v", name, *s)
		}
	}
	if ranks, _ := places.suspicious(); ranks {
		t.Errorf("places in the log follow the arm: %+v", places)
	}
	if ranks, _ := thousands.suspicious(); !ranks {
		t.Errorf("numbers from 1000 for one arm aren't noticed: %+v", thousands)
	}
	if _, runs := alternating.suspicious(); !runs {
		t.Errorf("numbers that alternate with the arm aren't noticed: %+v", alternating)
	}
}
