package trial_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/randomization"
	"github.com/lodd-rct/lodd/server/trial"
)

// L21: none of the codes that say why something happened names an arm, or what
// only one arm gets; a reason of its own words would have to go through the scanner
// of free text.
//
// Source: blinding.md of the design, channel L21.
func TestLeakL21ReasonsNameNoArm(t *testing.T) {
	giveAways := []string{"arm", "group", "ips", "tau", "usual", "treatment", "intervention", "control", "job", "work", "employ", "specialist", "allocat", "waiting"}
	names := func(code trial.Code) bool {
		return slices.ContainsFunc(giveAways, func(word string) bool { return strings.Contains(string(code), word) })
	}
	for kind, codes := range map[string][]trial.Code{
		"withdrawal": trial.WithdrawalReasons(), "missed visit": trial.MissedReasons(), "error": trial.ErrorKinds(),
		"unblinding": trial.UnblindingReasons(), "disclosure": trial.DisclosureReasons(), "abandoned sealing": trial.AbandonReasons(),
		"follow-up": trial.FollowUpStatuses(),
	} {
		if len(codes) < 3 {
			t.Errorf("%s: %d codes", kind, len(codes))
		}
		for _, code := range codes {
			if names(code) {
				t.Errorf("%s: %s tells an arm", kind, code)
			}
		}
	}
	if !names("ips-not-for-me") || !names("waited-for-treatment") {
		t.Error("a code that tells an arm isn't noticed")
	}
	if field, ok := reflect.TypeFor[trial.Withdrawn]().FieldByName("Reason"); !ok || field.Type != reflect.TypeFor[trial.Code]() {
		t.Error("the reason for a withdrawal is no code")
	}
}

// A taking counts which of two assessors took participants of which arm.
type taking [2][2]float64

// p returns the p of the hypothesis that who takes them doesn't depend on the arm.
func (c taking) p() float64 {
	total, chi := 0.0, 0.0
	for _, row := range c {
		total += row[0] + row[1]
	}
	for i := range c {
		for j := range c[i] {
			want := (c[i][0] + c[i][1]) * (c[0][j] + c[1][j]) / total
			chi += (c[i][j] - want) * (c[i][j] - want) / want
		}
	}
	return math.Erfc(math.Sqrt(chi / 2)) // one degree of freedom
}

// simulated lets two assessors share the due list of a trial whose arms are drawn
// from a seed: one takes its first half. A list that leaks has one arm first.
func simulated(t *testing.T, number int, leaks bool, into *taking) {
	const people = 8
	secret := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(number)))
	seed, err := randomization.SeedFromBytes(secret[:])
	if err != nil {
		t.Fatal(err)
	}
	design := randomization.Blocks{Ratio: []int{1, 1}, Sizes: []randomization.BlockSize{{Size: 4, Weight: 1}, {Size: 6, Weight: 1}}}
	q, err := randomization.NewSequence(seed, design, "IPS", "OSLO")
	if err != nil {
		t.Fatal(err)
	}
	arms := map[trial.ParticipantID]int{}
	h := tell(t, opened...)
	for slot, arm := range q.First(people) {
		p := trial.ParticipantID(fmt.Sprintf("P-%02x", secret[slot])) // the numbers of a site have an order of their own
		if _, there := arms[p]; there {
			continue
		}
		arms[p] = int(arm)
		for _, e := range randomized(p) {
			if err := h.do(e.(trial.Event)); err != nil {
				t.Fatal(err)
			}
		}
		h.now = h.now.Add(time.Duration(secret[8+slot]%3) * 24 * time.Hour)
	}
	due := slices.DeleteFunc(h.Due(h.now, trial.Assessor, 400), func(d trial.Due) bool { return d.Visit != "month-6" })
	if leaks {
		slices.SortStableFunc(due, func(a, b trial.Due) int { return arms[a.Participant] - arms[b.Participant] })
	}
	for i, d := range due {
		into[2*i/len(due)][arms[d.Participant]]++
	}
}

// L22: whoever takes the first lines of the due list doesn't take more of one arm
// than chance gives, over 1,000 trials. That the list is made without an arm is
// said by its types: see TestStateKnowsNoArm.
//
// Source: blinding.md of the design, channel L22.
func TestLeakL22DueListIsBlindToArms(t *testing.T) {
	trials := 1000
	if testing.Short() {
		trials = 200
	}
	var honest, leaky taking
	for n := range trials {
		simulated(t, n, false, &honest)
		if n < 200 {
			simulated(t, n, true, &leaky)
		}
	}
	if p := honest.p(); !(p > 0.001) || honest[0][0] < float64(trials) || honest[1][1] < float64(trials) {
		t.Errorf("assessor and arm go together: %v, p = %g", honest, p)
	}
	if p := leaky.p(); !(p < 0.001) {
		t.Errorf("a list that goes by the arm isn't noticed: %v, p = %g", leaky, p)
	}
}
