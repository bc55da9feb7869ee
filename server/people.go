package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/rpcerr"
	"github.com/lodd-rct/lodd/server/trial"
)

// peopleService implements lodd.v1.PeopleService.
type peopleService struct {
	loddv1.UnimplementedPeopleServiceServer
	*core
}

func (s *peopleService) CreateInvite(ctx context.Context, req *loddv1.CreateInviteRequest) (*loddv1.CreateInviteResponse, error) {
	hours := req.GetHours()
	if hours == 0 {
		hours = 72
	}
	if hours < 1 || hours > 720 {
		return nil, rpcerr.Field("hours", fmt.Errorf("%d, want 1 to 720", hours))
	}
	text, e, err := s.newInvite(req.GetAdministrator(), s.now().Add(time.Duration(hours)*time.Hour))
	if err != nil {
		return nil, err
	}
	if _, err := s.do(ctx, func(*people.State) (people.Event, error) { return e, nil }); err != nil {
		return nil, err
	}
	return &loddv1.CreateInviteResponse{Invite: text, Expires: timestamppb.New(e.Expires)}, nil
}

func (s *peopleService) ListAccounts(context.Context, *loddv1.ListAccountsRequest) (*loddv1.ListAccountsResponse, error) {
	resp := &loddv1.ListAccountsResponse{}
	s.people.View(func(p *people.State) {
		for _, a := range p.Accounts() {
			resp.Accounts = append(resp.Accounts, &loddv1.Account{
				User: a.User, FullName: a.FullName, Administrator: a.Administrator,
				Disabled: a.Disabled, Created: timestamppb.New(a.Created),
			})
		}
	})
	slices.SortFunc(resp.Accounts, func(a, b *loddv1.Account) int { return strings.Compare(a.GetUser(), b.GetUser()) })
	return resp, nil
}

func (s *peopleService) DisableAccount(ctx context.Context, req *loddv1.DisableAccountRequest) (*loddv1.DisableAccountResponse, error) {
	reason, err := parseReason(req.GetReason())
	if err != nil {
		return nil, rpcerr.Field("reason", err)
	}
	_, err = s.do(ctx, func(p *people.State) (people.Event, error) {
		switch a, ok := p.Account(req.GetUser()); {
		case !ok:
			return nil, people.ErrNoAccount
		case a.Disabled:
			return nil, nil
		case a.Administrator && lastAdministrator(p):
			return nil, rpcerr.Field("user", errors.New("is the last administrator; invite another one first, or nobody can run the server"))
		}
		if trials := onlyCustodianOf(p, req.GetUser(), s.now()); len(trials) > 0 {
			return nil, lastCustodian(req.GetUser(), trials[0])
		}
		return people.Disabled{User: req.GetUser(), Reason: reason}, nil
	})
	if err != nil {
		return nil, err
	}
	s.endAll(req.GetUser())
	return &loddv1.DisableAccountResponse{}, nil
}

// onlyCustodianOf returns the trials in which nobody else could give a role.
func onlyCustodianOf(p *people.State, user string, at time.Time) []string {
	var trials []string
	for _, g := range p.Grants(user, at) {
		another := slices.ContainsFunc(p.Tenures(g.Trial), func(t people.Tenure) bool {
			return t.User != user && p.Holds(t.User, g.Trial, string(trial.Custodian), at)
		})
		if g.Role == string(trial.Custodian) && !another {
			trials = append(trials, g.Trial)
		}
	}
	return trials
}

func lastCustodian(user, id string) error {
	return &rpcerr.Refusal{Code: codes.FailedPrecondition, Text: fmt.Sprintf(
		"%s is the last custodian of %s; after this nobody could give a role there; let the custodian name another first", user, id)}
}

func lastAdministrator(p *people.State) bool {
	n := 0
	for _, a := range p.Accounts() {
		if a.Administrator && !a.Disabled {
			n++
		}
	}
	return n == 1
}

func (s *peopleService) GrantRole(ctx context.Context, req *loddv1.GrantRoleRequest) (*loddv1.GrantRoleResponse, error) {
	t, a, err := s.enter(ctx, req)
	if err != nil {
		return nil, err
	}
	g := people.Grant{User: req.GetUser(), Trial: req.GetTrialId(), Role: req.GetRole(), Site: req.GetSite(), Team: req.GetTeam()}
	err = grantableIn(t, g)
	if err != nil && !errors.Is(err, errSawArm) {
		return nil, err
	}
	saw := err
	e := people.Granted{Grant: g}
	if req.GetExpires() != nil {
		if g.Role == string(trial.Custodian) {
			return nil, rpcerr.Field("expires", errors.New("a custodian's role has no end, or one day nobody could give a role; hand it over instead"))
		}
		e.Expires = req.GetExpires().AsTime().Truncate(time.Millisecond)
	}
	r, err := s.do(ctx, func(p *people.State) (people.Event, error) {
		if _, ok := p.Account(g.User); !ok {
			return nil, &rpcerr.Refusal{Code: codes.NotFound, Text: fmt.Sprintf("there is no account %q; invite that person first", g.User)}
		}
		event, err := p.Grant(a.User, s.now(), e)
		if err == nil && event != nil && saw != nil { // only who may give the role is told
			return people.Refused{Grant: g}, saw
		}
		return event, err
	})
	if !slices.Contains(compartments(t, a), ledger.System) {
		r = ledger.Receipt{} // an administrator couldn't check it
	}
	return &loddv1.GrantRoleResponse{Receipt: receipt(r)}, err
}

