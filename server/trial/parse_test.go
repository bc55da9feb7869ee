package trial_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/server/trial"
)

var (
	upper = regexp.MustCompile(`^[A-Z0-9-]{1,32}$`)
	code  = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	uuid  = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	civil = regexp.MustCompile(`^(19|20|21)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$`)
)

// Each parser takes exactly what the expression of its form does.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "IPS", "P-001", "p1", "Å", "-", strings.Repeat("A", 32), strings.Repeat("A", 33), "month-6", "a_b", "6-month", "-a", "_",
		"month-ä", "2020-02-29", "2021-02-29", "1899-12-31", "1900-01-01", "2199-12-31", "2200-01-01", "2020-2-9", " 2020-02-29",
		"2020-02-29T00:00:00Z", "00000000-0000-0000-0000-000000000000", "0f8fad5b-d9cb-469f-a165-70867728950e",
		"0F8FAD5B-D9CB-469F-A165-70867728950E", "0f8fad5bd9cb469fa16570867728950e", "----0f8fad5bd9cb469fa16570867728950e",
		"0f8fad5b-d9cb-469f-a165-70867728950", "0f8fad5b-d9cb-469f-a16570867728950-e", "P1\n", "P\x001", "\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := trial.ParseID(s)
		site, errSite := trial.ParseSiteID(s)
		p, errP := trial.ParseParticipantID(s)
		if want := upper.MatchString(s); (err == nil) != want || (errSite == nil) != want || (errP == nil) != want {
			t.Errorf("ids of %q: %v, %v, %v", s, err, errSite, errP)
		}
		if err == nil && (string(id) != s || string(site) != s || string(p) != s) {
			t.Errorf("%q became %q, %q, %q", s, id, site, p)
		}
		if c, err := trial.ParseCode(s); (err == nil) != code.MatchString(s) || err == nil && string(c) != s {
			t.Errorf("ParseCode(%q) = %q, %v", s, c, err)
		}
		zero := strings.Trim(s, "0-") == ""
		if r, err := trial.ParseRequestID(s); (err == nil) != (uuid.MatchString(s) && !zero) || err == nil && r.String() != strings.ToLower(s) {
			t.Errorf("ParseRequestID(%q) = %v, %v", s, r, err)
		}
		d, err := trial.ParseDate(s)
		if err == nil && (d.String() != s || !civil.MatchString(s) || d.IsZero()) {
			t.Errorf("ParseDate(%q) = %v", s, d)
		}
		if again := d.AddDays(0); err == nil && again != d {
			t.Errorf("ParseDate(%q) = %v, which is no date but %v", s, d, again)
		}
	})
}

func TestParseDateTakesEveryDay(t *testing.T) {
	for d := date("1900-01-01"); !date("2199-12-31").Before(d); d = d.AddDays(1) {
		if got, err := trial.ParseDate(d.String()); err != nil || got != d {
			t.Fatalf("ParseDate(%v) = %v, %v", d, got, err)
		}
	}
	if s := (trial.Date{}).String(); s != "" {
		t.Errorf("the zero date is %q", s)
	}
}

func TestTextFallsBackToTheOtherLanguage(t *testing.T) {
	for _, tt := range []struct {
		text     trial.Text
		language string
		want     string
	}{
		{trial.Text{NB: "ja", EN: "yes"}, "nb", "ja"},
		{trial.Text{NB: "ja", EN: "yes"}, "en", "yes"},
		{trial.Text{NB: "ja"}, "en", "ja"},
		{trial.Text{EN: "yes"}, "nb", "yes"},
		{trial.Text{NB: "ja", EN: "yes"}, "", "yes"},
	} {
		if got := tt.text.In(tt.language); got != tt.want {
			t.Errorf("%+v in %q is %q, want %q", tt.text, tt.language, got, tt.want)
		}
	}
}
