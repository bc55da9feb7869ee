package main

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

const toldOrigin = "lodd.example.org"

// A toldLog is what a story has written so far: stored entries by list.
type toldLog map[string][][]byte

func (l toldLog) clone() toldLog {
	c := maps.Clone(l)
	for list := range c {
		c[list] = slices.Clone(c[list])
	}
	return c
}

// A teller tells a trial event by event.
type teller struct {
	testing.TB
	state  trial.State
	now    time.Time
	log    toldLog
	intent trial.IntentID // of the last preparation
	count  byte
}

// do decides an event as the server does and writes what follows.
func (s *teller) do(actor string, role trial.Role, e trial.Event) trial.RequestID {
	s.Helper()
	s.count++
	m := trial.Meta{At: s.now, Actor: actor, Role: role, Request: trial.RequestID{s.count}}
	events, err := s.state.Decide(m, e)
	if err != nil {
		s.Fatalf("%T is refused: %v", e, err)
	}
	for _, e := range events {
		if a, ok := e.(trial.Allocated); ok {
			a.Sealed = []byte("arm")
			e = a
		}
		if taken, ok := e.(trial.EventTakenIn); ok {
			taken.Sealed = []byte("who")
			e = taken
		}
		m := asTeam(m, e)
		m.Index = s.state.Len(s.state.Compartment(e))
		s.log = s.with(m, e)
		if err := s.state.Apply(m, e); err != nil {
			s.Fatal(err)
		}
	}
	return m.Request
}

// write1 writes an entry, and applies it if the rules allow it: after one that
// they don't, the log is refused there.
func (s *teller) write1(m trial.Meta, e trial.Event) {
	m.Index = s.state.Len(s.state.Compartment(e))
	s.log = s.with(m, e)
	if err := s.state.Apply(m, e); err != nil {
		s.Logf("refused: %v", err)
	}
}

// with returns the log with more entries, whether the rules allow them or not.
func (s *teller) with(m trial.Meta, events ...trial.Event) toldLog {
	log, conduct := s.log, s.state.Len(trial.Conduct)
	for _, e := range events {
		in := s.state.Compartment(e)
		rec := entry.Entry{At: m.At, Actor: m.Actor, Role: string(m.Role), Request: m.Request, Event: e}
		if in == trial.Conduct {
			conduct++
		} else {
			rec.ConductSize = conduct
		}
		log = s.write(log, "IPS/"+string(in), rec)
	}
	return log
}

func (s *teller) write(log toldLog, list string, rec entry.Entry) toldLog {
	s.Helper()
	rec.Nonce[0] = s.count
	body, err := entry.Marshal(rec)
	if err != nil {
		s.Fatal(err)
	}
	log = log.clone()
	log[list] = append(log[list], coded(body))
	return log
}

// coded returns an entry with a code of some key: an auditor has none to check
// it with.
func coded(body []byte) []byte { return entry.Authenticate(body, [32]byte{}, "", 0) }

func (s *teller) system(e people.Event) {
	s.log = s.write(s.log, "system", entry.Entry{At: s.now, Actor: "admin", Event: e})
}

func (s *teller) today() trial.Date { return s.state.Today(s.now) }

func (s *teller) coordinator(e trial.Event) trial.RequestID {
	s.Helper()
	return s.do("kari", trial.Coordinator, e)
}

func (s *teller) submit(p trial.ParticipantID, v trial.VisitID, form trial.FormID) {
	s.Helper()
	e := trial.FormSubmitted{Participant: p, Visit: v, Form: form, Version: 1, On: s.today(), Sealed: []byte("answers")}
	if form == "history" {
		s.coordinator(e)
		return
	}
	s.do("ola", trial.Assessor, e)
}

// prepare takes a participant from screening to the door of randomization.
func (s *teller) prepare(p trial.ParticipantID, sex trial.Code) trial.IntentID {
	s.Helper()
	s.coordinator(trial.Screened{Participant: p, Site: "OSL", Levels: []trial.Code{sex}, On: s.today()})
	s.coordinator(trial.Consented{Participant: p, Consent: trial.ConsentGiven{Version: "1", On: s.today()}})
	s.coordinator(trial.EligibilityAssessed{Participant: p, Eligible: true, Sealed: []byte("answers")})
	s.submit(p, "baseline", "history")
	s.submit(p, "baseline", "audit")
	s.intent = s.coordinator(trial.Prepared{Participant: p})
	return s.intent
}

