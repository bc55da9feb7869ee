package trial

import (
	"cmp"
	"fmt"
	"time"
)

// A Date is a civil date: a day in a calendar, without a time or a zone. The
// zero Date is no date.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the civil date of the instant at in loc.
func DateOf(at time.Time, loc *time.Location) Date {
	y, m, d := at.In(loc).Date()
	return Date{y, m, d}
}

// ParseDate returns the date that s, in the form YYYY-MM-DD, names. The year
// is 1900 to 2199.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 1900 || t.Year() > 2199 {
		return Date{}, fmt.Errorf("%q is no date of the form 2026-11-22", s)
	}
	return Date{t.Year(), t.Month(), t.Day()}, nil
}

// String returns the date as YYYY-MM-DD, and nothing for the zero Date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// IsZero reports whether d is no date.
func (d Date) IsZero() bool { return d == Date{} }

// AddDays returns the date n days later; n may be negative.
func (d Date) AddDays(n int) Date {
	t := d.midnight().AddDate(0, 0, n)
	return Date{t.Year(), t.Month(), t.Day()}
}

// AddMonths returns the same day n calendar months later, or the last day of
// that month if it has no such day: six months after 31 August is the last of
// February. (AddDate of package time would give 2 or 3 March.)
func (d Date) AddMonths(n int) Date {
	first := time.Date(d.Year, d.Month+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return Date{first.Year(), first.Month(), min(d.Day, last)}
}

// Start returns the first instant of the day in a time zone.
func (d Date) Start(loc *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, loc)
}

// Before reports whether d is earlier than e.
func (d Date) Before(e Date) bool {
	return cmp.Or(cmp.Compare(d.Year, e.Year), cmp.Compare(d.Month, e.Month), cmp.Compare(d.Day, e.Day)) < 0
}

// DaysSince returns the number of days from e to d.
func (d Date) DaysSince(e Date) int {
	const day = 24 * 60 * 60 // UTC has no days of 23 or 25 hours, and a Duration no 300 years
	return int((d.midnight().Unix() - e.midnight().Unix()) / day)
}

// StudyDay returns the day of the study that d is when the study begins on
// anchor. There is no day 0: the anchor is day 1, the day before it day -1.
//
// Source: CDISC SDTMIG 3.3, section 4.4.4.
func (d Date) StudyDay(anchor Date) int {
	n := d.DaysSince(anchor)
	if n >= 0 {
		n++
	}
	return n
}

func (d Date) midnight() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }
