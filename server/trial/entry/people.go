package entry

import (
	"fmt"
	"time"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/people"
)

func setPeopleKind(pb *logv1.Entry, event people.Event) error {
	switch e := event.(type) {
	case people.Invited:
		pb.Kind = &logv1.Entry_AccountInvited{AccountInvited: &logv1.AccountInvited{
			Invite: e.Invite, CodeHash: e.CodeHash[:], Administrator: e.Administrator, ExpiresUnixMs: e.Expires.UnixMilli(),
		}}
	case people.Created:
		pb.Kind = &logv1.Entry_AccountCreated{AccountCreated: &logv1.AccountCreated{
			User: e.User, FullName: e.FullName, Invite: e.Invite, Administrator: e.Administrator,
		}}
	case people.Disabled:
		pb.Kind = &logv1.Entry_AccountDisabled{AccountDisabled: &logv1.AccountDisabled{User: e.User, Reason: e.Reason}}
	case people.SignedIn:
		pb.Kind = &logv1.Entry_SignedIn{SignedIn: &logv1.SignedIn{Session: e.Session}}
	case people.SignInRefused:
		pb.Kind = &logv1.Entry_SignInRefused{SignInRefused: &logv1.SignInRefused{User: e.User}}
	case people.SignedOut:
		pb.Kind = &logv1.Entry_SignedOut{SignedOut: &logv1.SignedOut{Session: e.Session}}
	case people.Granted:
		g := &logv1.RoleGranted{Grant: grantToProto(e.Grant)}
		if !e.Expires.IsZero() {
			g.ExpiresUnixMs = e.Expires.UnixMilli()
		}
		pb.Kind = &logv1.Entry_RoleGranted{RoleGranted: g}
	case people.Revoked:
		pb.Kind = &logv1.Entry_RoleRevoked{RoleRevoked: &logv1.RoleRevoked{Grant: grantToProto(e.Grant), Reason: e.Reason}}
	case people.Refused:
		pb.Kind = &logv1.Entry_GrantRefused{GrantRefused: &logv1.GrantRefused{Grant: grantToProto(e.Grant), Conflict: e.Conflict}}
	default:
		return setSignInKind(pb, event)
	}
	return nil
}

func setSignInKind(pb *logv1.Entry, event people.Event) error {
	switch e := event.(type) {
	case people.FactorEnrolled:
		pb.Kind = &logv1.Entry_FactorEnrolled{FactorEnrolled: &logv1.FactorEnrolled{}}
	case people.RecoveryProposed:
		pb.Kind = &logv1.Entry_RecoveryProposed{RecoveryProposed: &logv1.RecoveryProposed{User: e.User, Reason: e.Reason}}
	case people.RecoveryApproved:
		pb.Kind = &logv1.Entry_RecoveryApproved{RecoveryApproved: &logv1.RecoveryApproved{
			User: e.User, CodeHash: e.CodeHash[:], ExpiresUnixMs: e.Expires.UnixMilli(),
		}}
	case people.Recovered:
		pb.Kind = &logv1.Entry_Recovered{Recovered: &logv1.Recovered{}}
	case people.IdentityLinked:
		pb.Kind = &logv1.Entry_IdentityLinked{IdentityLinked: &logv1.IdentityLinked{User: e.User, Issuer: e.Issuer, Subject: e.Subject[:]}}
	case people.PasswordChanged:
		pb.Kind = &logv1.Entry_PasswordChanged{PasswordChanged: &logv1.PasswordChanged{}}
	default:
		return fmt.Errorf("entry: unknown event %T", event)
	}
	return nil
}

