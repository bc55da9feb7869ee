package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/trial"
)

// teamOf returns the team at Oslo of the arm with this first letter.
func teamOf(arm byte) string { return map[byte]string{'n': "es-north", 's': "es-south"}[arm] }

// newTwin returns a trial of these arms, half a year after everybody was
// randomized, to which everybody has signed in.
func newTwin(t *testing.T, arms string) *world {
	t.Helper()
	w := newListed(t, arms+"ns", unlimited)
	for i := range arms {
		w.randomize(fmt.Sprint("S-", i), "OSL")
	}
	w.wait(180 * 24 * time.Hour)
	for _, user := range append([]string{"ds", "es-north", "es-south", "re", "cl", "au"}, blindRoles...) {
		w.as(user)
	}
	return w
}

// besides returns what blinded people see, to the byte, of a trial in which
// something happens besides, and then work in it.
func besides(t *testing.T, happens func(*world)) view {
	t.Helper()
	w := newTwin(t, "nsns")
	happens(w)
	w.requests = 1e6
	w.restart() // with the same entropy, whatever was drawn before
	v := view{}
	got, err := w.safety().ReportAdverseEvent(w.as("tc-osl"), w.late("S-1"))
	w.must(err)
	v["tc-osl ReportAdverseEvent"] = string(marshal(w, got))
	for _, user := range blindRoles {
		v.everything(w, user)
	}
	v.work(w)
	return v
}

// late is a report of an event on the day that it is in a twin.
func (w *world) late(p string) *loddv1.ReportAdverseEventRequest {
	req := w.event(p)
	req.On = ""
	return req
}

// L5: a team records 100 contacts with a participant, and no blinded person sees
// anything else than in the world without them: no number is left out, no list is
// longer, nothing is later.
//
// Source: blinding.md of the design, channel L5.
func TestLeakL5HiddenWritesMoveNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("whole days of calls, in which nothing runs beside anything; run without -short")
	}
	without := besides(t, func(*world) {})
	if len(without) < 500 {
		t.Errorf("%d observations", len(without))
	}
	with := besides(t, func(w *world) {
		for i := range 100 {
			_, err := w.delivery().RecordContact(w.as("es-north"), &loddv1.RecordContactRequest{
				TrialId: "T1", RequestId: w.id(), Participant: "S-0", Kind: "employer", Minutes: int32(i),
			})
			w.must(err)
		}
		_, err := w.delivery().ListTeam(w.as("es-north"), &loddv1.ListTeamRequest{TrialId: "T1"})
		w.must(err)
		_, err = w.delivery().ListContacts(w.as("es-north"), &loddv1.ListContactsRequest{TrialId: "T1", Participant: "S-0"})
		w.must(err)
		if n := w.count("T1/delivery", "contact_recorded"); n != 100 {
			t.Errorf("%d contacts", n)
		}
	})
	for _, key := range differences(without, with) {
		t.Errorf("%s differs:\n%s\n%s", key, without[key], with[key])
	}
	if len(with) != len(without) {
		t.Errorf("%d and %d observations", len(with), len(without))
	}

	t.Run("a leak", func(t *testing.T) { // a contact that counts among what all may see
		leaky := besides(t, func(w *world) {
			_, err := w.safety().ReportAdverseEvent(w.as("es-north"), w.late("S-0"))
			w.must(err)
		})
		seen := differences(without, leaky)
		for _, want := range []string{"tc-osl ReportAdverseEvent", "pi ListAdverseEvents", "oa-osl GetCheckpoint", "dm ProveInclusion"} {
			if !slices.ContainsFunc(seen, func(key string) bool { return strings.HasPrefix(key, want) }) {
				t.Errorf("%s is the same: %q", want, seen)
			}
		}
	})
}

// reading are methods that only answer.
func reading() []protoreflect.MethodDescriptor {
	return slices.DeleteFunc(everyMethod(), func(m protoreflect.MethodDescriptor) bool {
		return !slices.ContainsFunc([]string{"List", "Get", "Read", "Prove", "Check"}, func(p string) bool { return strings.HasPrefix(string(m.Name()), p) })
	})
}

// A reporting is how a team's event gets into a trial.
type reporting func(w *world, p, team string)

func honestly(w *world, p, team string) {
	w.t.Helper()
	_, err := w.safety().ReportAdverseEvent(w.as(team), w.late(p))
	w.must(err)
}