func (s *teller) randomize(p trial.ParticipantID, sex trial.Code) {
	s.Helper()
	intent := s.prepare(p, sex)
	s.now = s.now.Add(time.Minute)
	s.coordinator(trial.Randomized{Participant: p, Intent: intent})
}

func toldText(s string) trial.Text { return trial.Text{NB: s + " på norsk", EN: s} }

func toldProtocol() trial.Protocol {
	return trial.Protocol{
		ID: "IPS", Title: toldText("IPS"), TimeZone: "Europe/Oslo",
		Arms:    []trial.Arm{{ID: "ips", Label: toldText("IPS"), Ratio: 1}, {ID: "tau", Label: toldText("TAU"), Ratio: 1}},
		Factors: []trial.Factor{{ID: "sex", Label: toldText("sex"), Levels: []trial.Option{{ID: "female"}, {ID: "male"}}}},
		Sites:   []trial.Site{{ID: "OSL", Name: "Oslo"}, {ID: "BGO", Name: "Bergen"}},
		Visits: []trial.Visit{
			{ID: "baseline"}, {ID: "month-6", Months: 6, Before: 14, After: 28}, {ID: "month-12", Months: 12, Before: 14, After: 28},
		},
		Criteria: []trial.Criterion{{ID: "adult", Text: toldText("adult"), Want: true}},
		Consents: []trial.Consent{{Version: "1", Approved: trial.Date{Year: 2024, Month: 1, Day: 2}}, {Version: "2", Approved: trial.Date{Year: 2026, Month: 1, Day: 2}}},
	}
}

func (s *teller) setUp() {
	s.Helper()
	s.system(people.Created{User: "kari", FullName: "Kari Nordmann"})
	s.system(people.Granted{Grant: people.Grant{User: "kari", Trial: "IPS", Role: "coordinator", Site: "OSL"}})
	all := []trial.VisitID{"baseline", "month-6", "month-12"}
	s.do("lise", trial.Custodian, trial.Created{Protocol: toldProtocol(), Forms: 4})
	for _, f := range []trial.Form{
		{ID: "history", By: trial.Coordinator, Visits: all[:1]},
		{ID: "audit", By: trial.Assessor, Visits: all},
		{ID: "guess", By: trial.Assessor, Visits: all[1:]},
		{ID: "jobs", By: trial.Assessor, Visits: all[1:], After: "guess"},
	} {
		f.Version, f.Title, f.Definition = 1, toldText(string(f.ID)), []byte("{}")
		s.do("lise", trial.Custodian, trial.FormDefined{Form: f})
	}
}

// seal seals the design of a trial that was set up, the second time by two
// parties, and opens enrolment.
func (s *teller) seal() {
	s.Helper()
	s.do("lise", trial.Custodian, trial.DesignSealed{Commitment: [32]byte{1}})
	s.do("lise", trial.Custodian, trial.DesignKept{Sealed: []byte("design")})
	s.do("lise", trial.Custodian, trial.SealingAbandoned{Reason: "design-fault"})
	s.do("lise", trial.Custodian, trial.DesignSealed{Commitment: [32]byte{2}, AwaitsEntropy: true})
	s.do("lise", trial.Custodian, trial.DesignKept{Sealed: []byte("design")})
	s.do("stine", trial.Statistician, trial.EntropyContributed{Entropy: []byte("3 5 1 6")})
	s.do("lise", trial.Custodian, trial.ContingencyPrinted{Envelopes: 2, Recipients: [2][32]byte{{1}, {2}}})
	s.do("lise", trial.Custodian, trial.EnrolmentOpened{})
}

// newTeller returns a trial that takes participants, late in the evening of 30
// August, which is the 31st in Oslo.
func newTeller(t testing.TB) *teller {
	t.Helper()
	s := blankTeller(t)
	s.seal()
	return s
}

// blankTeller returns a trial whose design isn't sealed.
func blankTeller(t testing.TB) *teller {
	t.Helper()
	log := toldLog{"IPS/allocation": nil, "IPS/conduct": nil, "IPS/delivery": nil, "IPS/outcome": nil, "system": nil}
	s := &teller{TB: t, log: log, now: time.Date(2025, 8, 30, 22, 30, 0, 0, time.UTC)}
	s.setUp()
	return s
}

