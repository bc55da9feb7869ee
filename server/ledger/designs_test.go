package ledger_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// stratified is a protocol with two sites and a factor.
func stratified() trial.Protocol {
	p := protocol()
	p.Factors = []trial.Factor{{ID: "sex", Levels: []trial.Option{{ID: "f"}, {ID: "m"}}}}
	return p
}

var minimization = randomization.Minimization{
	Ratio: []int{1, 1}, Factors: []randomization.Factor{{Levels: 2, Weight: 2}, {Levels: 2, Weight: 1}},
	Measure: randomization.Range, Favored: 4, Of: 5,
}

// listed is a list with n slots for each stratum of the stratified protocol.
func listed(n int) randomization.List {
	l := randomization.List{Ratio: []int{1, 1}}
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"BERGEN/sex=f", "BERGEN/sex=m", "OSLO/sex=f", "OSLO/sex=m"} {
		arms := slices.Repeat([]randomization.Arm{0, 1}, n/2)
		r.Shuffle(n, func(i, j int) { arms[i], arms[j] = arms[j], arms[i] })
		l.Strata = append(l.Strata, randomization.ListStratum{Name: name, Arms: arms})
	}
	return l
}

func everyDesign() []randomization.Design {
	return []randomization.Design{
		design,
		randomization.Complete{Ratio: []int{1, 1}},
		randomization.BigStick{Tolerance: 2},
		randomization.Maximal{Tolerance: 2, Length: 8},
		randomization.BiasedCoin{Favored: 2, Of: 3},
		randomization.Urn{Arms: 2, Alpha: 0, Beta: 1},
		minimization, listed(80),
	}
}

// begin makes the stratified trial with a design and opens it.
func (w *world) begin(d randomization.Design) {
	w.Helper()
	if _, err := w.ledger.Create(w.Context(), w.as(trial.Administrator), stratified()); err != nil {
		w.Fatal(err)
	}
	if _, _, err := w.trial().Seal(w.Context(), w.as(trial.Custodian), d, false); err != nil {
		w.Fatal(err)
	}
	w.do(trial.Coordinator, trial.EnrolmentOpened{})
}

// readyIn takes p in a stratum of the stratified protocol to where only the
// commit is missing.
func (w *world) readyIn(p trial.ParticipantID, site trial.SiteID, sex trial.Code) trial.Randomized {
	w.Helper()
	e := screened(p)
	e.Site, e.Levels = site, []trial.Code{sex}
	w.must(w.trial().Screen(w.Context(), w.as(trial.Coordinator), e, eligible))
	w.submit(p, "baseline", "history", numbers(1))
	w.submit(p, "baseline", "audit", numbers(2))
	by := w.as(trial.Coordinator)
	w.must(w.trial().Do(w.Context(), by, trial.Prepared{Participant: p}))
	return trial.Randomized{Participant: p, Intent: by.Request}
}

// A story is a trial to which things happen.
type story struct {
	*world
	random    *rand.Rand
	people    int // randomized, each as the next P
	envelopes map[trial.Stratum]int
}

func (s *story) next() (trial.Randomized, trial.Stratum) {
	s.people++
	site, sex := []trial.SiteID{"OSLO", "BERGEN"}[s.random.IntN(2)], []trial.Code{"f", "m"}[s.random.IntN(2)]
	return s.readyIn(trial.ParticipantID(fmt.Sprintf("P%d", s.people)), site, sex), trial.Stratum(string(site) + "/sex=" + string(sex))
}

// happen lets one thing happen.
func (s *story) happen() {
	s.Helper()
	m := s.store.(*storetest.Memory)
	switch s.random.IntN(5) {
	case 0: // several at once
		var callers sync.WaitGroup
		for range 1 + s.random.IntN(8) {
			commit, _ := s.next()
			by := s.as(trial.Coordinator)
			callers.Go(func() {
				if _, err := s.trial().Randomize(s.Context(), by, commit); err != nil {
					s.Error(err)
				}
			})
		}
		callers.Wait()
	case 1: // a full disk, then room
		commit, _ := s.next()
		m.FailAppend = full
		for range 2 {
			if _, err := s.trial().Randomize(s.Context(), s.as(trial.Coordinator), commit); !errors.Is(err, ledger.ErrFull) {
				s.Errorf("full: %v", err)
			}
		}
		m.FailAppend = nil
		s.do(trial.Coordinator, commit)
	case 2: // a store that doesn't know, and a restart
		commit, _ := s.next()
		by := s.as(trial.Coordinator)
		m.WriteUnknown, m.FailAppend = s.random.IntN(2) == 0, func(...store.Part) error { return store.ErrUnknown }
		if _, err := s.trial().Randomize(s.Context(), by, commit); !errors.Is(err, ledger.ErrUnknown) {
			s.Errorf("unknown: %v", err)
		}
		s.world = s.reopen()
		if _, err := s.trial().Randomize(s.Context(), by, commit); err != nil {
			s.Error(err)
		}
	case 3:
		s.world = s.reopen()
	case 4: // an envelope, of which one is left out now and then
		commit, stratum := s.next()
		s.envelopes[stratum] += 1 + s.random.IntN(2)
		s.do(trial.Coordinator, trial.ContingencyUsed{
			Participant: commit.Participant, Envelope: s.envelopes[stratum], On: date("2020-03-01"), Witness: "liv", Reason: "server-down",
		})
	}
}

