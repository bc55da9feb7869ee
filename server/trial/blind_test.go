package trial_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/trial"
)

// A State holds no arm of anybody: in all types that it reaches, an arm's name
// stands in the protocol alone. Of the events only the record of a reading
// names a team, and none says whose arm it is.
func TestStateKnowsNoArm(t *testing.T) {
	for _, tt := range []struct {
		of   any
		want []string
	}{
		{trial.State{}, []string{"State.protocol.Arms[].ID", "State.sawArm"}}, // the latter holds accounts
		{trial.Participant{}, nil},
		{trial.Due{}, nil},
		{trial.Flow{}, nil},
		{trial.FormRecord{}, nil},
		{trial.FollowUp{}, nil},
		{trial.Lock{}, nil},
		{trial.Meta{}, nil},
		{trial.Randomized{}, nil},
		{trial.Allocated{}, nil},
		{trial.Screened{}, nil},
		{trial.FormSubmitted{}, nil},
		{trial.FormCorrected{}, nil},
		{trial.VisitMissed{}, nil},
		{trial.Withdrawn{}, nil},
		{trial.Erased{}, nil},
		{trial.Restored{}, nil},
		{trial.Reconciled{}, nil},
		{trial.Died{}, nil},
		{trial.ErrorRecorded{}, nil},
		{trial.Sealing{}, nil},
		{trial.EntropyContributed{}, nil},
		{trial.SealingAbandoned{}, nil},
		{trial.ContingencyPrinted{}, nil},
		{trial.ContingencyUsed{}, nil},
		{trial.LevelsCorrected{}, nil},
		{trial.Replaced{}, nil},
		{trial.PlanFrozen{}, nil},
		{trial.UnsealingProposed{}, nil},
		{trial.Unsealed{}, nil},
		{trial.Revealed{}, nil},
		{trial.Locked{}, nil},
		{trial.Exported{}, nil},
		{trial.ArmsViewed{}, []string{"ArmsViewed.Team"}},
		{trial.EnvelopeSpoiled{}, nil},
		{trial.FormSigned{}, nil},
		{trial.TextJudged{}, nil},
		{trial.BlindBroken{}, nil},
		{trial.ImpactAssessed{}, nil},
		{trial.Unblinded{}, nil},
		{trial.DisclosureProposed{}, nil},
		{trial.DisclosureApproved{}, nil},
		{trial.ArmCollected{}, nil},
		{trial.AdverseEventReported{}, nil},
		{trial.EventTakenIn{}, nil},
		{trial.AdverseEventAssessed{}, nil},
		{trial.RelatednessAssessed{}, nil},
		{trial.ContactRecorded{}, nil},
	} {
		typ := reflect.TypeOf(tt.of)
		if got := arms(typ, typ.Name(), map[reflect.Type]bool{}); !slices.Equal(got, tt.want) {
			t.Errorf("%v holds arms at %v, want %v", typ, got, tt.want)
		}
	}
}

// arms returns the paths at which a type holds an [trial.ArmID], or a field
// that is called so.
func arms(typ reflect.Type, path string, seen map[reflect.Type]bool) []string {
	if typ == reflect.TypeFor[trial.ArmID]() {
		return []string{path}
	}
	if seen[typ] || typ.PkgPath() == "time" {
		return nil
	}
	seen[typ] = true
	var out []string
	switch typ.Kind() {
	case reflect.Struct:
		for f := range typ.Fields() {
			at := path + "." + f.Name
			found := arms(f.Type, at, seen)
			if strings.Contains(strings.ToLower(f.Name), "arm") && len(found) == 0 {
				found = []string{at}
			}
			out = append(out, found...)
		}
	case reflect.Pointer, reflect.Slice, reflect.Array:
		path += "[]"
		out = arms(typ.Elem(), path, seen)
	case reflect.Map:
		out = append(arms(typ.Key(), path+"{}", seen), arms(typ.Elem(), path+"[]", seen)...)
	default: // holds no arm but by its name, which was looked at
	}
	return out
}

