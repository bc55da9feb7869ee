package export_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/export"
	exportcsv "github.com/lodd-rct/lodd/server/export/csv"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// A world is a running trial with a clock and entropy of its own. What it does
// is the same in every world; what the seed decides is not.
type world struct {
	t        *testing.T
	store    *storetest.Memory
	seed     string
	log      *audit.Log
	ledger   *ledger.Ledger
	trial    *ledger.Trial
	now      time.Time
	requests uint64
	signer   note.Signer // of log and exports
	verifier note.Verifier
}

// A stream yields the same bytes for the same name.
type stream struct {
	mu   sync.Mutex // guards the fields below
	name string
	next uint64
	rest []byte
}

func (s *stream) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest) == 0 {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(s.name), s.next))
		s.next++
		s.rest = sum[:]
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// newWorld returns a trial that is open for enrolment. The sequences of arms
// are drawn from seed.
func newWorld(t *testing.T, seed string) *world {
	t.Helper()
	w := &world{t: t, store: &storetest.Memory{}, seed: seed, now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)}
	private, public, err := note.GenerateKey(&stream{name: "signing key"}, "example.org")
	w.must(err)
	w.signer, err = note.NewSigner(private)
	w.must(err)
	w.verifier, err = note.NewVerifier(public)
	w.must(err)
	w.open("first")
	_, err = w.ledger.Create(t.Context(), w.by("custodian"), protocol(t))
	w.must(err)
	w.trial, err = w.ledger.Trial("TRIAL-1")
	w.must(err)
	_, _, err = w.trial.Seal(t.Context(), w.by("custodian"), randomization.Blocks{
		Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}},
	})
	w.must(err)
	w.do("investigator", trial.EnrolmentOpened{})
	return w
}

// open opens log and ledger on the store.
func (w *world) open(run string) {
	w.t.Helper()
	var err error
	w.log, err = audit.Open(w.t.Context(), audit.Config{Store: w.store, Origin: "example.org", Signer: w.signer, Verifier: w.verifier})
	w.must(err)
	v, err := vault.New(vault.Config{Master: [32]byte{1}, Store: w.store, NotFound: store.ErrNotFound, Random: &stream{name: run + " vault"}})
	w.must(err)
	w.ledger, err = ledger.Open(w.t.Context(), ledger.Config{
		Log: w.log, Vault: v, Seeds: &stream{name: w.seed}, Random: &stream{name: run + " nonces"},
		Now: func() time.Time { return w.now },
	})
	w.must(err)
	w.t.Cleanup(func() {
		w.ledger.Close()
		_ = w.log.Close()
	})
}

