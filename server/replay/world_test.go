package replay_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/audittest"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

const origin = "lodd.example.org"

// lists are those of a trial.
var lists = []string{"IPS/allocation", "IPS/conduct", "IPS/delivery", "IPS/outcome", "system"}

// A step is an entry of a log that is made.
type step struct {
	list string
	entry.Entry
	raw []byte // stands in the log instead of the entry, if it isn't nil
}

// A story makes the steps of a trial that keeps all rules.
type story struct {
	testing.TB
	state trial.State
	now   time.Time
	steps []step
}

// date returns the day that the clock of a story shows.
func (s *story) today() trial.Date { return trial.DateOf(s.now, time.UTC) }

func (s *story) later(d time.Duration) { s.now = s.now.Add(d) }

// do decides an event, as the server does, and takes the steps that follow.
func (s *story) do(e trial.Event) {
	s.Helper()
	m := trial.Meta{At: s.now, Actor: "kari", Role: trial.Coordinator, Request: request(len(s.steps))}
	switch e := e.(type) {
	case trial.FormSubmitted:
		if e.Form == "audit" {
			m.Actor, m.Role = "ola", trial.Assessor
		}
	case trial.FormCorrected:
		m.Actor, m.Role = "ola", trial.Assessor
	case trial.FormSigned:
		m.Actor, m.Role = "ola", trial.Assessor
	case trial.DisclosureApproved:
		m.Actor = "per"
	case trial.ArmCollected:
		m.Actor = "inspector"
	}
	events, err := s.state.Decide(m, e)
	if err != nil {
		s.Fatalf("%T: %v", e, err)
	}
	for _, e := range events {
		if a, ok := e.(trial.Allocated); ok {
			a.Sealed = []byte("sealed")
			e = a
		}
		if a, ok := e.(trial.AdverseEventReported); ok && a.Reporter == trial.FromTeam {
			m.Actor, m.Role = trial.ServerActor, ""
		} else if taken, ok := e.(trial.EventTakenIn); ok {
			taken.Sealed = []byte("sealed")
			e = taken
		}
		in := s.state.Compartment(e)
		m.Index = s.state.Len(in)
		s.take("IPS/"+string(in), m, e)
		if err := s.state.Apply(m, e); err != nil {
			s.Fatal(err)
		}
	}
}

// request returns the n-th request id.
func request(n int) (id trial.RequestID) {
	binary.BigEndian.PutUint32(id[:], uint32(n+1))
	return id
}

// take takes a step without asking the rules.
func (s *story) take(list string, m trial.Meta, e any) {
	rec := entry.Entry{At: m.At, Actor: m.Actor, Role: string(m.Role), Request: m.Request, Event: e}
	if list != "IPS/conduct" && list != "system" {
		rec.ConductSize = s.state.Len(trial.Conduct)
	}
	s.steps = append(s.steps, step{list: list, Entry: rec})
}

// system takes an entry of the list of accounts.
func (s *story) system(e people.Event) { s.take("system", trial.Meta{At: s.now, Actor: "admin"}, e) }

func text(t string) trial.Text { return trial.Text{NB: t, EN: t} }

func protocol() trial.Protocol {
	return trial.Protocol{
		ID: "IPS", Title: text("IPS"), TimeZone: "Europe/Oslo",
		Arms:     []trial.Arm{{ID: "ips", Label: text("IPS"), Ratio: 1}, {ID: "tau", Label: text("TAU"), Ratio: 1}},
		Factors:  []trial.Factor{{ID: "sex", Label: text("sex"), Levels: []trial.Option{{ID: "female"}, {ID: "male"}}}},
		Sites:    []trial.Site{{ID: "OSL", Name: "Oslo"}},
		Visits:   []trial.Visit{{ID: "baseline"}, {ID: "month-6", Months: 6, Before: 14, After: 28}},
		Criteria: []trial.Criterion{{ID: "adult", Text: text("adult"), Want: true}},
		Consents: []trial.Consent{{Version: "1", Approved: trial.Date{Year: 2024, Month: 1, Day: 2}}},
	}
}

