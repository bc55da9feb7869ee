package trial_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lodd-rct/lodd/server/trial"
)

// The target is whole calendar months after the civil date of randomization,
// clamped to the end of the month.
//
// Source: docs of the trial's visit rules, VW-1 and VW-2; the dates were
// computed without this program.
func TestTargetsAreCalendarMonthsAfterRandomization(t *testing.T) {
	for _, tt := range []struct{ anchor, half, year string }{
		{"2020-03-01", "2020-09-01", "2021-03-01"},
		{"2020-08-31", "2021-02-28", "2021-08-31"}, // AddDate of package time gives 3 March
		{"2020-02-29", "2020-08-29", "2021-02-28"},
		{"2021-10-31", "2022-04-30", "2022-10-31"},
		{"2019-08-29", "2020-02-29", "2020-08-29"},
		{"2019-08-30", "2020-02-29", "2020-08-30"},
		{"2022-07-01", "2023-01-01", "2023-07-01"},
	} {
		t.Run(tt.anchor, func(t *testing.T) {
			if got := date(tt.anchor).AddMonths(6).String(); got != tt.half {
				t.Errorf("6 months later: %s, want %s", got, tt.half)
			}
			if got := date(tt.anchor).AddMonths(12).String(); got != tt.year {
				t.Errorf("12 months later: %s, want %s", got, tt.year)
			}
		})
	}
}

func TestAddMonthsReachesBackAndOverYears(t *testing.T) {
	for _, tt := range []struct {
		from string
		n    int
		want string
	}{
		{"2020-03-31", -1, "2020-02-29"},
		{"2020-01-15", -1, "2019-12-15"},
		{"2020-12-31", 2, "2021-02-28"},
		{"2020-05-31", 0, "2020-05-31"},
		{"2096-02-29", 48, "2100-02-28"},
		{"2020-01-31", 25, "2022-02-28"},
	} {
		if got := date(tt.from).AddMonths(tt.n).String(); got != tt.want {
			t.Errorf("%s and %d months: %s, want %s", tt.from, tt.n, got, tt.want)
		}
	}
}

// The anchor is the civil date in the trial's time zone, and no number of hours
// is a number of days.
func TestAnchorIsTheCivilDateInTheTrialsZone(t *testing.T) {
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ at, want string }{
		{"2022-06-30T21:59:59Z", "2022-06-30"},
		{"2022-06-30T22:30:00Z", "2022-07-01"}, // summer time
		{"2022-01-31T22:30:00Z", "2022-01-31"}, // winter time
		{"2022-01-31T23:00:00Z", "2022-02-01"},
		{"2022-03-27T00:59:59Z", "2022-03-27"}, // the hour that is left out
		{"2022-10-30T23:00:00Z", "2022-10-31"}, // the day of 25 hours
	} {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := trial.DateOf(at, oslo).String(); got != tt.want {
			t.Errorf("%s is %s in Oslo, want %s", tt.at, got, tt.want)
		}
	}
	if got := date("2022-03-26").AddDays(2).String(); got != "2022-03-28" {
		t.Errorf("two days over the change of the clock: %s", got)
	}
	if got := date("2022-03-28").DaysSince(date("2022-03-26")); got != 2 {
		t.Errorf("days over the change of the clock: %d", got)
	}
}

func TestWindowFollowsTheAnchor(t *testing.T) {
	at := time.Date(2020, 8, 30, 22, 30, 0, 0, time.UTC) // 31 August in Oslo
	ready := then([]any{at}, readied("P1")...)
	h := tell(t, then(opened, then(ready, trial.Prepared{Participant: "P1"}, commit("P1"), day("2021-02-20"))...)...)
	p, _ := h.Participant("P1")
	want := []trial.Window{
		{Opens: date("2021-02-14"), Target: date("2021-02-28"), Closes: date("2021-03-28")},
		{Opens: date("2021-08-17"), Target: date("2021-08-31"), Closes: date("2021-09-28")},
	}
	var got []trial.Window
	for _, f := range h.FollowUps(p) {
		got = append(got, f.Window)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Six calendar months are 181 to 184 days, and study days count on from 1
// without a day 0.
func TestStudyDaysHaveNoZero(t *testing.T) {
	anchor := date("2020-03-01")
	for _, tt := range []struct {
		on   string
		want int
	}{{"2020-02-28", -2}, {"2020-02-29", -1}, {"2020-03-01", 1}, {"2020-03-02", 2}, {"2021-03-01", 366}} {
		if got := date(tt.on).StudyDay(anchor); got != tt.want {
			t.Errorf("%s is study day %d, want %d", tt.on, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		from := date("1900-01-01").AddDays(rapid.IntRange(0, 100_000).Draw(t, "from"))
		n := rapid.IntRange(-100_000, 100_000).Draw(t, "days")
		to := from.AddDays(n)
		if got := to.DaysSince(from); got != n {
			t.Errorf("%v is %d days after %v, want %d", to, got, from, n)
		}
		if to.StudyDay(from) == 0 || to.Before(from) != (n < 0) {
			t.Errorf("%v and %v: study day %d", from, to, to.StudyDay(from))
		}
		if days := from.AddMonths(6).DaysSince(from); days < 181 || days > 184 {
			t.Errorf("six months after %v are %d days", from, days)
		}
	})
}

// 300 years are more than a time.Duration holds.
func TestDaysOfThreeCenturies(t *testing.T) {
	if got := date("2199-12-31").DaysSince(date("1900-01-01")); got != 109_572 {
		t.Errorf("%d days, want 109572", got)
	}
}