// checkGrant refuses an unknown role, a site or team that the trial doesn't
// have, and one that the role doesn't go with or lacks.
func checkGrant(p *trial.Protocol, g people.Grant) error {
	if !slices.Contains(people.Roles(), g.Role) {
		return rpcerr.Field("role", fmt.Errorf("there is no role %q; want %s", g.Role, strings.Join(people.Roles(), ", ")))
	}
	var f faults
	team := g.Role == string(trial.TreatmentTeam)
	if team && g.Site == "" {
		f.add("site", errors.New("is missing; a treatment team works at one site"))
	}
	if team && g.Team == "" {
		f.add("team", errors.New("is missing; name the arm whose team it is"))
	}
	if !team && g.Team != "" {
		f.add("team", errors.New("only the role treatment-team has an arm; leave it out"))
		return f.err() // whether the trial has that arm matters no more
	}
	if g.Site != "" && !authz.PerSite(trial.Role(g.Role)) {
		f.add("site", fmt.Errorf("the role %q is about the whole trial; leave the site out", g.Role))
	}
	if g.Site != "" && !slices.ContainsFunc(p.Sites, func(s trial.Site) bool { return string(s.ID) == g.Site }) {
		f.add("site", fmt.Errorf("%q is unknown in this trial", g.Site))
	}
	if g.Team != "" && !slices.ContainsFunc(p.Arms, func(a trial.Arm) bool { return string(a.ID) == g.Team }) {
		f.add("team", errors.New("this is no arm of the trial"))
	}
	return f.err()
}

func (s *peopleService) RevokeRole(ctx context.Context, req *loddv1.RevokeRoleRequest) (*loddv1.RevokeRoleResponse, error) {
	a := authz.FromContext(ctx)
	reason, err := parseReason(req.GetReason())
	if err != nil {
		return nil, rpcerr.Field("reason", err)
	}
	if a.Role() != trial.Custodian { // an administrator only ever names a custodian
		return nil, people.ErrNotYours
	}
	g := people.Grant{User: req.GetUser(), Trial: req.GetTrialId(), Role: req.GetRole(), Site: req.GetSite(), Team: req.GetTeam()}
	r, err := s.do(ctx, func(p *people.State) (people.Event, error) {
		if _, ok := p.Account(g.User); !ok {
			return nil, people.ErrNoAccount
		}
		everHeld := slices.ContainsFunc(p.Tenures(g.Trial), func(t people.Tenure) bool { return t.Grant == g })
		if !everHeld {
			return nil, people.ErrNoGrant
		}
		custodian := g.Role == string(trial.Custodian) && slices.Contains(p.Grants(g.User, s.now()), g)
		if custodian && slices.Contains(onlyCustodianOf(p, g.User, s.now()), g.Trial) {
			return nil, lastCustodian(g.User, g.Trial)
		}
		return p.Revoke(g, s.now(), reason), nil
	})
	return &loddv1.RevokeRoleResponse{Receipt: receipt(r)}, err
}

func (s *peopleService) ListRoles(_ context.Context, req *loddv1.ListRolesRequest) (*loddv1.ListRolesResponse, error) {
	resp := &loddv1.ListRolesResponse{}
	s.people.View(func(p *people.State) {
		for _, t := range p.Tenures(req.GetTrialId()) {
			resp.Roles = append(resp.Roles, grantedRole(t))
		}
	})
	return resp, nil
}

// do appends the event that decide returns, if it returns one: a refusal can
// be an entry, too. The receipt is empty if there is none.
func (k *core) do(ctx context.Context, decide func(*people.State) (people.Event, error)) (ledger.Receipt, error) {
	by := ledger.Caller{Actor: authz.FromContext(ctx).User}
	return k.people.Do(ctx, by, func(p *people.State, _ time.Time) ([]people.Event, error) {
		e, err := decide(p)
		if e == nil {
			return nil, err
		}
		return []people.Event{e}, err
	})
}
