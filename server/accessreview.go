package server

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
)

// ReviewAccess replays the log to the end of the day, so that the answer is that
// of the day, whatever has changed since.
//
// Source: EMA guideline on computerised systems and electronic data in clinical
// trials (2023), annex 3, section A3.3, for reviews of user access; product.md of
// the design, AU-3.
func (s *peopleService) ReviewAccess(ctx context.Context, req *loddv1.ReviewAccessRequest) (*loddv1.ReviewAccessResponse, error) {
	t, _, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	var bad faults
	day := optional(&bad, "on", req.GetOn(), trial.ParseDate)
	if err := bad.err(); err != nil {
		return nil, err
	}
	r := accessReview{trial: req.GetTrialId(), saw: map[string]bool{}}
	err = t.View(func(st *trial.State) error {
		if today := st.Today(s.now()); day.IsZero() {
			day = today
		} else if today.Before(day) {
			return &trial.Invalid{Field: "on", Problem: day.String() + " is later than today, " + today.String()}
		}
		loc, err := st.Protocol().Location()
		if err != nil {
			return err
		}
		r.from, r.to = day.Start(loc), day.AddDays(1).Start(loc)
		for _, o := range st.Openings() {
			r.saw[o.To] = r.saw[o.To] || o.At.Before(r.to)
		}
		unsealed, _ := st.Unsealed()
		r.unsealed = !unsealed.IsZero() && unsealed.Before(r.to)
		return nil
	})
	if err != nil {
		return nil, err
	}
	past, err := s.people.Before(ctx, r.to)
	if err != nil {
		return nil, err
	}
	return &loddv1.ReviewAccessResponse{On: day.String(), People: r.people(past)}, nil
}

// An accessReview is about one trial and one day, [from, to).
type accessReview struct {
	trial    string
	from, to time.Time
	saw      map[string]bool // for whom an arm was opened by the end of the day
	unsealed bool            // by the end of the day
}

// people returns everybody who held a role on that day, who could have known an
// arm by then, or who ran the server.
func (r accessReview) people(past *people.State) []*loddv1.PersonAccess {
	var out []*loddv1.PersonAccess
	for _, a := range past.Accounts() {
		p := r.person(past, a)
		if len(p.GetRoles()) > 0 || p.GetUnblinded() || a.Administrator && !p.GetDisabled() {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *loddv1.PersonAccess) int { return strings.Compare(a.GetUser(), b.GetUser()) })
	return out
}

func (r accessReview) person(past *people.State, a people.Account) *loddv1.PersonAccess {
	p := &loddv1.PersonAccess{
		User: a.User, FullName: a.FullName, Administrator: a.Administrator, SecondFactor: a.Factor,
		Disabled: a.Disabled && a.DisabledAt.Before(r.from), Unblinded: r.saw[a.User],
	}
	if !a.LastSignIn.IsZero() {
		p.LastSignIn = timestamppb.New(a.LastSignIn)
	}
	roles := map[trial.Role]bool{trial.Administrator: a.Administrator && !p.GetDisabled()}
	for _, t := range past.Tenures(r.trial) {
		if t.User != a.User {
			continue
		}
		p.Unblinded = p.Unblinded || r.unblinds(trial.Role(t.Role))
		if t.At(r.from) || !t.From.Before(r.from) {
			p.Roles = append(p.Roles, grantedRole(t))
			roles[trial.Role(t.Role)] = true
		}
	}
	p.Permissions = permissionNames(roles)
	return p
}

// unblinds reports whether a role that was held by the end of the day could have
// shown an arm by then.
func (r accessReview) unblinds(role trial.Role) bool {
	held := authz.Permissions(role)
	return slices.Contains(held, loddv1.Permission_PERMISSION_UNBLIND) || slices.Contains(held, loddv1.Permission_PERMISSION_REVIEW) ||
		r.unsealed && slices.Contains(held, loddv1.Permission_PERMISSION_REVEAL)
}

// permissionNames returns what roles hold together, sorted, as in "read_trial".
func permissionNames(roles map[trial.Role]bool) []string {
	var names []string
	for role, held := range roles {
		if !held {
			continue
		}
		for _, p := range authz.Permissions(role) {
			if name := strings.ToLower(strings.TrimPrefix(p.String(), "PERMISSION_")); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