// peopleKind returns the people event of pb, or nil if it holds another kind.
func peopleKind(pb *logv1.Entry) (people.Event, error) {
	switch k := pb.GetKind().(type) {
	case *logv1.Entry_AccountInvited:
		e := people.Invited{
			Invite: k.AccountInvited.GetInvite(), Administrator: k.AccountInvited.GetAdministrator(),
			Expires: time.UnixMilli(k.AccountInvited.GetExpiresUnixMs()).UTC(),
		}
		err := fill(e.CodeHash[:], k.AccountInvited.GetCodeHash(), "hash of a code")
		return e, err
	case *logv1.Entry_AccountCreated:
		c := k.AccountCreated
		return people.Created{User: c.GetUser(), FullName: c.GetFullName(), Invite: c.GetInvite(), Administrator: c.GetAdministrator()}, nil
	case *logv1.Entry_AccountDisabled:
		return people.Disabled{User: k.AccountDisabled.GetUser(), Reason: k.AccountDisabled.GetReason()}, nil
	case *logv1.Entry_SignedIn:
		return people.SignedIn{Session: k.SignedIn.GetSession()}, nil
	case *logv1.Entry_SignInRefused:
		return people.SignInRefused{User: k.SignInRefused.GetUser()}, nil
	case *logv1.Entry_SignedOut:
		return people.SignedOut{Session: k.SignedOut.GetSession()}, nil
	case *logv1.Entry_RoleGranted:
		return grantedFromProto(k.RoleGranted)
	case *logv1.Entry_RoleRevoked:
		return people.Revoked{Grant: grantFromProto(k.RoleRevoked.GetGrant()), Reason: k.RoleRevoked.GetReason()}, nil
	case *logv1.Entry_GrantRefused:
		return people.Refused{Grant: grantFromProto(k.GrantRefused.GetGrant()), Conflict: k.GrantRefused.GetConflict()}, nil
	default:
		return signInKind(pb)
	}
}

func signInKind(pb *logv1.Entry) (people.Event, error) {
	switch k := pb.GetKind().(type) {
	case *logv1.Entry_FactorEnrolled:
		return people.FactorEnrolled{}, nil
	case *logv1.Entry_RecoveryProposed:
		return people.RecoveryProposed{User: k.RecoveryProposed.GetUser(), Reason: k.RecoveryProposed.GetReason()}, nil
	case *logv1.Entry_RecoveryApproved:
		e := people.RecoveryApproved{User: k.RecoveryApproved.GetUser(), Expires: time.UnixMilli(k.RecoveryApproved.GetExpiresUnixMs()).UTC()}
		err := fill(e.CodeHash[:], k.RecoveryApproved.GetCodeHash(), "hash of a code")
		return e, err
	case *logv1.Entry_Recovered:
		return people.Recovered{}, nil
	case *logv1.Entry_IdentityLinked:
		e := people.IdentityLinked{User: k.IdentityLinked.GetUser(), Issuer: k.IdentityLinked.GetIssuer()}
		err := fill(e.Subject[:], k.IdentityLinked.GetSubject(), "hash of a subject")
		return e, err
	case *logv1.Entry_PasswordChanged:
		return people.PasswordChanged{}, nil
	default:
		return nil, nil
	}
}

// grantedFromProto refuses an end before 1970: one of them would be taken for
// none.
func grantedFromProto(pb *logv1.RoleGranted) (people.Event, error) {
	e := people.Granted{Grant: grantFromProto(pb.GetGrant())}
	switch ms := pb.GetExpiresUnixMs(); {
	case ms < 0:
		return nil, fmt.Errorf("entry: a role that ends at %d ms, want 0 or more", ms)
	case ms > 0:
		e.Expires = time.UnixMilli(ms).UTC()
	}
	return e, nil
}

func grantToProto(g people.Grant) *logv1.Grant {
	return &logv1.Grant{User: g.User, Trial: g.Trial, Role: g.Role, Site: g.Site, Team: g.Team}
}

func grantFromProto(g *logv1.Grant) people.Grant {
	return people.Grant{User: g.GetUser(), Trial: g.GetTrial(), Role: g.GetRole(), Site: g.GetSite(), Team: g.GetTeam()}
}