// reopen is what a restart of the server does.
func (w *world) reopen() {
	w.t.Helper()
	w.ledger.Close()
	w.must(w.log.Close())
	w.open("second")
	var err error
	w.trial, err = w.ledger.Trial("TRIAL-1")
	w.must(err)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// by is the next request in a role.
func (w *world) by(role trial.Role) ledger.Caller {
	w.requests++
	w.now = w.now.Add(time.Minute)
	c := ledger.Caller{Actor: string(role), Role: role}
	binary.BigEndian.PutUint64(c.Request[8:], w.requests)
	return c
}

func (w *world) do(role trial.Role, e trial.Event) {
	w.t.Helper()
	_, err := w.trial.Do(w.t.Context(), w.by(role), e)
	w.must(err)
}

// today is the date in the trial's time zone.
func (w *world) today() trial.Date {
	oslo, err := time.LoadLocation("Europe/Oslo")
	w.must(err)
	return trial.DateOf(w.now, oslo)
}

// screen enters a participant who meets the criteria and consents.
func (w *world) screen(p trial.ParticipantID, site trial.SiteID) {
	w.t.Helper()
	_, err := w.trial.Screen(w.t.Context(), w.by("coordinator"), trial.Screened{
		Participant: p, Site: site, On: w.today(), Consent: trial.ConsentGiven{Version: "1", On: w.today()},
	}, ledger.Answers{"adult": true})
	w.must(err)
}

// enrol takes a participant all the way to a randomization, with a baseline.
func (w *world) enrol(p trial.ParticipantID, site trial.SiteID) {
	w.t.Helper()
	w.screen(p, site)
	w.submit(p, "baseline", "mood", instrument.Values{"score": instrument.Number(3), "note": instrument.String("ok")})
	w.randomize(p)
}

func (w *world) randomize(p trial.ParticipantID) {
	w.t.Helper()
	prepared := w.by("coordinator")
	_, err := w.trial.Do(w.t.Context(), prepared, trial.Prepared{Participant: p})
	w.must(err)
	_, err = w.trial.Randomize(w.t.Context(), w.by("coordinator"), trial.Randomized{Participant: p, Intent: prepared.Request})
	w.must(err)
}

func (w *world) submit(p trial.ParticipantID, v trial.VisitID, f trial.FormID, values instrument.Values) {
	w.t.Helper()
	_, _, err := w.trial.Submit(w.t.Context(), w.by("assessor"), ledger.Place{Participant: p, Visit: v, Form: f}, w.today(), values)
	w.must(err)
}

func (w *world) correct(p trial.ParticipantID, v trial.VisitID, f trial.FormID, set instrument.Values) {
	w.t.Helper()
	_, _, err := w.trial.Correct(w.t.Context(), w.by("assessor"), ledger.Place{Participant: p, Visit: v, Form: f},
		ledger.Patch{Set: set}, "heard yankee in the corridor")
	w.must(err)
}

func (w *world) erase(p trial.ParticipantID) {
	w.t.Helper()
	_, err := w.trial.Withdraw(w.t.Context(), w.by("coordinator"),
		trial.Withdrawn{Participant: p, Scope: trial.FromData, Reason: "not-given", On: w.today()})
	w.must(err)
}

func (w *world) lock() { w.t.Helper(); w.do("monitor", trial.Locked{}) }

// bundle returns the bundle of a lock, which verifies.
func (w *world) bundle(lock int) bundle {
	w.t.Helper()
	src, err := w.trial.AtLock(w.t.Context(), lock)
	w.must(err)
	var b bytes.Buffer
	w.must(export.Bundle(w.t.Context(), &b, src, w.output()))
	return w.read(b.Bytes())
}

func (w *world) output() export.Output {
	return export.Output{
		Format: exportcsv.Format{}, Producer: audit.Producer{Name: "lodd", Version: "test"}, Signer: w.signer, Log: w.signer,
	}
}

// A bundle is what a data monitor holds.
type bundle struct {
	raw      []byte
	manifest audit.Manifest
	names    []string
	files    map[string]string
}

func (w *world) read(raw []byte) bundle {
	w.t.Helper()
	m, err := audit.VerifyBundle(bytes.NewReader(raw), int64(len(raw)), note.VerifierList(w.verifier))
	w.must(err)
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	w.must(err)
	b := bundle{raw, m, nil, map[string]string{}}
	for _, f := range z.File {
		r, err := f.Open()
		w.must(err)
		data, err := io.ReadAll(r)
		w.must(err)
		b.names = append(b.names, f.Name)
		b.files[f.Name] = string(data)
	}
	return b
}

// rows returns the rows of a file, each by the names of its columns.
func (b bundle) rows(t *testing.T, name string) []map[string]string {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(b.files[name])).ReadAll()
	if err != nil || len(records) == 0 {
		t.Fatalf("read %s: %d records, %v", name, len(records), err)
	}
	var out []map[string]string
	for _, r := range records[1:] {
		row := map[string]string{}
		for i, column := range records[0] {
			row[column] = r[i]
		}
		if len(row) != len(r) {
			t.Fatalf("%s has two columns of one name: %q", name, records[0])
		}
		out = append(out, row)
	}
	return out
}

func both(s string) trial.Text { return trial.Text{NB: s + " (nb)", EN: s} }