// Whatever bytes an arm is sealed as, the state is the same: nothing that is
// computed from it can tell an arm.
func TestStateIsTheSameForEveryArm(t *testing.T) {
	var states []*trial.State
	for arm := range byte(2) {
		h := tell(t, then(opened, then(readied("P1"), trial.Prepared{Participant: "P1"})...)...)
		m := h.meta(commit("P1"))
		decided, err := h.Decide(m, commit("P1"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range decided {
			if a, ok := e.(trial.Allocated); ok {
				a.Sealed = []byte{arm}
				e = a
			}
			m.Index = h.Len(h.Compartment(e))
			if err := h.Apply(m, e); err != nil {
				t.Fatal(err)
			}
		}
		states = append(states, h.State)
	}
	if !reflect.DeepEqual(states[0], states[1]) {
		t.Error("the state depends on the sealed arm")
	}
}

// What must be hidden from a reader of one compartment lives in another.
func TestEventsLieInTheirCompartments(t *testing.T) {
	h := tell(t, created...)
	for _, tt := range []struct {
		event trial.Event
		want  trial.Compartment
	}{
		{trial.DesignKept{}, trial.Allocation},
		{trial.Allocated{}, trial.Allocation},
		{trial.ArmsViewed{}, trial.Delivery},
		{trial.VisitMissed{}, trial.Outcome},
		{trial.FormSubmitted{Form: "audit"}, trial.Outcome},
		{trial.FormCorrected{Form: "audit"}, trial.Outcome},
		{trial.FormSubmitted{Form: "history"}, trial.Conduct},
		{trial.FormCorrected{Form: "history"}, trial.Conduct},
		{trial.DesignSealed{}, trial.Conduct},
		{trial.Randomized{}, trial.Conduct},
		{trial.Withdrawn{}, trial.Conduct},
		{trial.Erased{}, trial.Conduct},
		{trial.Restored{}, trial.Conduct},
		{trial.Reconciled{}, trial.Conduct},
		{trial.Locked{}, trial.Conduct},
		{trial.EnvelopeSpoiled{}, trial.Conduct},
		{trial.FormSigned{Form: "audit"}, trial.Outcome},
		{trial.FormSigned{Form: "history"}, trial.Conduct},
		{trial.TextJudged{Form: "audit"}, trial.Outcome},
		{trial.TextJudged{Form: "history"}, trial.Conduct},
		{trial.BlindBroken{}, trial.Outcome},
		{trial.ImpactAssessed{}, trial.Conduct},
		{trial.Unblinded{}, trial.Allocation},
		{trial.DisclosureProposed{}, trial.Allocation},
		{trial.DisclosureApproved{}, trial.Allocation},
		{trial.ArmCollected{}, trial.Allocation},
		{trial.RelatednessAssessed{}, trial.Allocation},
		{trial.AdverseEventReported{}, trial.Conduct},
		{trial.AdverseEventAssessed{}, trial.Conduct},
		{trial.EventTakenIn{}, trial.Delivery},
		{trial.ContactRecorded{}, trial.Delivery},
	} {
		if got := h.Compartment(tt.event); got != tt.want {
			t.Errorf("%T lies in %s, want %s", tt.event, got, tt.want)
		}
	}
}

func TestPhases(t *testing.T) {
	for _, tt := range []struct {
		history []any
		want    string
	}{
		{nil, "set-up"},
		{created, "set-up"},
		{sealed, "sealed"},
		{opened, "open"},
		{closed, "closed"},
		{then(closed, trial.EnrolmentOpened{}), "open"},
		{then(created, trial.Restored{}), "fenced"},
		{then(opened, trial.Restored{}), "fenced"},
		{then(opened, trial.Restored{}, trial.Reconciled{}), "open"},
	} {
		if got := tell(t, tt.history...).Phase(); got != tt.want {
			t.Errorf("phase %s, want %s", got, tt.want)
		}
	}
}

// The zero state answers and takes nothing but a creation.
func TestZeroStateAnswers(t *testing.T) {
	var s trial.State
	at := time.Date(2020, 3, 1, 23, 30, 0, 0, time.UTC)
	if got := s.Today(at); got != date("2020-03-01") {
		t.Errorf("today is %v", got)
	}
	if due := s.Due(at, trial.Assessor, 0); due != nil {
		t.Errorf("due: %v", due)
	}
	if f := s.Flow(); f.Screened != 0 || f.Visits != nil {
		t.Errorf("flow: %+v", f)
	}
	for _, e := range []trial.Event{trial.FormDefined{}, trial.DesignSealed{}, bare("P1"), trial.Locked{}, trial.ArmsViewed{}, commit("P1")} {
		if _, err := s.Decide(trial.Meta{At: at}, e); err == nil {
			t.Errorf("%T is allowed before the creation", e)
		}
		if err := s.Apply(trial.Meta{At: at}, e); err == nil {
			t.Errorf("%T was applied before the creation", e)
		}
	}
}
