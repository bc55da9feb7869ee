package blinding_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/randomization/blinding"
)

// files returns the files of an unsealed trial and of its export, in which two
// forms ask for the arm at two visits.
func files() (unsealed, lock fstest.MapFS) {
	file := func(lines ...string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(strings.Join(lines, "\r\n") + "\r\n")}
	}
	unsealed = fstest.MapFS{
		"dictionary.csv": file("file,column,options_en", "unsealed/participants.csv,arm,ips=IPS | tau=TAU"),
		"unsealed/participants.csv": file("order,row_key,participant,kind,arm",
			"0,RA,OSL-1,drawn,ips", "1,RB,'-2,contingency,tau", "2,,erased,drawn,tau", "3,,,lost,", "4,RD,OSL-4,drawn,ips"),
	}
	lock = fstest.MapFS{
		"dictionary.csv": file("file,column,options_en",
			"participants.csv,site,",
			"forms/open.csv,shown,ips=IPS | tau=TAU", // in no folder of what may tell the arm
			"revealing/forms/before.csv,visit,baseline=Baseline | month-6=6 months | month-12=12 months",
			"revealing/forms/before.csv,think,ips=IPS | tau=TAU | unknown=Don't know",
			"revealing/forms/before.csv,why,ips=IPS | seen=Seen | heard=Heard",
			"revealing/forms/after.csv,visit,baseline=Baseline | month-6=6 months | month-12=12 months",
			"revealing/forms/after.csv,think,tau=TAU | ips=IPS",
			"revealing/forms/after.csv,team,ips=IPS | tau=TAU | both=Both | none=None"),
		"revealing/forms/before.csv": file("row_key,visit,think,why",
			"RA,month-12,ips,seen", "RA,month-6,unknown,", "RB,month-6,ips,heard", "RC,month-6,tau,seen", "RD,month-6,,"),
		"revealing/forms/after.csv": file("row_key,visit,think,team", "RB,month-6,tau,none"),
	}
	return unsealed, lock
}

// Guesses find their arms by the row keys, and questions are found by their
// options. Who withdrew from the data and who was not asked are told apart.
func TestJoin(t *testing.T) {
	got, err := blinding.Join(files())
	if err != nil {
		t.Fatal(err)
	}
	want := &blinding.Guesses{
		Arms: []string{"ips", "tau"}, Visits: []string{"month-6", "month-12"},
		Questions: []blinding.Question{{Form: "before", Item: "think"}, {Form: "after", Item: "think"}},
		All: []blinding.Guess{
			{Participant: "OSL-1", Visit: "month-12", Arm: 0, Guess: 0},
			{Participant: "OSL-1", Visit: "month-6", Arm: 0, Guess: blinding.DontKnow},
			{Participant: "-2", Visit: "month-6", Arm: 1, Guess: 0},
			{Participant: "-2", Question: 1, Visit: "month-6", Arm: 1, Guess: 1},
		},
		Unanswered: 1, Gone: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	counts := got.Count(func(g blinding.Guess) bool { return g.Question == 0 && g.Visit == "month-6" })
	if diff := cmp.Diff(blinding.Counts{{0, 0, 1}, {1, 0, 0}}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// A file that isn't what it should be is named with what is wrong.
func TestJoinRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, file, old, replacement string
		want                         string
	}{
		{"no dictionary of the arms", "dictionary.csv", "column", "colour", "dictionary.csv has no column column"},
		{"no participants", "unsealed/participants.csv", "", "", "participants.csv"},
		{"an arm of no dictionary", "unsealed/participants.csv", "drawn,ips", "drawn,spi", `arm "spi" is none of the dictionary`},
		{"a row key twice", "unsealed/participants.csv", "RB", "RA", "row key RA comes twice"},
		{"a form that is missing", "revealing/forms/after.csv", "", "", "after.csv"},
		{"a form without its item", "revealing/forms/after.csv", "think", "thought", "has no column think"},
		{"a guess of no dictionary", "revealing/forms/before.csv", "RA,month-12,ips", "RA,month-12,spi", `guess "spi" is none of the dictionary`},
		{"a visit of no dictionary", "revealing/forms/before.csv", "RB,month-6", "RB,month-7", `before: visit "month-7" is none of the dictionary`},
		{"lines of several lengths", "revealing/forms/before.csv", "ips,seen", "ips", "wrong number of fields"},
		{"an empty file", "revealing/forms/after.csv", "*", "", "after.csv is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			unsealed, lock := files()
			in := unsealed
			if _, ok := in[tt.file]; !ok {
				in = lock
			}
			switch tt.old {
			case "":
				delete(in, tt.file)
			case "*":
				in[tt.file].Data = nil
			default:
				in[tt.file].Data = []byte(strings.Replace(string(in[tt.file].Data), tt.old, tt.replacement, 1))
			}
			_, err := blinding.Join(unsealed, lock)
			if err == nil || errors.Is(err, blinding.ErrNoQuestion) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Join: %v, want %q", err, tt.want)
			}
		})
	}
}

// An export without a form that asks is told apart from a broken one.
func TestJoinWithoutAQuestion(t *testing.T) {
	unsealed, lock := files()
	text := string(lock["dictionary.csv"].Data)
	lock["dictionary.csv"].Data = []byte(strings.ReplaceAll(text, "tau=TAU", "usual=TAU"))
	if _, err := blinding.Join(unsealed, lock); !errors.Is(err, blinding.ErrNoQuestion) {
		t.Errorf("Join: %v, want %v", err, blinding.ErrNoQuestion)
	}
}