// tellTrial tells a trial with every kind of entry, and calls at at seven moments
// of it. Days begin at 22 or 23 o'clock UTC in Oslo: what happens late in the
// evening belongs to the next day.
func tellTrial(t testing.TB, at func(*teller)) *teller {
	t.Helper()
	s := newTeller(t)
	at(s)
	s.randomize("P1", "male")
	s.randomize("P2", "male")
	at(s)
	s.coordinator(trial.Screened{
		Participant: "P3", Site: "BGO", Levels: []trial.Code{"female"}, On: s.today(),
		Consent: trial.ConsentGiven{Version: "1", On: s.today()}, Assessed: true, Eligible: true, Sealed: []byte("answers"),
	})
	s.submit("P3", "baseline", "history")
	s.submit("P3", "baseline", "audit")
	s.coordinator(trial.Screened{Participant: "P4", Site: "OSL", Levels: []trial.Code{"male"}, On: s.today()})
	s.coordinator(trial.Excluded{Participant: "P5", Site: "BGO", Reason: "declined"})
	s.coordinator(trial.Screened{Participant: "P6", Site: "OSL", Levels: []trial.Code{"male"}, On: s.today(), Assessed: true, Sealed: []byte("answers")})
	for _, p := range []trial.ParticipantID{"P7", "P8", "P9"} {
		s.randomize(p, "female")
	}
	s.now = time.Date(2025, 8, 31, 21, 59, 0, 0, time.UTC) // still 31 August
	s.do("ina", trial.TreatmentTeam, trial.ArmsViewed{Site: "OSL", Team: "ips"})
	s.coordinator(trial.ErrorRecorded{Participant: "P8", Kind: "duplicate"})
	s.coordinator(trial.Withdrawn{Participant: "P9", Scope: trial.FromData, Reason: "not-given", On: s.today()})
	at(s)
	s.do("per", trial.Investigator, trial.Erased{Participant: "P9"})
	s.now = time.Date(2026, 2, 13, 23, 30, 0, 0, time.UTC) // 14 February in Oslo: the first day of the window
	s.submit("P1", "month-6", "guess")
	s.submit("P1", "month-6", "jobs")
	s.do("ola", trial.Assessor, trial.FormCorrected{Participant: "P1", Visit: "month-6", Form: "jobs", Version: 1, Sealed: []byte("changes")})
	s.do("ola", trial.Assessor, trial.VisitMissed{Participant: "P2", Visit: "month-6", Reason: "moved"})
	s.coordinator(trial.Withdrawn{Participant: "P7", Scope: trial.FromIntervention, Reason: "burden", On: s.today()})
	s.coordinator(trial.Withdrawn{Participant: "P7", Scope: trial.FromFollowUp, Reason: "burden", On: s.today()})
	s.coordinator(trial.Died{Participant: "P2", On: s.today()})
	s.coordinator(trial.LevelsCorrected{Participant: "P7", Levels: []trial.Code{"male"}, Reason: "misread"})
	s.coordinator(trial.LevelsCorrected{Participant: "P4", Levels: []trial.Code{"female"}, Reason: "mistyped"})
	s.coordinator(trial.Replaced{Participant: "P1", By: "P7"})
	s.learn()
	s.do("mona", trial.Monitor, trial.Locked{})
	at(s)
	s.do("mona", trial.Monitor, trial.Exported{Lock: 1, View: "pooled"})
	s.now = s.now.Add(24 * time.Hour)
	s.do(trial.ServerActor, "", trial.ClockSteppedBack{By: time.Second})
	s.do(trial.ServerActor, "", trial.Restored{Conduct: 3, Allocation: 2})
	s.do(trial.ServerActor, "", trial.Restored{Conduct: 1, Allocation: 1})
	at(s)
	s.do("lise", trial.Custodian, trial.Reconciled{Lost: []trial.LostSlots{{Stratum: "OSL/sex=male", Slots: 2}}})
	s.randomize("P10", "male")
	s.do("lise", trial.Custodian, trial.EnrolmentClosed{})
	s.coordinator(trial.ContingencyUsed{Participant: "P3", Envelope: 2, On: s.today(), Witness: "tove", Reason: "network-down"})
	s.do("stine", trial.Statistician, trial.PlanFrozen{Digest: [32]byte{1}, Version: "1.0"})
	s.do("mona", trial.Monitor, trial.Locked{})
	s.do("kari", trial.Custodian, trial.UnsealingProposed{})
	at(s)
	s.do("stine", trial.Statistician, trial.Unsealed{})
	s.do("stine", trial.Statistician, trial.Revealed{})
	at(s)
	s.accounts()
	return s
}

