package export_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/export"
	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// lockedEach enrols people one by one and returns the bundle of a lock after each.
func (w *world) lockedEach(people int) (bundles []bundle) {
	w.t.Helper()
	for i := range people {
		w.enrolAlone(person(i), []trial.SiteID{"OSLO", "-BERGEN"}[i/3%2])
		w.lock()
		bundles = append(bundles, w.bundle(i+1))
	}
	return bundles
}

// aggregates are the numbers that a bundle tells: each cell of the flow, and of
// each file how many bytes and rows it has.
func (b bundle) aggregates(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{"bytes": len(b.raw)}
	for _, f := range b.manifest.Files {
		out["bytes of "+f.Name], out["records of "+f.Name] = len(b.files[f.Name]), int(f.Records)
	}
	for _, row := range b.rows(t, "consort.csv") {
		n := 0
		if _, err := fmt.Sscan(row["participants"], &n); err != nil {
			t.Fatal(err)
		}
		out["flow "+row["class"]+" "+row["visit"]] = n
	}
	return out
}

// minus returns what changed from one set of numbers to the next.
func minus(after, before map[string]int) map[string]int {
	out := map[string]int{}
	for name, n := range after {
		out[name] = n - before[name]
	}
	return out
}

// L18: with any number of participants from 1 to 60, at two sites, no cell of the
// open report depends on their arms.
//
// Source: blinding.md of the design, channel L18.
func TestLeakL18OpenReportOfAnyNumberTellsNoArm(t *testing.T) {
	people := 60
	if testing.Short() {
		people = 12
	}
	one, two := newWorld(t, "seed one"), newWorld(t, "another seed")
	a, b := one.lockedEach(people), two.lockedEach(people)
	if slices.Equal(one.arms(), two.arms()) {
		t.Fatal("the arms are the same in both worlds")
	}
	for n := range a {
		a[n].sameButHeads(t, b[n])
	}
}

// L9: the difference of two locks around one randomization doesn't tell that one's
// arm, in any number. A count by arm would be noticed.
//
// Source: blinding.md of the design, channel L9.
func TestLeakL9DifferenceOfTwoLocksTellsNoArm(t *testing.T) {
	one, two := newWorld(t, "seed one"), newWorld(t, "another seed")
	locks := [2][]bundle{one.lockedEach(12), two.lockedEach(12)}
	arms := [2][]trial.ArmID{one.arms(), two.arms()}
	leaks := 0
	for n := 1; n < len(locks[0]); n++ {
		var changed, byArm [2]map[string]int
		for world, of := range locks {
			before, after := of[n-1].aggregates(t), of[n].aggregates(t)
			changed[world] = minus(after, before)
			if changed[world]["flow randomized "] != 1 {
				t.Fatalf("lock %d: %d more were randomized", n, changed[world]["flow randomized "])
			}
			before["zulu"], after["zulu"] = 0, 0 // as a report by arm would have it
			after[string(arms[world][n])]++
			byArm[world] = minus(after, before)
		}
		if diff := cmp.Diff(changed[0], changed[1]); diff != "" {
			t.Errorf("lock %d minus the one before tells the arm:\n%s", n, diff)
		}
		if cmp.Diff(byArm[0], byArm[1]) != "" {
			leaks++
		}
	}
	if leaks == 0 {
		t.Error("a count by arm isn't noticed")
	}
}

// shape is what shows of a file without reading it: names, their order, sizes and
// how they are packed.
func (b bundle) shape(t *testing.T) (out []string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b.raw), int64(len(b.raw)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		out = append(out, fmt.Sprintf("%s %d of %d, method %d, %v", f.Name, f.CompressedSize64, f.UncompressedSize64, f.Method, f.Modified.Unix()))
		if f.Method != zip.Store {
			t.Errorf("%s is compressed: its size may tell what is in it", f.Name)
		}
	}
	return out
}

