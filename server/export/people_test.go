package export_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/server/instrument"
	"github.com/lodd-rct/lodd/server/trial"
)

// For each visit and class, the rows of visits are as many as consort says,
// save the erased, who have no rows; and each visit's classes add up.
func TestVisitsAgreeWithConsort(t *testing.T) {
	w := newWorld(t, "seed")
	w.story()
	w.erase(person(2))
	w.lock()
	for _, lock := range []int{1, 2} {
		b := w.bundle(lock)
		counted := map[string]int{}
		for _, row := range b.rows(t, "visits.csv") {
			counted[row["visit"]+" "+row["status"]]++
		}
		said, sums, randomized := map[string]int{}, map[string]int{}, 0
		for _, row := range b.rows(t, "consort.csv") {
			n, err := strconv.Atoi(row["participants"])
			if err != nil {
				t.Fatal(err)
			}
			if row["class"] == "randomized" {
				randomized = n
			}
			if row["visit"] == "" {
				continue
			}
			sums[row["visit"]] += n
			if n > 0 && row["class"] != "erased" {
				said[row["visit"]+" "+row["class"]] = n
			}
		}
		if diff := cmp.Diff(said, counted); diff != "" {
			t.Errorf("lock %d: consort and visits differ (-consort +visits):\n%s", lock, diff)
		}
		if want := map[string]int{"month-6": randomized, "month-12": randomized}; !cmp.Equal(sums, want) {
			t.Errorf("lock %d: classes add up to %v, want %v", lock, sums, want)
		}
		if lock == 1 && len(counted) < 8 {
			t.Errorf("the story has only %v: it tests too little", counted)
		}
	}
}

// A lock is the state of that moment also for those who go on: windows are
// met, visits are missed and people die after it.
func TestLockForgetsWhatCameLater(t *testing.T) {
	w := newWorld(t, "seed")
	w.enrol(person(0), "OSLO")
	w.now = w.now.AddDate(0, 6, 0)
	w.lock()
	w.submit(person(0), "month-6", "mood", instrument.Values{"score": instrument.Number(1)})
	w.correct(person(0), "baseline", "mood", instrument.Values{"score": instrument.Number(9)})
	w.do("coordinator", trial.ErrorRecorded{Participant: person(0), Kind: "duplicate"})
	w.lock()
	type seen struct{ Forms, Corrections, Score, Status, Error string }
	var got []seen
	for _, lock := range []int{1, 2} {
		b := w.bundle(lock)
		forms := b.rows(t, "forms/mood.csv")
		got = append(got, seen{
			fmt.Sprint(len(forms)), fmt.Sprint(len(b.rows(t, "corrections.csv"))), forms[0]["score"],
			b.rows(t, "visits.csv")[0]["status"], b.rows(t, "participants.csv")[0]["in_error"],
		})
	}
	want := []seen{{"1", "0", "3", "awaited", ""}, {"2", "1", "9", "in-error", "duplicate"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("locks 1 and 2 (-want +got):\n%s", diff)
	}
}

// The day of randomization is day 1 in the trial's time zone, the day before
// it day -1. 2026-06-30T22:30Z is 1 July in Oslo.
func TestStudyDaysHaveNoZero(t *testing.T) {
	w := newWorld(t, "seed")
	p := person(0)
	w.now = time.Date(2026, 6, 30, 21, 0, 0, 0, time.UTC)
	w.screen(p, "OSLO")
	w.submit(p, "baseline", "mood", instrument.Values{"score": instrument.Number(1)})
	w.now = time.Date(2026, 6, 30, 22, 30, 0, 0, time.UTC)
	w.randomize(p)
	w.enrol(person(1), "OSLO")
	w.now = time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)
	w.submit(p, "month-6", "mood", instrument.Values{"score": instrument.Number(1)})
	w.lock()
	got := map[string]string{}
	for _, row := range w.bundle(1).rows(t, "forms/mood.csv") {
		got[row["assessed_on"]] = row["study_day"]
	}
	want := map[string]string{"2026-06-30": "-1", "2026-07-01": "1", "2027-01-01": "185"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("study days (-want +got):\n%s", diff)
	}
}