// protocol is a trial of two arms, two sites and two follow-up visits. Names of
// items are chosen to get in the way of other columns.
func protocol(t testing.TB) trial.Protocol {
	low, high := 0.0, 10.0
	label := func(s string) instrument.Text { return instrument.Text(both(s)) }
	mood := instrument.Form{
		Schema: instrument.Schema, ID: "mood", Version: 2, Title: label("Mood"), Class: instrument.Blinded,
		Items: []instrument.Item{
			{ID: "score", Type: instrument.TypeScale, Label: label("Score, \"today\""), Required: true, Min: &low, Max: &high},
			{ID: "note", Type: instrument.TypeText, Label: label("=Note")},
			{ID: "visit", Type: instrument.TypeChoice, Label: label("Where"), Options: []instrument.Option{
				{Code: "-1", Label: label("unknown")}, {Code: "home", Label: label("at home")},
			}},
			{ID: "score_missing_reason", Type: instrument.TypeDate, Label: label("Why was score missing")},
			{ID: "weight", Type: instrument.TypeDecimal, Label: label("Weight"), Unit: &instrument.Text{EN: "kg"}, Min: &low, Decimals: 1},
			{ID: "twice", Type: instrument.TypeCalc, Label: label("Twice the score"), Calc: "score * 2"},
		},
	}
	services := instrument.Form{
		Schema: instrument.Schema, ID: "corrections", Version: 1, Title: label("Services"), Class: instrument.Blinded,
		Items: []instrument.Item{{
			ID: "used", Type: instrument.TypeMulti, Label: label("Used"), Reveals: true,
			Options: []instrument.Option{{Code: "nav", Label: label("NAV")}, {Code: "gp", Label: label("GP")}},
		}},
	}
	form := func(f instrument.Form, visits ...trial.VisitID) trial.Form {
		definition, err := f.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return trial.Form{
			ID: trial.FormID(f.ID), Version: f.Version, Title: trial.Text(f.Title), Visits: visits,
			By: trial.Assessor, Definition: definition,
		}
	}
	return trial.Protocol{
		ID: "TRIAL-1", Title: both("Zulu or yankee"), TimeZone: "Europe/Oslo",
		Arms:  []trial.Arm{{ID: "zulu", Label: both("Zulu treatment"), Ratio: 1}, {ID: "yankee", Label: both("Yankee treatment"), Ratio: 1}},
		Sites: []trial.Site{{ID: "OSLO", Name: "Oslo"}, {ID: "-BERGEN", Name: "Bergen"}},
		Visits: []trial.Visit{
			{ID: "baseline", Label: both("Baseline")},
			{ID: "month-6", Label: both("Month 6"), Months: 6, Before: 14, After: 28},
			{ID: "month-12", Label: both("Month 12"), Months: 12, Before: 14, After: 28},
		},
		Criteria: []trial.Criterion{{ID: "adult", Text: both("Adult"), Want: true}},
		Consents: []trial.Consent{{Version: "1", Approved: trial.Date{Year: 2025, Month: 12, Day: 1}}},
		Forms: []trial.Form{
			form(services, "month-6"),
			form(mood, "baseline", "month-6", "month-12"),
		},
	}
}

// person returns the screening number of person i.
func person(i int) trial.ParticipantID {
	return trial.ParticipantID(fmt.Sprintf("SCREEN-%04d", 7000+i))
}

// story is a small trial until after its first lock: eight are randomized, one
// each stops the intervention, withdraws, dies, is a duplicate, misses a visit
// and is assessed late; two are screened only.
func (w *world) story() {
	w.t.Helper()
	for i := range 8 {
		w.enrol(person(i), []trial.SiteID{"OSLO", "-BERGEN"}[i%2])
		w.now = w.now.AddDate(0, 0, 1)
	}
	w.screen(person(8), "OSLO")
	w.do("coordinator", trial.Excluded{Participant: person(9), Site: "OSLO", Reason: "declined"})
	w.do("coordinator", trial.ErrorRecorded{Participant: person(3), Kind: "duplicate"})
	w.now = w.now.AddDate(0, 6, 0)
	w.submit(person(0), "month-6", "corrections", instrument.Values{"used": instrument.Codes{"nav", "gp"}})
	w.submit(person(0), "month-6", "mood", instrument.Values{
		"score": instrument.Number(10), "note": instrument.String("=HYPERLINK(\"x\")"), "visit": instrument.String("-1"), "weight": instrument.Number(71.5),
	})
	w.submit(person(1), "month-6", "mood", instrument.Values{"score": instrument.Refused, "weight": instrument.NotDone})
	w.do("assessor", trial.VisitMissed{Participant: person(2), Visit: "month-6", Reason: "not-reached"})
	w.do("coordinator", trial.Withdrawn{Participant: person(4), Scope: trial.FromIntervention, Reason: "burden", On: w.today()})
	w.do("coordinator", trial.Withdrawn{Participant: person(5), Scope: trial.FromFollowUp, Reason: "health", On: w.today()})
	w.do("coordinator", trial.Died{Participant: person(6), On: w.today()})
	w.correct(person(0), "month-6", "mood", instrument.Values{"score": instrument.Unknown, "note": instrument.String("'quoted'"), "weight": instrument.Number(72)})
	w.correct(person(0), "month-6", "corrections", instrument.Values{"used": instrument.Codes{"gp"}})
	w.now = w.now.AddDate(0, 1, 5)
	w.submit(person(7), "month-6", "mood", instrument.Values{"score": instrument.Number(0)})
	w.lock()
}
