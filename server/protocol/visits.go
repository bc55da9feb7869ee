package protocol

import (
	"fmt"
	"time"

	"github.com/lodd-rct/lodd/server/trial"
)

// defaultWindow is the number of days before and after the target of a visit
// that says nothing of its window.
const defaultWindow = 30

// maxVisits is the largest number of visits of a protocol.
const maxVisits = 24

// visits reads the visits: the baseline, then the others in their order, with
// windows that don't overlap.
func visits(f fields) []trial.Visit {
	var visits []trial.Visit
	seen := map[trial.VisitID]bool{}
	for i, n := range f.elements("visits", 1, maxVisits) {
		in := f.d.mapping(n, "visit", visitKeys)
		v := trial.Visit{ID: identifier(in, "id", code[trial.VisitID], seen), Label: in.texts("label")}
		if i == 0 {
			baseline(in)
		} else {
			v.Months = in.integer("months", 1, 120, 0)
			v.Before = in.integer("before", 0, 366, defaultWindow)
			v.After = in.integer("after", 0, 366, defaultWindow)
			if !in.has("months") {
				in.node("months") // says that it is missing
			} else if v.Months > 0 {
				follows(in, visits[i-1], v)
			}
		}
		visits = append(visits, v)
	}
	return visits
}

// baseline checks the first visit: it is at randomization and has no window.
func baseline(in fields) {
	in.integer("months", 0, 0, 0)
	for _, key := range []string{"before", "after"} {
		if in.has(key) {
			in.bad(key, "the first visit is the baseline, which ends with the randomization and has no window")
		}
	}
}

// follows checks that visit v comes after visit last, and its window after the
// window of last, whatever the date of randomization.
func follows(in fields, last, v trial.Visit) {
	if v.Months <= last.Months {
		in.bad("months", "%d, want more than the %d of the visit above", v.Months, last.Months)
		return
	}
	if over := last.After + v.Before - shortest(last.Months, v.Months) + 1; over > 0 {
		in.bad("before", "the window begins %d days before the target and so overlaps that of %q by %s; shorten one of them",
			v.Before, last.ID, dayCount(over))
	}
}

func dayCount(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// shortest returns the least number of days that lies between two numbers of
// calendar months after the same date. Four years hold all that differs.
func shortest(from, to int) int {
	least := 366 * (to - from)
	for d := (trial.Date{Year: 2021, Month: time.January, Day: 1}); d.Year < 2025; d = d.AddDays(1) {
		least = min(least, d.AddMonths(to).DaysSince(d.AddMonths(from)))
	}
	return least
}
