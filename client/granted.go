package client

import (
	"errors"
	"fmt"
	"strings"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// grantOf returns which role of whom a request is about: its user, role, site and
// team, each behind a word. A hand-over ends one role or more of an account, and
// its receipt is that of the first, which the request doesn't name.
func grantOf(req any) string {
	switch r := req.(type) {
	case *loddv1.GrantRoleRequest:
		return grantText(r)
	case *loddv1.RevokeRoleRequest:
		return grantText(r)
	case *loddv1.HandOverRequest:
		return "user " + r.GetFrom()
	}
	return ""
}

// A grant is one of the API or of the log.
type grant interface {
	GetUser() string
	GetRole() string
	GetSite() string
	GetTeam() string
}

func grantText(g grant) string {
	return fmt.Sprintf("user %s role %s site %q team %q", g.GetUser(), g.GetRole(), g.GetSite(), g.GetTeam())
}

// grantedBy reports why an entry of the list of accounts isn't what was asked for.
// It has no id of a request: an earlier entry of the same account about the same
// role of the same person can't be told from it.
func (q Request) grantedBy(e *logv1.Entry) error {
	g := e.GetRoleGranted().GetGrant()
	if g == nil {
		g = e.GetRoleRevoked().GetGrant()
	}
	about := grantText(g)
	switch {
	case g.GetTrial() != q.Trial:
		return errors.New("the entry is about another trial")
	case about != q.Grant && !strings.HasPrefix(about, q.Grant+" "):
		return errors.New("the entry is about another role or another person")
	case q.Actor != "" && e.GetActor() != q.Actor:
		return errors.New("the entry is of another account")
	}
	return nil
}
