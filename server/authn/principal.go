// Package authn answers who is calling: passwords, one-time codes, the limit on
// guessing, and sessions. What a caller may do is not its business.
//
// It keeps no file. Accounts and their password hashes are entries of the
// system log; sessions and counts of wrong attempts are in memory and end with
// the process.
package authn

import "context"

// A Principal is an authenticated caller.
type Principal struct {
	User         string // the account's name
	Session      string // the session's id, which may be logged: it opens nothing
	SecondFactor bool   // one was given when the session began or since
}

type principalKey struct{}

// WithPrincipal returns a context that carries p.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// FromContext returns the principal that ctx carries, and whether it does.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(Principal)
	return p, ok
}