// listed is what people see of events that the treatment team of a participant, and
// then the site, reported, in a trial with these arms.
func listed(t *testing.T, arms string, report reporting) (map[string]string, *world) {
	t.Helper()
	w := newTwin(t, arms)
	for i := range arms {
		p := fmt.Sprint("S-", i)
		report(w, p, teamOf(arms[i]))
		_, err := w.safety().ReportAdverseEvent(w.as("tc-osl"), w.late(p))
		w.must(err)
	}
	_, err := w.safety().AssessAdverseEvent(w.as("pi"), &loddv1.AssessAdverseEventRequest{TrialId: "T1", RequestId: w.id(), Number: 1, Related: "possible"})
	w.must(err)
	_, err = w.safety().AssessRelatedness(w.as("re"), &loddv1.AssessRelatednessRequest{TrialId: "T1", RequestId: w.id(), Number: 1, Related: "related"})
	w.must(err)
	w.takeLock()
	w.requests = 1e6
	seen := map[string]string{}
	for _, user := range append([]string{"ds", "re"}, blindRoles...) {
		for _, m := range reading() {
			for _, list := range []string{"T1/conduct", "T1/allocation"} {
				seen[fmt.Sprint(user, " ", m.Name(), " ", list)] = w.observed(user, m, about{"participant": "S-0", "list": list, "old_size": int64(1)})
			}
		}
	}
	return seen, w
}

// L20: an event that the team of one arm reports in one world, and that of the other
// in the other, looks the same to everybody who isn't of a team; and events of
// both arms have the same kinds of reporters.
//
// Source: blinding.md of the design, channel L20; product.md, ES-3.
func TestLeakL20ReportersTellNoArm(t *testing.T) {
	if testing.Short() {
		t.Skip("whole days of calls, in which nothing runs beside anything; run without -short")
	}
	const arms = "nsns"
	base, w := listed(t, arms, honestly)
	told := fmt.Sprintf("%x", "treatment-team")
	if len(base) < 500 || !strings.Contains(base["re ListAdverseEvents T1/conduct"], told) {
		t.Errorf("%d observations; a reviewer reads %s", len(base), base["re ListAdverseEvents T1/conduct"])
	}
	if read := base["pi ListAdverseEvents T1/conduct"]; read == "" || strings.Contains(read, told) {
		t.Errorf("an investigator reads %s", read) // where one arm alone has a team, it tells the arm
	}
	reporters := map[string]map[string]int{}
	for _, e := range w.eventsOf("re") {
		team := teamOf(arms[e.GetParticipant()[len("S-")]-'0'])
		if reporters[team] == nil {
			reporters[team] = map[string]int{}
		}
		reporters[team][e.GetReporter()]++
	}
	if diff := cmp.Diff(reporters["es-north"], reporters["es-south"]); diff != "" || len(reporters["es-north"]) != 2 {
		t.Errorf("reporters %v", reporters)
	}
	for name, other := range map[string]string{"all": "snsn", "one": "ssns"} {
		t.Run(name, func(t *testing.T) {
			got, _ := listed(t, other, honestly)
			if diff := cmp.Diff(base, got); diff != "" {
				t.Errorf("the worlds differ:\n%s", diff)
			}
		})
	}

	t.Run("a leak", func(t *testing.T) { // the ward that gives the usual treatment reports as the site
		telling := func(w *world, p, team string) {
			if team == "es-north" {
				honestly(w, p, team)
				return
			}
			tr, err := w.ledger.Trial("T1")
			w.must(err)
			e := trial.AdverseEventReported{Participant: trial.ParticipantID(p), Category: "admission", Serious: true, Reporter: trial.FromSite}
			w.must(tr.View(func(s *trial.State) error { e.On = s.Today(w.clock.now()); return nil }))
			_, _, err = tr.ReportAdverseEvent(w.t.Context(), ledger.Caller{Actor: team, Role: trial.TreatmentTeam}, e, fell)
			w.must(err)
		}
		one, _ := listed(t, arms, telling)
		two, _ := listed(t, "snsn", telling)
		for user, told := range map[string]bool{"re": true, "ds": true, "pi": false, "tc-osl": false} {
			if key := user + " ListAdverseEvents T1/conduct"; (one[key] != two[key]) != told {
				t.Errorf("%s: told %t", user, !told)
			}
		}
	})
}
