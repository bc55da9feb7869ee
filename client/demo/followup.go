package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// Who leaves the trial on the way, by position among the enrolled.
const (
	stops     = 2  // the intervention only (W1)
	withdraws = 7  // from follow-up (W2)
	inError   = 11 // was included in error
	erases    = 15 // withdraws consent and demands deletion (W3)
	dies      = 19
	misses    = 5 // the visit at 6 months
	isLate    = 9 // at 6 months
)

// sixMonths plays the time to the follow-up at 6 months, and that.
func (s *story) sixMonths(ctx context.Context) error {
	s.setClock(s.now.AddDate(0, 1, 0))
	if err := s.withdraw(ctx, stops, "intervention", "no-longer-wants"); err != nil {
		return err
	}
	if err := s.recordError(ctx, inError); err != nil {
		return err
	}
	s.setClock(s.now.AddDate(0, 1, 0))
	if err := s.withdraw(ctx, withdraws, "follow-up", "burden"); err != nil {
		return err
	}
	s.enrolled[withdraws].gone = "withdrew from follow-up"
	if err := s.assessAll(ctx, 1, 6); err != nil {
		return err
	}
	return s.correct(ctx, s.enrolled[0].number, s.protocol.GetVisits()[1].GetId())
}

// twelveMonths destroys a participant's data, lets one die and plays the
// follow-up at 12 months.
func (s *story) twelveMonths(ctx context.Context) error {
	if err := s.forget(ctx); err != nil {
		return err
	}
	s.setClock(s.now.AddDate(0, 1, 0))
	c, id, err := s.asking(ctx, "tove")
	if err != nil {
		return err
	}
	if _, err := c.Participants().RecordDeath(ctx, &loddv1.RecordDeathRequest{TrialId: s.trial, RequestId: id, Participant: s.enrolled[dies].number}); err != nil {
		return err
	}
	s.enrolled[dies].gone = "died"
	s.say("tove recorded the death of a participant")
	return s.assessAll(ctx, 2, 12)
}

// assessAll assesses everyone who is still followed up at a visit, each on a
// day of their window. The assessor finds them on the due list.
func (s *story) assessAll(ctx context.Context, visit, months int) error {
	v := s.protocol.GetVisits()[visit].GetId()
	done := 0
	for i, p := range s.enrolled {
		if p.gone != "" {
			continue
		}
		day := 3
		if i == isLate && visit == 1 {
			day = 45
		}
		if i == misses && visit == 1 {
			day = 20
		}
		if at := p.at.AddDate(0, months, day); at.After(s.now) {
			s.setClock(at)
		}
		if err := s.due(ctx, p.number, v); err != nil {
			return err
		}
		if i == misses && visit == 1 {
			if err := s.miss(ctx, p.number, v); err != nil {
				return err
			}
			continue
		}
		if err := s.assess(ctx, "olav", p.number, v); err != nil {
			return err
		}
		done++
	}
	s.say("olav assessed %d participants at %s without knowing an arm", done, v)
	return nil
}

// due checks that the assessor's due list holds a participant.
func (s *story) due(ctx context.Context, number, visit string) error {
	c, err := s.as(ctx, "olav")
	if err != nil {
		return err
	}
	list, err := c.Assessments().ListDue(ctx, &loddv1.ListDueRequest{TrialId: s.trial})
	if err != nil {
		return err
	}
	for _, d := range list.GetDue() {
		if d.GetParticipant() == number && d.GetVisit() == visit {
			return nil
		}
	}
	return fmt.Errorf("%s is not on the due list for %s on %s", number, visit, s.now.Format(time.DateOnly))
}

func (s *story) miss(ctx context.Context, number, visit string) error {
	c, id, err := s.asking(ctx, "olav")
	if err != nil {
		return err
	}
	_, err = c.Assessments().RecordMissedVisit(ctx, &loddv1.RecordMissedVisitRequest{
		TrialId: s.trial, RequestId: id, Participant: number, Visit: visit, Reason: "not-reached",
	})
	return err
}

// correct changes one answer with a reason, and reads back that both values
// and the reason are kept.
func (s *story) correct(ctx context.Context, number, visit string) error {
	c, err := s.as(ctx, "olav")
	if err != nil {
		return err
	}
	for _, f := range s.protocol.GetForms() {
		if f.GetBy() != "assessor" {
			continue
		}
		for range 5 {
			values, err := s.fill(ctx, "olav", f.GetForm())
			if err != nil {
				return err
			}
			id, err := s.requestID()
			if err != nil {
				return err
			}
			req := &loddv1.CorrectFormRequest{
				TrialId: s.trial, RequestId: id, Participant: number, Visit: visit, Form: f.GetForm(),
				Values: values, Reason: "lest feil fra papirskjema",
			}
			answer, err := c.Assessments().CorrectForm(ctx, req)
			if client.HasReason(err, loddv1.ErrorReason_ERROR_REASON_NOTHING_CHANGED) {
				continue
			}
			if err != nil {
				return err
			}
			return s.checkCorrection(ctx, req, len(answer.GetChanges()))
		}
	}
	return errors.New("no form could be corrected")
}

