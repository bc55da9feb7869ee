// Package authz decides whether a caller may use a method. It denies what it
// isn't told to allow.
//
// What a method needs stands beside it in its definition; which role has it
// stands in [Permissions]. Accounts and grants come from the log, at each call:
// what is taken away is gone with the next one.
package authz

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/people"
)

// Methods maps each method of the API, unary or stream, by its full name as in
// "/lodd.v1.TrialService/GetTrial", to the permission that its definition
// demands. It is an error if a method demands none, and if a field of the API or
// of the log has no class.
func Methods() (map[string]loddv1.Permission, error) {
	need := map[string]loddv1.Permission{}
	errs := []error{unclassified()}
	for _, m := range descriptors() {
		p := permissionOf(m)
		if p == loddv1.Permission_PERMISSION_UNSPECIFIED {
			errs = append(errs, fmt.Errorf("authz: %s has no permission", m.FullName()))
		}
		need[fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())] = p
	}
	return need, errors.Join(errs...)
}

// Config is what a guard asks. Every field but Followers is required.
type Config struct {
	// Methods are the permissions, from [Methods].
	Methods map[string]loddv1.Permission
	// People calls f with the accounts and grants as they are now.
	People func(f func(*people.State))
	// Now returns the time; a role can have an end.
	Now func() time.Time
	// Trial reports whether there is such a trial.
	Trial func(id string) bool
	// Followers are the machines that may follow the log; there may be none.
	Followers []Pin
}

// A Guard lets calls through. It may be used concurrently.
type Guard struct{ config Config }

// New returns a guard.
func New(c Config) (*Guard, error) {
	if len(c.Methods) == 0 || c.People == nil || c.Now == nil || c.Trial == nil {
		return nil, errors.New("authz: incomplete config")
	}
	c.Methods = maps.Clone(c.Methods)
	return &Guard{c}, nil
}

// Public returns the methods that need no session: the public ones, and those of
// machines, which are known by their certificates.
func (g *Guard) Public() map[string]bool {
	public := map[string]bool{}
	for m, p := range g.config.Methods {
		if p == loddv1.Permission_PERMISSION_PUBLIC || p == loddv1.Permission_PERMISSION_FOLLOW {
			public[m] = true
		}
	}
	return public
}

// Allow returns the context for a call of method with the request req, which
// carries the caller's [Access]. The error is a gRPC status.
//
// A trial that doesn't exist and a trial in which the caller has no role are
// refused in the same words.
func (g *Guard) Allow(ctx context.Context, method string, req any) (context.Context, error) {
	need, known := g.config.Methods[method]
	if known && need == loddv1.Permission_PERMISSION_PUBLIC {
		return ctx, nil
	}
	if known && need == loddv1.Permission_PERMISSION_FOLLOW {
		if !g.machine(ctx) {
			return nil, status.Error(codes.PermissionDenied, "permission denied")
		}
		return ctx, nil
	}
	p, ok := authn.FromContext(ctx)
	if !ok {
		return nil, status.Error(codes.Unauthenticated, "not logged in: log in first")
	}
	access, ok := g.access(p.User, need, req)
	if !known || !ok {
		return nil, status.Error(codes.PermissionDenied, "permission denied")
	}
	return context.WithValue(ctx, accessKey{}, access), nil
}

// access returns what user may do in the trial that req names, and whether it
// holds need there.
func (g *Guard) access(user string, need loddv1.Permission, req any) (Access, bool) {
	a := Access{User: user, need: need}
	scoped, inTrial := req.(interface{ GetTrialId() string })
	active := false
	g.config.People(func(s *people.State) {
		account, ok := s.Account(user)
		active = ok && !account.Disabled
		a.Administrator = active && account.Administrator
		for _, grant := range s.Grants(user, g.config.Now()) {
			if inTrial && grant.Trial == scoped.GetTrialId() {
				a.grants = append(a.grants, grant)
			}
		}
	})
	switch {
	case !active:
		return Access{}, false
	case inTrial:
		return a, g.config.Trial(scoped.GetTrialId()) && a.allowed()
	case need == loddv1.Permission_PERMISSION_SESSION:
		return a, true
	default:
		return a, a.allowed() // only an administrator holds anything outside a trial
	}
}