// begin tells a trial to the moment when it takes participants.
func begin(t testing.TB) *story {
	t.Helper()
	s := &story{TB: t, now: time.Date(2025, 3, 3, 8, 0, 0, 0, time.UTC)}
	s.system(people.SignedIn{Session: "s1"})
	s.system(people.Granted{Grant: people.Grant{User: "kari", Trial: "IPS", Role: "coordinator", Site: "OSL"}})
	s.do(trial.Created{Protocol: protocol(), Forms: 2})
	s.do(trial.FormDefined{Form: trial.Form{ID: "history", Version: 1, Title: text("h"), By: trial.Coordinator, Visits: []trial.VisitID{"baseline"}, Definition: []byte("{}")}})
	s.do(trial.FormDefined{Form: trial.Form{ID: "audit", Version: 1, Title: text("a"), By: trial.Assessor, Visits: []trial.VisitID{"month-6"}, Definition: []byte("{}")}})
	s.do(trial.DesignSealed{Commitment: [32]byte{1}})
	s.do(trial.DesignKept{Sealed: []byte("sealed")})
	s.do(trial.EnrolmentOpened{})
	return s
}

// ready brings a participant to the door of randomization.
func (s *story) ready(p trial.ParticipantID) {
	s.later(time.Hour)
	s.do(trial.Screened{Participant: p, Site: "OSL", Levels: []trial.Code{"male"}, On: s.today()})
	s.do(trial.Consented{Participant: p, Consent: trial.ConsentGiven{Version: "1", On: s.today()}})
	s.do(trial.EligibilityAssessed{Participant: p, Eligible: true, Sealed: []byte("sealed")})
	s.do(trial.FormSubmitted{Participant: p, Visit: "baseline", Form: "history", Version: 1, On: s.today(), Sealed: []byte("sealed")})
}

// randomize prepares and commits.
func (s *story) randomize(p trial.ParticipantID) {
	s.do(trial.Prepared{Participant: p})
	s.later(time.Minute)
	intent := s.steps[len(s.steps)-1].Request
	s.do(trial.Randomized{Participant: p, Intent: intent})
}

// whole tells a trial with everything in it.
func whole(t testing.TB) *story {
	s := begin(t)
	for _, p := range []trial.ParticipantID{"P1", "P2", "P3"} {
		s.ready(p)
		s.randomize(p)
	}
	s.do(trial.ArmsViewed{Site: "OSL", Team: "ips"})
	s.later(190 * 24 * time.Hour)
	s.do(trial.FormSubmitted{Participant: "P1", Visit: "month-6", Form: "audit", Version: 1, On: s.today(), Sealed: []byte("sealed")})
	s.do(trial.VisitMissed{Participant: "P2", Visit: "month-6", Reason: "moved"})
	s.do(trial.Withdrawn{Participant: "P3", Scope: trial.FromFollowUp, Reason: "burden", On: s.today()})
	s.do(trial.Locked{})
	s.later(time.Hour)
	s.do(trial.ClockSteppedBack{By: time.Second})
	s.system(people.SignedOut{Session: "s1"})
	return s
}

// learned tells the whole trial, and then who got to know an arm, and what was
// signed: most of it outside conduct, so that time alone says what came first.
func learned(t testing.TB) *story {
	t.Helper()
	s := whole(t)
	s.do(trial.FormSigned{Participant: "P1", Visit: "month-6", Form: "audit", At: 0, Digest: s.formAt(1), Meaning: "authorship", Name: "Ola"})
	s.later(time.Hour)
	s.later(time.Hour)
	s.do(trial.Unblinded{Participant: "P1", Reason: "regulator", To: "inspector", Sealed: []byte("sealed")})
	s.later(time.Hour)
	s.do(trial.FormCorrected{Participant: "P1", Visit: "month-6", Form: "audit", Version: 1, Sealed: []byte("sealed"), Held: []trial.Code{"remarks"}})
	s.do(trial.FormSigned{Participant: "P1", Visit: "month-6", Form: "audit", At: 3, Digest: s.formAt(2), Meaning: "authorship", Name: "Ola"})
	s.later(time.Hour)
	s.do(trial.ArmCollected{Of: 4}) // after three allocations and the design
	s.later(time.Hour)
	s.do(trial.ContactRecorded{Sealed: []byte("sealed")})
	s.later(time.Hour)
	s.do(trial.AdverseEventReported{Participant: "P1", On: s.today(), Category: "relapse", Reporter: trial.FromTeam, Sealed: []byte("sealed")})
	s.do(trial.RelatednessAssessed{Number: 1, Sealed: []byte("sealed")})
	s.do(trial.TextJudged{Participant: "P1", Visit: "month-6", Form: "audit", At: 3, Item: "remarks", Released: true})
	s.do(trial.BlindBroken{Participant: "P1", Person: "ola", On: s.today(), How: "seen", Timing: "after-assessment"})
	s.do(trial.ImpactAssessed{Report: 6, Impact: "none", Measure: "training"})
	return s
}