// accounts takes the kinds of entries that no trial has.
func (s *teller) accounts() {
	grant := people.Grant{User: "kari", Trial: "IPS", Role: "assessor"}
	for _, e := range []people.Event{
		people.Invited{Invite: "0123456789abcdef", CodeHash: [32]byte{1}, Expires: s.now.Add(time.Hour)},
		people.SignInRefused{User: "ola"},
		people.SignedIn{Session: "s1"},
		people.Refused{Grant: grant, Conflict: "coordinator"},
		people.Revoked{Grant: grant, Reason: "moved"},
		people.SignedOut{Session: "s1"},
		people.Granted{Grant: grant, Expires: s.now.Add(time.Hour)},
		people.FactorEnrolled{},
		people.RecoveryProposed{User: "ola", Reason: "lost"},
		people.RecoveryApproved{User: "ola", CodeHash: [32]byte{1}, Expires: s.now.Add(time.Hour)},
		people.Recovered{},
		people.IdentityLinked{User: "ola", Issuer: "https://id.example.org", Subject: [32]byte{1}},
		people.PasswordChanged{},
		people.Disabled{User: "ola", Reason: "has left"},
	} {
		s.system(e)
	}
}

// toldKeys returns the key of the logs of this test.
func toldKeys(t testing.TB) (note.Signer, string) {
	t.Helper()
	seed := sha256.Sum256([]byte(toldOrigin))
	skey, vkey, err := note.GenerateKey(bytes.NewReader(seed[:]), toldOrigin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, vkey
}

// archived returns an archive of a log, signed as its server would sign it, with
// those entries for which has says so.
func archived(t testing.TB, log toldLog, has func(list string, index int) bool) []byte {
	t.Helper()
	signer, key := toldKeys(t)
	var copies []audit.Copy
	for _, list := range slices.Sorted(maps.Keys(log)) {
		var tree audit.Tree
		var leaves, records []byte
		c := audit.Copy{ArchivedList: audit.ArchivedList{List: list, Size: int64(len(log[list]))}}
		for i, e := range log[list] {
			leaf := audit.Leaf(e)
			tree.Add(leaf)
			leaves = append(leaves, leaf[:]...)
			if has(list, i) {
				records = audit.AppendRecord(records, int64(i), e)
				c.Entries++
			}
		}
		signed, err := audit.Checkpoint{Origin: toldOrigin + "/" + list, Size: c.Size, Root: tree.Root()}.Sign(signer)
		if err != nil {
			t.Fatal(err)
		}
		c.Checkpoint, c.Leaves, c.Records = signed, audit.Bytes(leaves), audit.Bytes(records)
		copies = append(copies, c)
	}
	return zipped(t, key, copies)
}

func zipped(t testing.TB, key string, copies []audit.Copy) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := audit.WriteArchive(&b, audit.Archive{Origin: toldOrigin, Trial: "IPS", Key: key}, copies); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func everything(string, int) bool { return true }

// archiveOf returns the archive of all that a server's log holds of the trial.
func archiveOf(t *testing.T, l *audit.Log, a audit.Archive) []byte {
	t.Helper()
	var copies []audit.Copy
	for _, list := range l.Lists("") {
		signed, err := l.Checkpoint(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := l.Read(t.Context(), list, 0, l.Len(list))
		if err != nil {
			t.Fatal(err)
		}
		var leaves, records []byte
		for i, e := range entries {
			leaf := audit.Leaf(e)
			leaves, records = append(leaves, leaf[:]...), audit.AppendRecord(records, int64(i), e)
		}
		n := int64(len(entries))
		copies = append(copies, audit.Copy{
			ArchivedList: audit.ArchivedList{List: list, Size: n, Entries: n},
			Checkpoint:   signed, Leaves: audit.Bytes(leaves), Records: audit.Bytes(records),
		})
	}
	var b bytes.Buffer
	if err := audit.WriteArchive(&b, a, copies); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
