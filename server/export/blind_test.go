package export_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// Two trials that differ in nothing but the arms give the same files. The
// commitment to the seed is in the log, so heads may differ, but not in length.
func TestTwinWorldsDifferInNothingButHeads(t *testing.T) {
	one, two := newWorld(t, "seed one"), newWorld(t, "another seed")
	one.story()
	two.story()
	a, b := one.bundle(1), two.bundle(1)
	if slices.Equal(one.arms(), two.arms()) {
		t.Fatal("the arms are the same in both worlds: this test proves nothing, change a seed")
	}
	a.sameButHeads(t, b)
	if len(a.raw) != len(b.raw) {
		t.Errorf("bundles of %d and %d bytes", len(a.raw), len(b.raw))
	}
}

// What treatment teams do in their own compartment is seen by nobody else.
func TestDeliveryEntriesLeaveNoTrace(t *testing.T) {
	quiet, busy := newWorld(t, "seed"), newWorld(t, "seed")
	quiet.story()
	for range 100 {
		busy.arms()
	}
	busy.story()
	quiet.bundle(1).sameButHeads(t, busy.bundle(1))
}

// arms returns the arms in the order of randomization, as teams see them.
func (w *world) arms() []trial.ArmID {
	w.t.Helper()
	var teams []ledger.Team
	for _, site := range []trial.SiteID{"OSLO", "-BERGEN"} {
		teams = append(teams, ledger.Team{Site: site, Arm: "zulu"}, ledger.Team{Site: site, Arm: "yankee"})
	}
	members, err := w.trial.Members(w.t.Context(), ledger.Caller{Actor: "team", Role: trial.TreatmentTeam}, teams)
	w.must(err)
	var arms []trial.ArmID
	for _, m := range members {
		arms = append(arms, m.Arm.ID)
	}
	return arms
}

// sameButHeads compares two bundles, heads by their length only.
func (b bundle) sameButHeads(t *testing.T, other bundle) {
	t.Helper()
	for _, of := range []*audit.Manifest{&b.manifest, &other.manifest} {
		for i := range of.Compartments {
			of.Compartments[i].Root = fmt.Sprint(len(of.Compartments[i].Root))
		}
		for i, f := range of.Files {
			if strings.HasPrefix(f.Name, "checkpoints/") {
				of.Files[i].SHA256 = ""
			}
		}
	}
	if diff := cmp.Diff(b.manifest, other.manifest); diff != "" {
		t.Errorf("manifests differ:\n%s", diff)
	}
	for _, name := range b.names {
		if strings.HasPrefix(name, "checkpoints/") || strings.HasPrefix(name, "manifest.") {
			continue
		}
		if diff := cmp.Diff(b.files[name], other.files[name]); diff != "" {
			t.Errorf("%s differs:\n%s", name, diff)
		}
	}
}

// tellsArm returns the path to a type in t in which an arm or a place in a
// sequence could travel, or "". Functions are walked through what they take
// and give.
func tellsArm(t reflect.Type, seen map[reflect.Type]bool) string {
	if seen[t] {
		return ""
	}
	seen[t] = true
	for _, banned := range []reflect.Type{
		reflect.TypeFor[trial.ArmID](), reflect.TypeFor[trial.Stratum](), reflect.TypeFor[trial.Allocated](), reflect.TypeFor[trial.State](),
	} {
		if t == banned {
			return t.String()
		}
	}
	within := func(name string, of reflect.Type) string {
		if path := tellsArm(of, seen); path != "" {
			return name + "." + path
		}
		return ""
	}
	var paths []string
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if name := strings.ToLower(f.Name); name == "arm" || name == "slot" || name == "stratum" {
				return f.Name
			}
			paths = append(paths, within(f.Name, f.Type))
		}
	case reflect.Func:
		for i := range t.NumIn() {
			paths = append(paths, within("in", t.In(i)))
		}
		for i := range t.NumOut() {
			paths = append(paths, within("out", t.Out(i)))
		}
	case reflect.Map:
		paths = append(paths, within("key", t.Key()), within("value", t.Elem()))
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Chan:
		paths = append(paths, within("elem", t.Elem()))
	default: // nothing is inside
	}
	return strings.Join(slices.DeleteFunc(paths, func(s string) bool { return s == "" }), " ")
}

func TestSourceHasNoRoomForAnArm(t *testing.T) {
	for _, of := range []reflect.Type{
		reflect.TypeFor[export.Source](), reflect.TypeFor[export.Table](), reflect.TypeFor[export.Participant](), reflect.TypeFor[export.Answers](),
	} {
		if path := tellsArm(of, map[reflect.Type]bool{}); path != "" {
			t.Errorf("%s has %s", of, path)
		}
	}
	for _, of := range []reflect.Type{reflect.TypeFor[func() []trial.Participant](), reflect.TypeFor[map[string]*trial.Protocol]()} {
		if tellsArm(of, map[reflect.Type]bool{}) == "" {
			t.Errorf("the walk misses the arms of %s", of)
		}
	}
}

