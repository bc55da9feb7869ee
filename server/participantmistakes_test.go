package server_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

func (w *world) correctLevels(user, p string, levels map[string]string, reason string) (*loddv1.Receipt, error) {
	resp, err := w.participants().CorrectLevels(w.as(user), &loddv1.CorrectLevelsRequest{
		TrialId: "T1", RequestId: w.id(), Participant: p, Levels: levels, Reason: reason,
	})
	return resp.GetReceipt(), err
}

func (w *world) duplicate(user, p, of string) error {
	_, err := w.participants().RecordError(w.as(user), &loddv1.RecordErrorRequest{
		TrialId: "T1", RequestId: w.id(), Participant: p, Kind: "duplicate", Of: of,
	})
	return err
}

func (w *world) replace(user, p, by string) error {
	_, err := w.participants().RecordReplacement(w.as(user), &loddv1.RecordReplacementRequest{
		TrialId: "T1", RequestId: w.id(), Participant: p, By: by,
	})
	return err
}

func TestCorrectLevels(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	w.ready("S-2", "OSL")
	male := map[string]string{"sex": "male"}
	for _, tt := range []struct {
		name, user, participant string
		levels                  map[string]string
		reason                  string
		want                    codes.Code
		says                    string
		fields                  []string
	}{
		{"no level", "tc-osl", "S-1", nil, "misread", codes.InvalidArgument, "", []string{"levels.sex"}},
		{"an unknown level", "tc-osl", "S-1", map[string]string{"sex": "other"}, "misread", codes.InvalidArgument, "", []string{"levels.sex"}},
		{"an unknown factor", "tc-osl", "S-1", map[string]string{"sex": "male", "age": "old"}, "misread", codes.InvalidArgument, "", []string{"levels"}},
		{"no reason", "tc-osl", "S-1", male, "", codes.InvalidArgument, "", []string{"reason"}},
		{"an unknown reason", "tc-osl", "S-1", male, "northern", codes.InvalidArgument, "", []string{"reason"}},
		{"nothing new", "tc-osl", "S-1", map[string]string{"sex": "female"}, "misread", codes.FailedPrecondition, "NOTHING_CHANGED", nil},
		{"nobody", "tc-osl", "S-9", male, "misread", codes.NotFound, "NOT_FOUND", nil},
		{"another site", "tc-bgo", "S-1", male, "misread", codes.NotFound, "NOT_FOUND", nil},
		{"an assessor", "oa-osl", "S-1", male, "misread", codes.PermissionDenied, "", nil},
		{"the custodian", "cus", "S-1", male, "misread", codes.PermissionDenied, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.correctLevels(tt.user, tt.participant, tt.levels, tt.reason)
			refused(t, err, tt.want, tt.says)
			if got := fields(err); !slices.Equal(got, tt.fields) {
				t.Errorf("fields %v, want %v", got, tt.fields)
			}
		})
	}
	_, foreign := w.correctLevels("tc-bgo", "S-1", male, "misread")
	_, absent := w.correctLevels("tc-bgo", "S-9", male, "misread")
	same(t, foreign, absent)
	req := &loddv1.CorrectLevelsRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1", Levels: male, Reason: "misread"}
	var first *loddv1.Receipt
	for i := range 2 { // safe to repeat
		resp, err := w.participants().CorrectLevels(w.as("pi"), req)
		w.must(err)
		if first = resp.GetReceipt(); first.GetRepeatedRequest() != (i == 1) {
			t.Errorf("try %d: %v", i, first)
		}
	}
	if n := w.count("T1/conduct", "levels_corrected"); n != 1 {
		t.Errorf("%d corrections", n)
	}

	// Before the randomization, what was prepared showed the wrong levels.
	intent := w.prepare("S-2", "OSL")
	_, err := w.correctLevels("tc-osl", "S-2", male, "mistyped")
	w.must(err)
	_, err = w.commit("tc-osl", intent, "S-2")
	refused(t, err, codes.FailedPrecondition, "INTENT_EXPIRED")
	_, err = w.commit("tc-osl", w.prepare("S-2", "OSL"), "S-2")
	w.must(err)
}

func TestRecordDuplicate(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	w.randomize("S-2", "OSL")
	w.randomize("B-1", "BGO")
	w.ready("S-3", "OSL")
	refused(t, w.duplicate("tc-osl", "S-2", "S-2"), codes.InvalidArgument, "")
	refused(t, w.duplicate("tc-osl", "S-3", "S-1"), codes.FailedPrecondition, "NOT_RANDOMIZED")
	err := w.duplicate("tc-osl", "S-2", "")
	refused(t, err, codes.InvalidArgument, "")
	if got := fields(err); !slices.Equal(got, []string{"of"}) {
		t.Errorf("fields %v", got)
	}
	_, err = w.participants().RecordError(w.as("tc-osl"), &loddv1.RecordErrorRequest{
		TrialId: "T1", RequestId: w.id(), Participant: "S-2", Kind: "not-eligible", Of: "S-1",
	})
	refused(t, err, codes.InvalidArgument, "")

	// The other one may be screened only, and at another site for a role that
	// reaches both.
	same(t, w.duplicate("tc-osl", "S-2", "B-1"), w.duplicate("tc-osl", "S-2", "S-9"))
	same(t, w.duplicate("tc-bgo", "S-2", "B-1"), w.duplicate("tc-bgo", "S-9", "B-1"))
	w.must(w.duplicate("pi", "S-2", "B-1"))
	w.must(w.duplicate("tc-osl", "S-1", "S-3"))
	refused(t, w.duplicate("tc-osl", "S-1", "S-2"), codes.AlreadyExists, "EXISTS")
}