// L10: order of files and rows, keys, file names, sizes and packing are the same
// whatever the arms. Rows that go by the arm, and packing that makes a name of it
// shorter, would be noticed.
//
// Source: blinding.md of the design, channel L10.
func TestLeakL10OrderAndSizesTellNoArm(t *testing.T) {
	one, two := newWorld(t, "seed one"), newWorld(t, "another seed")
	one.story()
	two.story()
	a, b := one.bundle(1), two.bundle(1)
	if diff := cmp.Diff(a.shape(t), b.shape(t)); diff != "" {
		t.Errorf("the worlds differ:\n%s", diff)
	}
	if name := export.Name("TRIAL-1", 1, export.Pooled); name != "TRIAL-1-lock1-pooled.zip" {
		t.Errorf("the export is called %s", name)
	}
	for _, name := range a.names {
		if !strings.HasSuffix(name, ".csv") || !strings.HasPrefix(a.files[name], "row_key") {
			continue
		}
		var keys, same []string
		for _, row := range a.rows(t, name) {
			keys = append(keys, row["row_key"])
		}
		for _, row := range b.rows(t, name) {
			same = append(same, row["row_key"])
		}
		if !slices.IsSorted(keys) || !slices.Equal(keys, same) {
			t.Errorf("%s: rows stand in the order %q and %q", name, keys, same)
		}
	}
	byArm := func(w *world) (keys []string) {
		arms := w.armsByPerson()
		of := w.rowKeys(w.bundle(1))
		for p := range arms {
			keys = append(keys, fmt.Sprint(arms[p], of[p]))
		}
		slices.Sort(keys)
		for i := range keys {
			keys[i] = keys[i][1:]
		}
		return keys
	}
	if slices.Equal(byArm(one), byArm(two)) {
		t.Error("rows that go by the arm aren't noticed")
	}
}

// missingness returns the p of the hypothesis that missing values don't go with the arm:
// missing counts them by arm, people are those of each arm.
//
// Source: Pearson 1900, with one degree of freedom.
func missingness(missing, people [2]float64) float64 {
	all, gone, chi := people[0]+people[1], missing[0]+missing[1], 0.0
	if gone == 0 || gone == all {
		return 1
	}
	for arm := range people {
		want := gone * people[arm] / all
		chi += (missing[arm] - want) * (missing[arm] - want) / want
		chi += (missing[arm] - want) * (missing[arm] - want) / (people[arm] - want)
	}
	return math.Erfc(math.Sqrt(chi / 2))
}

// masks returns, for each column of each table of people, the p of its missing
// values by arm.
func (b bundle) masks(t *testing.T, arm map[string]randomization.Arm) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, name := range b.names {
		if !strings.HasSuffix(name, ".csv") || !strings.HasPrefix(b.files[name], "row_key") {
			continue
		}
		missing, people := map[string]*[2]float64{}, [2]float64{}
		for _, row := range b.rows(t, name) {
			people[arm[row["row_key"]]]++
			for column, value := range row {
				if missing[column] == nil {
					missing[column] = &[2]float64{}
				}
				if value == "" {
					missing[column][arm[row["row_key"]]]++
				}
			}
		}
		for column, of := range missing {
			out[name+" "+column] = missingness(*of, people)
		}
	}
	return out
}

// answered enrols 48 people and follows them up; some don't answer an item, in a
// pattern of the test's own, or for one arm alone.
func answered(t *testing.T, seed string, leaks bool) (bundle, map[string]float64) {
	t.Helper()
	w := newWorld(t, seed)
	for i := range 48 {
		w.enrolAlone(person(i), "OSLO")
	}
	arms := w.armsByPerson()
	w.now = w.now.AddDate(0, 6, 0)
	for i := range 48 {
		values := instrument.Values{"score": instrument.Number(float64(i % 10)), "weight": instrument.Number(60 + float64(i%20))}
		if i*7%5 == 0 || leaks && arms[person(i)] == 1 {
			delete(values, "weight")
		}
		if i%11 == 3 {
			w.do("assessor", trial.VisitMissed{Participant: person(i), Visit: "month-6", Reason: "not-reached"})
			continue
		}
		w.submit(person(i), "month-6", "mood", values)
	}
	w.lock()
	b := w.bundle(1)
	byKey := map[string]randomization.Arm{}
	for p, key := range w.rowKeys(b) {
		byKey[key] = arms[p]
	}
	return b, b.masks(t, byKey)
}

// L7: no column of the pooled export is missing for one arm more often than
// chance gives, and in two worlds the same cells are empty. A column that one arm
// never has would be noticed.
//
// Source: blinding.md of the design, channel L7.
func TestLeakL7MissingValuesTellNoArm(t *testing.T) {
	a, p := answered(t, "seed one", false)
	b, _ := answered(t, "another seed", false)
	a.sameButHeads(t, b)
	varies := 0
	for column, p := range p {
		if p <= 0.001 {
			t.Errorf("%s is missing by arm: p = %g", column, p)
		}
		if p < 1 {
			varies++
		}
	}
	if varies < 3 || len(p) < 20 {
		t.Errorf("%d of %d columns have missing values: the test has no power", varies, len(p))
	}
	if _, p := answered(t, "seed one", true); p["forms/mood.csv weight"] > 0.001 {
		t.Errorf("a column that one arm lacks isn't noticed: %v", p)
	}
}