// Neither arms nor screening numbers nor reasons of corrections, which are free
// text, appear in a bundle.
func TestBundleNamesNeitherArmNorParticipant(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	raw := bytes.ToLower(w.bundle(1).raw)
	for _, word := range []string{"zulu", "yankee", "screen-7", "corridor"} {
		if i := bytes.Index(raw, []byte(word)); i >= 0 {
			t.Errorf("the bundle says %q: ...%q...", word, raw[max(i-40, 0):i+20])
		}
	}
	if !bytes.Contains(raw, []byte("oslo")) {
		t.Error("the bundle is not stored as it is: this test would find nothing")
	}
}

// Revealing forms, and corrections of them, are apart and last.
func TestRevealingFormsComeLast(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	b := w.bundle(1)
	last := slices.IndexFunc(b.manifest.Files, func(f audit.File) bool { return strings.HasPrefix(f.Name, "revealing/") })
	for i, f := range b.manifest.Files {
		switch apart := strings.HasPrefix(f.Name, "revealing/"); {
		case last < 0 || apart != (i >= last):
			t.Errorf("%s is file %d, revealing forms begin at %d", f.Name, i, last)
		case !apart && f.Format == "csv" && f.Name != "dictionary.csv" && strings.Contains(b.files[f.Name], "nav"):
			t.Errorf("%s has answers of a revealing form", f.Name)
		}
	}
	for _, row := range b.rows(t, "dictionary.csv") {
		tells := slices.Contains([]string{"used", "used_missing_reason"}, row["column"]) ||
			row["file"] == "revealing/corrections.csv" && (strings.HasPrefix(row["column"], "old") || strings.HasPrefix(row["column"], "new"))
		if (row["reveals"] == "yes") != tells {
			t.Errorf("dictionary says reveals: %s of %s in %s", row["reveals"], row["column"], row["file"])
		}
	}
}

// many returns a source of n participants who were randomized a day apart.
func many(n int, key byte) export.Source {
	src := export.Source{
		Trial: "TRIAL-1", Lock: trial.Lock{Number: 1}, Visits: []trial.Visit{{ID: "baseline"}}, Key: [32]byte{key},
		Participant: func(id trial.ParticipantID) export.Participant {
			i, _ := strconv.Atoi(strings.TrimPrefix(string(id), "P"))
			return export.Participant{Site: "OSLO", Randomized: trial.Date{Year: 2026, Month: 1, Day: 1}.AddDays(i)}
		},
	}
	for i := range n {
		src.Participants = append(src.Participants, trial.ParticipantID(fmt.Sprintf("P%d", i)))
	}
	return src
}

// rowsOf returns the row keys and the dates of randomization in the order of
// the file.
func rowsOf(t *testing.T, w *world, src export.Source) (keys, dates []string) {
	t.Helper()
	var b bytes.Buffer
	w.must(export.Bundle(context.Background(), &b, src, w.output()))
	for _, row := range w.read(b.Bytes()).rows(t, "participants.csv") {
		keys, dates = append(keys, row["row_key"]), append(dates, row["randomized_on"])
	}
	return keys, dates
}

// Spearman's rank correlation of rows with the order of randomization is that
// of chance: beyond 3.29 standard errors (p = 0.001) at most once in 100 keys.
// The number of runs up and down is checked in the same way.
func TestRowOrderTellsNothingOfRandomization(t *testing.T) {
	const n = 200
	w := newWorld(t, "seed")
	start := trial.Date{Year: 2026, Month: 1, Day: 1}
	correlated, ordered := 0, 0
	for key := range 100 {
		_, dates := rowsOf(t, w, many(n, byte(key)))
		sum, runs, last := 0.0, 1, 0
		var ranks []int
		for i, s := range dates {
			d, err := trial.ParseDate(s)
			w.must(err)
			ranks = append(ranks, d.DaysSince(start))
			sum += math.Pow(float64(i-ranks[i]), 2)
			if i > 0 {
				direction := 1
				if ranks[i] < ranks[i-1] {
					direction = -1
				}
				if last != 0 && direction != last {
					runs++
				}
				last = direction
			}
		}
		rho := 1 - 6*sum/(n*(n*n-1))
		if math.Abs(rho)*math.Sqrt(n-1) > 3.29 {
			correlated++
		}
		if z := (float64(runs) - (2*n-1)/3.0) / math.Sqrt((16*n-29)/90.0); math.Abs(z) > 3.29 {
			ordered++
		}
	}
	if correlated > 1 || ordered > 1 {
		t.Errorf("of 100 keys, %d give rows in an order like that of randomization and %d too few or many runs, want at most 1", correlated, ordered)
	}
}

func TestRowKeysStayTheSameAndApart(t *testing.T) {
	w := newWorld(t, "seed")
	keys, _ := rowsOf(t, w, many(500, 1))
	distinct := map[string]bool{}
	for _, k := range keys {
		distinct[k] = true
		if len(k) != 17 || k[0] != 'R' {
			t.Errorf("row key %q, want R and 16 characters", k)
		}
	}
	if len(distinct) != 500 || !slices.IsSorted(keys) {
		t.Errorf("%d distinct row keys of 500, sorted: %v", len(distinct), slices.IsSorted(keys))
	}
	fewer, _ := rowsOf(t, w, many(400, 1))
	for _, k := range fewer {
		if !distinct[k] {
			t.Errorf("row key %s is of nobody in the larger lock", k)
		}
	}
	foreign, _ := rowsOf(t, w, many(500, 2))
	for _, k := range foreign {
		if distinct[k] {
			t.Errorf("row key %s is the same under another key", k)
		}
	}
}