func TestRecordReplacement(t *testing.T) {
	w := newTrial(t, nil)
	for _, p := range []string{"S-1", "S-2", "S-3"} {
		w.randomize(p, "OSL")
	}
	w.randomize("B-1", "BGO")
	w.ready("S-4", "OSL")
	for _, tt := range []struct {
		name, user, participant, by string
		want                        codes.Code
		reason                      string
	}{
		{"nobody named", "tc-osl", "S-1", "", codes.InvalidArgument, ""},
		{"by an earlier one", "tc-osl", "S-2", "S-1", codes.InvalidArgument, ""},
		{"by oneself", "tc-osl", "S-1", "S-1", codes.InvalidArgument, ""},
		{"by somebody who is screened only", "tc-osl", "S-1", "S-4", codes.FailedPrecondition, "NOT_RANDOMIZED"},
		{"of somebody who is screened only", "tc-osl", "S-4", "S-1", codes.FailedPrecondition, "NOT_RANDOMIZED"},
		{"by nobody", "tc-osl", "S-1", "S-9", codes.NotFound, "NOT_FOUND"},
		{"by somebody of another site", "tc-osl", "S-1", "B-1", codes.NotFound, "NOT_FOUND"},
		{"of another site", "tc-bgo", "S-1", "B-1", codes.NotFound, "NOT_FOUND"},
		{"by an assessor", "oa-osl", "S-1", "S-2", codes.PermissionDenied, ""},
		{"by the statistician", "ts", "S-1", "S-2", codes.PermissionDenied, ""},
	} {
		t.Run(tt.name, func(t *testing.T) { refused(t, w.replace(tt.user, tt.participant, tt.by), tt.want, tt.reason) })
	}
	w.must(w.replace("tc-osl", "S-1", "S-2"))
	refused(t, w.replace("tc-osl", "S-1", "S-3"), codes.AlreadyExists, "EXISTS")
	w.must(w.replace("pi", "S-2", "B-1")) // who replaced may be replaced, at any site
	if n := w.count("T1/conduct", "replaced"); n != 2 {
		t.Errorf("%d replacements", n)
	}
}

// Somebody who coordinates one site and investigates all acts in the role that
// reaches both participants, whichever was given first.
func TestRoleForBothReachesBoth(t *testing.T) {
	w := newTrial(t, nil)
	w.must(w.join(w.invite(), "both"))
	w.must(w.grant("cus", "both", "coordinator", "OSL", ""))
	w.must(w.grant("cus", "both", "investigator", "", ""))
	w.randomize("S-1", "OSL")
	w.randomize("B-1", "BGO")
	w.must(w.replace("both", "S-1", "B-1"))
	entries, err := w.entries("both", &loddv1.ListEntriesRequest{TrialId: "T1"})
	w.must(err)
	if last := entries[len(entries)-1]; last.GetKind() != "replaced" || last.GetRole() != "investigator" {
		t.Errorf("%s as %s", last.GetKind(), last.GetRole())
	}
}

// The screening log tells what was recorded, and names nobody of a site that the
// reader doesn't reach.
func TestListParticipantsTellsMistakes(t *testing.T) {
	w := newTrial(t, nil)
	for _, p := range []string{"S-1", "S-2"} {
		w.randomize(p, "OSL")
	}
	w.randomize("B-1", "BGO")
	_, err := w.correctLevels("tc-osl", "S-1", map[string]string{"sex": "male"}, "misread")
	w.must(err)
	w.must(w.duplicate("tc-osl", "S-1", "S-2"))
	w.must(w.duplicate("pi", "S-2", "B-1"))
	w.must(w.replace("tc-osl", "S-1", "S-2"))
	w.must(w.replace("pi", "S-2", "B-1"))
	got, err := w.screening().ListParticipants(w.as("tc-osl"), &loddv1.ListParticipantsRequest{TrialId: "T1"})
	w.must(err)
	on := got.GetParticipants()[0].GetRandomizedOn()
	female, male := map[string]string{"sex": "female"}, map[string]string{"sex": "male"}
	want := []*loddv1.Participant{
		{
			Participant: "S-1", Site: "OSL", State: "randomized", RandomizedOn: on, Levels: female, CorrectedLevels: male,
			Error: "duplicate", DuplicateOf: "S-2", ReplacedBy: "S-2",
		},
		{Participant: "S-2", Site: "OSL", State: "randomized", RandomizedOn: on, Levels: female, Error: "duplicate", Replaces: "S-1"},
	}
	if diff := cmp.Diff(want, got.GetParticipants(), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// None of it touches a sequence: everybody has the arm of a world in which no
// mistake was recorded.
func TestMistakesMoveNobody(t *testing.T) {
	arms := func(mistakes bool) (out []string) {
		w := newTrial(t, nil)
		for _, p := range []string{"S-1", "S-2", "S-3", "S-4", "S-5", "S-6"} {
			w.randomize(p, "OSL")
			if mistakes && p == "S-3" {
				_, err := w.correctLevels("tc-osl", "S-1", map[string]string{"sex": "male"}, "misread")
				w.must(err)
				w.must(w.duplicate("tc-osl", "S-2", "S-1"))
				w.must(w.replace("tc-osl", "S-2", "S-3"))
			}
		}
		for _, team := range []string{"es-north", "es-south"} {
			got, err := w.delivery().ListTeam(w.as(team), &loddv1.ListTeamRequest{TrialId: "T1"})
			w.must(err)
			for _, p := range got.GetParticipants() {
				out = append(out, p.GetParticipant()+" "+p.GetArm().GetId())
			}
		}
		return out
	}
	with, without := arms(true), arms(false)
	if len(with) != 6 || !slices.Equal(with, without) {
		t.Errorf("with mistakes %v, without %v", with, without)
	}
}