// Whatever the design, and whether commands come together or alone, fail, are
// repeated or see a restart between them, and however many envelopes are opened:
// every arm follows from the design that was committed to, and the slots that
// were used are the first ones.
func TestAllocationsFollowFromTheDesignWhateverHappens(t *testing.T) {
	happenings := 24
	if testing.Short() {
		happenings = 8
	}
	for i, d := range everyDesign() {
		t.Run(fmt.Sprintf("%T", d), func(t *testing.T) {
			s := &story{world: open(t, &storetest.Memory{}), random: rand.New(rand.NewPCG(uint64(i), 3)), envelopes: map[trial.Stratum]int{}}
			s.begin(d)
			s.do(trial.Custodian, trial.ContingencyPrinted{Envelopes: 100, Recipients: [2][32]byte{{1}, {2}}})
			for range happenings {
				s.happen()
			}
			checkReveal(s.world, s.people)
			s.world = s.reopen() // which compares every sealed arm with the design
			checkReveal(s.world, s.people)
			checkMembers(s.world, s.people)
		})
	}
}

// checkMembers demands that the teams of all arms see a number of people, each
// in the arm that is on record.
func checkMembers(w *world, n int) {
	w.Helper()
	members, err := w.trial().Members(w.Context(), w.as(trial.TreatmentTeam), []ledger.Team{
		{Site: "OSLO", Arm: "ips"}, {Site: "OSLO", Arm: "tau"}, {Site: "BERGEN", Arm: "ips"}, {Site: "BERGEN", Arm: "tau"},
	})
	if err != nil || len(members) != n {
		w.Errorf("%d members of %d people, %v", len(members), n, err)
	}
	drawn := arms(w)
	for _, m := range members {
		if m.Arm.ID != drawn[m.Participant] {
			w.Errorf("the team sees %s in %s, the log has %s", m.Participant, m.Arm.ID, drawn[m.Participant])
		}
	}
}

// 64 people are randomized by minimization at once, by 64 callers who all repeat
// it: each has one allocation, and each arm follows from those before it in the
// log.
func TestMinimizationOf64ParallelCallers(t *testing.T) {
	w := open(t, &storetest.Memory{})
	w.begin(minimization)
	var commits []trial.Randomized
	for i := range 64 {
		commits = append(commits, w.readyIn(trial.ParticipantID(fmt.Sprintf("P%d", i)), []trial.SiteID{"OSLO", "BERGEN"}[i%2], []trial.Code{"f", "m"}[i/2%2]))
	}
	var callers sync.WaitGroup
	for _, commit := range commits {
		for range 2 {
			by := w.as(trial.Coordinator)
			callers.Go(func() {
				if _, err := w.trial().Randomize(t.Context(), by, commit); err != nil {
					t.Error(err)
				}
			})
		}
	}
	callers.Wait()
	checkReveal(w, 64)
	checkReveal(w.reopen(), 64)
}

// Slots that a restore has lost are skipped: the words of the random numbers of
// who comes after are those of the later slots.
func TestMinimizationSkipsLostSlots(t *testing.T) {
	w := open(t, &storetest.Memory{})
	w.begin(minimization)
	commit := w.readyIn("P1", "OSLO", "f")
	w.do(trial.Coordinator, commit)
	if err := w.ledger.MarkRestored(t.Context(), func(string) int64 { return 0 }); err != nil {
		t.Fatal(err)
	}
	w.do(trial.Custodian, trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "BERGEN/sex=f", Slots: 1}, {Stratum: "OSLO/sex=f", Slots: 1}}})
	for i := range 20 {
		w.do(trial.Coordinator, w.readyIn(trial.ParticipantID(fmt.Sprintf("Q%d", i)), "OSLO", "f"))
	}
	for range 2 {
		checkReveal(w, 23)
		checkMembers(w, 21)
		w = w.reopen()
	}
	if n := view(w, (*trial.State).Slots); n != 23 {
		t.Errorf("%d slots are used, want 23", n)
	}
}

// Levels that are corrected later move nobody: neither the arm that the
// participant has, nor those of who comes later.
func TestMinimizationCountsTheLevelsAtRandomization(t *testing.T) {
	w := open(t, &storetest.Memory{})
	w.begin(minimization)
	for i := range 16 {
		p := trial.ParticipantID(fmt.Sprintf("P%d", i))
		w.do(trial.Coordinator, w.readyIn(p, "OSLO", "f"))
		w.do(trial.Coordinator, trial.LevelsCorrected{Participant: p, Levels: []trial.Code{"m"}, Reason: "misread"})
	}
	checkReveal(w, 16)
	checkReveal(w.reopen(), 16)
}
