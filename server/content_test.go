package server_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// nationalID returns a synthetic national identity number: its month is more
// than 80, which no real one has.
//
// Source: Skatteetaten, "Fødselsnummer": two control digits, modulo 11.
func nationalID() string {
	weights := [][]int{{3, 7, 6, 1, 8, 9, 4, 5, 2}, {5, 4, 3, 2, 7, 6, 5, 4, 3, 2}}
	for n := range 1000 {
		text := fmt.Sprintf("018190%03d", n)
		for _, w := range weights {
			sum := 0
			for i, r := range text {
				sum += int(r-'0') * w[i]
			}
			if k := (11 - sum%11) % 11; k < 10 {
				text += fmt.Sprint(k)
			}
		}
		if len(text) == 11 {
			return text
		}
	}
	panic("there is no such number")
}

// A national identity number is refused wherever it stands, and the refusal
// names the field and not the number.
func TestDirectIdentifiersAreRefused(t *testing.T) {
	w := newTrial(t, nil)
	w.randomize("S-1", "OSL")
	id := nationalID()
	for _, tt := range []struct {
		field string
		call  func(ctx context.Context) error
	}{
		{"participant", func(ctx context.Context) error {
			_, err := w.screening().AddScreening(ctx, w.screened(id, "OSL"))
			return err
		}},
		{"levels.sex", func(ctx context.Context) error {
			req := w.screened("S-2", "OSL")
			req.Levels["sex"] = id[:6] + " " + id[6:]
			_, err := w.screening().AddScreening(ctx, req)
			return err
		}},
		{"levels", func(ctx context.Context) error {
			req := w.screened("S-2", "OSL")
			req.Levels[id] = "female"
			_, err := w.screening().AddScreening(ctx, req)
			return err
		}},
		{"consent.version", func(ctx context.Context) error {
			req := w.screened("S-2", "OSL")
			req.Consent.Version = "of " + id
			_, err := w.screening().AddScreening(ctx, req)
			return err
		}},
		{"reason", func(ctx context.Context) error {
			_, err := w.assessment().CorrectForm(ctx, &loddv1.CorrectFormRequest{TrialId: "T1", RequestId: w.id(), Participant: "S-1", Reason: "was " + id})
			return err
		}},
		{"values", func(ctx context.Context) error {
			_, err := w.submit("oa-osl", "S-1", "month-6", "mood", `{"glad": 1, "calm": 1, "note": "`+id+`"}`)
			return err
		}},
		{"values.note", func(ctx context.Context) error {
			escaped := fmt.Sprintf(`\u%04x`, id[0]) + id[1:]
			_, err := w.submit("oa-osl", "S-1", "month-6", "mood", `{"glad": 1, "calm": 1, "note": "`+escaped+`"}`)
			return err
		}},
		{"full_name", func(ctx context.Context) error {
			_, err := w.session().Join(ctx, &loddv1.JoinRequest{Code: "x", User: "kari", FullName: "Kari " + id, Password: password})
			return err
		}},
	} {
		err := tt.call(w.as("tc-osl"))
		refused(t, err, codes.InvalidArgument, "DIRECT_IDENTIFIER")
		if got := fields(err); !slices.Equal(got, []string{tt.field}) {
			t.Errorf("fields = %v, want %s", got, tt.field)
		}
		if strings.Contains(fmt.Sprint(err), id) || strings.Contains(w.logs.String(), id) {
			t.Error("the refusal or the log repeats the number")
		}
	}
	_, err := w.trials().CreateTrial(w.as("admin"), &loddv1.CreateTrialRequest{RequestId: w.id(), Protocol: append(w.file("protocol.yaml"), "# "+id...)})
	refused(t, err, codes.InvalidArgument, "DIRECT_IDENTIFIER")

	// A password is a secret that nobody keeps or reads.
	_, err = w.session().Join(t.Context(), &loddv1.JoinRequest{Code: "x", User: "kari", FullName: "Kari", Password: id + " and more"})
	refused(t, err, codes.FailedPrecondition, "INVITE")
}