// formAt returns the digest of the only form in outcome after n of its entries.
func (s *story) formAt(n int) [32]byte {
	var leaves []byte
	index := int64(0)
	for _, step := range s.steps {
		if step.list != "IPS/outcome" {
			continue
		}
		switch step.Event.(type) {
		case trial.FormSubmitted, trial.FormCorrected:
			leaf := audit.Leaf(step.stored(s, index))
			leaves = append(leaves, leaf[:]...)
		}
		index++
	}
	return sha256.Sum256(leaves[:n*sha256.Size])
}

// stored returns the entry of a step as it is stored.
func (s step) stored(t testing.TB, index int64) []byte {
	t.Helper()
	if s.raw != nil {
		return s.raw
	}
	s.Nonce = [entry.NonceSize]byte{1, byte(index)}
	b, err := entry.Marshal(s.Entry)
	if err != nil {
		t.Fatal(err)
	}
	return entry.Authenticate(b, [32]byte{1}, s.list, index)
}

// log appends the steps to a log.
func log(t testing.TB, steps []step) (*audit.Log, string) {
	t.Helper()
	seed := sha256.Sum256([]byte(origin))
	skey, vkey, err := note.GenerateKey(bytes.NewReader(seed[:]), origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.Open(t.Context(), audit.Config{Store: &storetest.Memory{}, Origin: origin, Signer: signer, Verifier: verifier})
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string][][]byte{}
	for _, s := range steps {
		entries[s.list] = append(entries[s.list], s.stored(t, int64(len(entries[s.list]))))
	}
	for list, es := range entries {
		for some := range slices.Chunk(es, audit.MaxEntries/2) {
			if _, err := l.Append(t.Context(), audit.Part{List: list, At: l.Len(list), Entries: some}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return l, vkey
}

// A holding is how much of the lists an archive holds: a list that isn't in it
// is whole.
type holding map[string]func(index int64) bool

func none(int64) bool { return false }

// archive returns the archive of a log that consists of the steps.
func archive(t testing.TB, steps []step, which holding) []byte {
	t.Helper()
	l, vkey := log(t, steps)
	defer l.Close()
	all := slices.Clone(lists)
	for _, s := range steps {
		all = append(all, s.list)
	}
	slices.Sort(all)
	var copies []audit.Copy
	for _, list := range slices.Compact(all) {
		copies = append(copies, copyOf(t, l, list, which[list]))
	}
	var b bytes.Buffer
	if err := audit.WriteArchive(&b, audit.Archive{Origin: origin, Trial: "IPS", Key: vkey}, copies); err != nil {
		t.Fatal(err)
	}
	audittest.Keep(t, b.Bytes())
	return b.Bytes()
}

func copyOf(t testing.TB, l *audit.Log, list string, in func(int64) bool) audit.Copy {
	t.Helper()
	signed, err := l.Checkpoint(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	c := audit.Copy{ArchivedList: audit.ArchivedList{List: list, Size: l.Len(list)}, Checkpoint: signed}
	entries, err := l.Read(t.Context(), list, 0, c.Size)
	if err != nil {
		t.Fatal(err)
	}
	var hashes, records []byte
	for i, e := range entries {
		leaf := audit.Leaf(e)
		hashes = append(hashes, leaf[:]...)
		if in == nil || in(int64(i)) {
			records = audit.AppendRecord(records, int64(i), e)
			c.Entries++
		}
	}
	c.Leaves, c.Records = audit.Bytes(hashes), audit.Bytes(records)
	return c
}

// find returns the position of the n-th step, from 0, with an event of type E.
func find[E any](t testing.TB, steps []step, n int) int {
	t.Helper()
	for i, s := range steps {
		if _, ok := s.Event.(E); ok {
			if n == 0 {
				return i
			}
			n--
		}
	}
	t.Fatalf("the story has no %T", *new(E))
	return -1
}

// place is where an entry stands.
type place struct {
	list  string
	index int64
}

// at returns where step i stands.
func at(steps []step, i int) place {
	p := place{list: steps[i].list}
	for _, s := range steps[:i] {
		if s.list == p.list {
			p.index++
		}
	}
	return p
}

// read returns a reader of an archive that is structurally in order.
func read(t testing.TB, b []byte) *audit.ArchiveReader {
	t.Helper()
	a, err := audit.ReadArchive(bytes.NewReader(b), int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
