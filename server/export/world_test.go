package export_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
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
	levels   []trial.Code // of whoever is screened
	signer   note.Signer  // of log and exports
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
	return newWorldOf(t, seed, protocol(t))
}

func newWorldOf(t *testing.T, seed string, p trial.Protocol) *world {
	t.Helper()
	w := &world{t: t, store: &storetest.Memory{}, seed: seed, now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)}
	private, public, err := note.GenerateKey(&stream{name: "signing key"}, "example.org")
	w.must(err)
	w.signer, err = note.NewSigner(private)
	w.must(err)
	w.verifier, err = note.NewVerifier(public)
	w.must(err)
	w.open("first")
	_, err = w.ledger.Create(t.Context(), w.by("custodian"), p)
	w.must(err)
	w.trial, err = w.ledger.Trial("TRIAL-1")
	w.must(err)
	_, _, err = w.trial.Seal(t.Context(), w.by("custodian"), randomization.Blocks{
		Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}},
	}, false)
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
	zone, err := oslo()
	w.must(err)
	return trial.DateOf(w.now, zone)
}

var oslo = sync.OnceValues(func() (*time.Location, error) { return time.LoadLocation("Europe/Oslo") })

// screen enters a participant who meets the criteria and consents.
func (w *world) screen(p trial.ParticipantID, site trial.SiteID) {
	w.t.Helper()
	_, err := w.trial.Screen(w.t.Context(), w.by("coordinator"), trial.Screened{
		Participant: p, Site: site, Levels: w.levels, On: w.today(), Consent: trial.ConsentGiven{Version: "1", On: w.today()},
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
		ledger.Patch{Set: set}, "heard nobody in the corridor")
	w.must(err)
}

func (w *world) erase(p trial.ParticipantID) {
	w.t.Helper()
	_, err := w.trial.Do(w.t.Context(), w.by("coordinator"),
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
		Format: exportcsv.Format{}, Signer: w.signer, Log: w.signer,
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