func (s *story) checkCorrection(ctx context.Context, req *loddv1.CorrectFormRequest, changes int) error {
	c, err := s.as(ctx, "olav")
	if err != nil {
		return err
	}
	form, err := c.Assessments().ReadForm(ctx, &loddv1.ReadFormRequest{
		TrialId: s.trial, Participant: req.GetParticipant(), Visit: req.GetVisit(), Form: req.GetForm(),
	})
	if err != nil {
		return err
	}
	got := form.GetCorrections()
	if len(got) != 1 || got[0].GetReason() != req.GetReason() || len(got[0].GetChanges()) != changes {
		return fmt.Errorf("the correction of %s is not kept as it was made", req.GetForm())
	}
	s.say("olav corrected %d answers of %s; old values, new values and the reason are kept", changes, req.GetForm())
	return nil
}

func (s *story) withdraw(ctx context.Context, i int, scope, reason string) error {
	c, id, err := s.asking(ctx, "tove")
	if err != nil {
		return err
	}
	req := &loddv1.RecordWithdrawalRequest{TrialId: s.trial, RequestId: id, Participant: s.enrolled[i].number, Scope: scope, Reason: reason}
	_, err = c.Participants().RecordWithdrawal(ctx, req)
	s.say("tove recorded that a participant withdrew from: %s", scope)
	return err
}

// forget lets a participant withdraw consent and demand deletion: nobody reads
// the answers from then on, and another person than the one who recorded the
// withdrawal destroys their key.
func (s *story) forget(ctx context.Context) error {
	c, id, err := s.asking(ctx, "tove")
	if err != nil {
		return err
	}
	number := s.enrolled[erases].number
	answer, err := c.Participants().RecordWithdrawal(ctx, &loddv1.RecordWithdrawalRequest{
		TrialId: s.trial, RequestId: id, Participant: number, Scope: "data", Reason: "no-longer-wants", Confirm: number,
	})
	if err != nil {
		return err
	}
	if len(answer.GetDestroyInLocks()) != 1 {
		return fmt.Errorf("the participant who withdrew is in %d locks, want 1", len(answer.GetDestroyInLocks()))
	}
	s.enrolled[erases].gone = "data destroyed"
	assessor, err := s.as(ctx, "olav")
	if err != nil {
		return err
	}
	_, err = assessor.Assessments().ReadForm(ctx, &loddv1.ReadFormRequest{
		TrialId: s.trial, Participant: number, Visit: s.protocol.GetVisits()[1].GetId(), Form: s.assessorForm(),
	})
	if err := refused(err, loddv1.ErrorReason_ERROR_REASON_ERASED, "reading withdrawn data"); err != nil {
		return err
	}
	s.say("a participant withdrew consent: nobody reads the data any more, holders of lock 1 are told")
	err = s.erase(ctx, "tove", number)
	if err := refused(err, loddv1.ErrorReason_ERROR_REASON_SAME_PERSON, "erasure by one person alone"); err != nil {
		return err
	}
	s.say("refused: erasure by the person who recorded the withdrawal")
	if err := s.erase(ctx, "per", number); err != nil {
		return err
	}
	s.say("per erased: the key of the data is destroyed, and the log still verifies")
	return nil
}

func (s *story) erase(ctx context.Context, user, number string) error {
	c, id, err := s.asking(ctx, user)
	if err != nil {
		return err
	}
	_, err = c.Participants().EraseParticipant(ctx, &loddv1.EraseParticipantRequest{
		TrialId: s.trial, RequestId: id, Participant: number, Confirm: number,
	})
	return err
}

func (s *story) assessorForm() string {
	for _, f := range s.protocol.GetForms() {
		if f.GetBy() == "assessor" {
			return f.GetForm()
		}
	}
	return ""
}

func (s *story) recordError(ctx context.Context, i int) error {
	c, id, err := s.asking(ctx, "tove")
	if err != nil {
		return err
	}
	_, err = c.Participants().RecordError(ctx, &loddv1.RecordErrorRequest{TrialId: s.trial, RequestId: id, Participant: s.enrolled[i].number, Kind: "not-eligible"})
	s.say("tove flagged a participant as included in error; the allocation and the follow-up stay")
	return err
}
