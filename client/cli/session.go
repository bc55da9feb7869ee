package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// account is a user name and how somebody proves that it is theirs.
type account struct {
	user string
	proving
}

func (c *account) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.user, "user", "", "`NAME` of the account")
	cmd.Flags().BoolVar(&c.fromStdin, "password-stdin", false, "read the password from the first line of standard input, and a code, if one is needed, from the second")
	cmd.Flags().BoolVar(&c.oidc, "oidc", false, "sign in at the server's identity provider, with the browser")
	cmd.Flags().BoolVar(&c.device, "device", false, "sign in at the server's identity provider, on another device")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "oidc", "device")
}

func (a *app) joinCommand() *cobra.Command {
	var who account
	var name string
	cmd := a.local(spec{
		use:   "join INVITE",
		short: "Make an account with an invitation, and sign in",
		long: `Make an account with an invitation, and sign in.

The invitation names the server and proves which one it is.`,
		example: `  lodd join lodd1.eyJ... --user kari --name "Kari Nordmann"`,
		args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, args []string) error {
		i, err := invite.Parse(args[0])
		if err != nil {
			return &invalidError{message: err.Error()}
		}
		if who.user, err = a.typed(ctx, who.user, "ask.user"); err != nil {
			return err
		}
		if name, err = a.typed(ctx, name, "ask.name"); err != nil {
			return err
		}
		if who.user == "" || name == "" {
			return &usageError{a.words.say("error.join")}
		}
		req := &loddv1.JoinRequest{Code: i.Code, User: who.user, FullName: name}
		if !who.atProvider() {
			if req.Password, err = a.password(ctx, who.fromStdin, true); err != nil {
				return err
			}
		}
		return a.join(ctx, i, who.proving, req)
	})
	who.register(cmd)
	cmd.Flags().StringVar(&name, "name", "", "your full `NAME`, as it stands beside signatures")
	return cmd
}

// join uses up an invitation at the first of its addresses that answers. All of
// them are kept: another one may answer tomorrow.
func (a *app) join(ctx context.Context, i invite.Invite, how proving, req *loddv1.JoinRequest) error {
	a.settings.server = strings.Join(i.Addresses, ",")
	c, err := a.connect(a.settings.server, i.Pin, "")
	if err != nil {
		return err
	}
	if how.atProvider() {
		req.IdToken, req.Nonce, err = a.vouched(ctx, c, how, false)
	}
	if err == nil {
		_, err = c.Session().Join(ctx, req)
	}
	c.Close()
	unknown := errors.Is(err, client.ErrOutcomeUnknown)
	if err != nil && !unknown {
		return a.exists(err, "error.name-taken", "hint.name-taken")
	}
	// Also after a lost answer: signing in then tells what became of it.
	if a.profile.Pin != i.Pin {
		a.profile = client.Profile{Lang: a.profile.Lang} // another server: nothing of the old one holds
	}
	a.profile.Server, a.profile.Pin, a.profile.User = a.settings.server, i.Pin, req.GetUser()
	if saveErr := a.dirs.SaveProfile(a.profile); saveErr != nil {
		return saveErr
	}
	if unknown {
		return &hintError{err, a.words.say("hint.joined-maybe")}
	}
	a.note("note.joined", i.Server, req.GetUser())
	a.settings.pin = i.Pin
	return a.login(ctx, how, req.GetUser(), req.GetPassword())
}

func (a *app) loginCommand() *cobra.Command {
	var who account
	cmd := a.local(spec{use: "login", short: "Sign in"}, func(ctx context.Context, _ []string) error {
		if err := a.serverKnown(a.settings.server, a.settings.pin); err != nil {
			return err
		}
		if who.atProvider() {
			return a.login(ctx, who.proving, first(who.user, a.profile.User), "")
		}
		user, err := a.typed(ctx, first(who.user, a.profile.User), "ask.user")
		if err != nil {
			return err
		}
		if user == "" {
			return &usageError{a.words.say("error.no-user")}
		}
		password, err := a.password(ctx, who.fromStdin, false)
		if err != nil {
			return err
		}
		return a.login(ctx, who.proving, user, password)
	})
	who.register(cmd)
	return cmd
}

// login begins a session and stores it, and learns the server's keys.
func (a *app) login(ctx context.Context, how proving, user, password string) error {
	c, err := a.connect(a.settings.server, a.settings.pin, "")
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := a.begin(ctx, c, how, &loddv1.LoginRequest{User: user, Password: password})
	if err != nil {
		return err
	}
	signedIn, err := a.connect(a.settings.server, a.settings.pin, answer.GetToken())
	if err != nil {
		return err
	}
	defer signedIn.Close()
	me, err := signedIn.Session().WhoAmI(ctx, &loddv1.WhoAmIRequest{})
	if err != nil {
		return err
	}
	if err := a.learn(me); err != nil {
		return err
	}
	session := client.Session{
		Pin: a.settings.pin, User: me.GetUser(), Token: answer.GetToken(), Expires: answer.GetExpires().AsTime(),
		Provider: how.atProvider(),
	}
	if err := a.dirs.SaveSession(session, a.deps.Now()); err != nil {
		return err
	}
	a.note("note.signed-in", me.GetUser(), me.GetFullName(), a.settings.server)
	if answer.GetLimited() {
		a.note("note.factor-needed")
	}
	return nil
}

// learn keeps the server's address, pin and keys in the profile. A key that is
// known and has changed is refused: what was signed with the old one, and the
// checkpoints that were seen, would no longer count.
func (a *app) learn(me *loddv1.WhoAmIResponse) error {
	p := a.profile
	if p.Pin != a.settings.pin {
		p = client.Profile{Lang: p.Lang} // another server: nothing of the old one holds
	}
	if _, err := audit.NewVerifier(me.GetLogKey()); err != nil {
		return &notVerifiedError{message: a.words.say("error.key-none")}
	}
	if p.LogKey != "" && p.LogKey != me.GetLogKey() {
		return &notVerifiedError{message: a.words.say("error.key-changed", "log_key")}
	}
	if p.ExportKey != "" && p.ExportKey != me.GetExportKey() {
		return &notVerifiedError{message: a.words.say("error.key-changed", "export_key")}
	}
	if !among(a.settings.server, p.Server) {
		p.Server = a.settings.server
	}
	p.Pin, p.User = a.settings.pin, me.GetUser()
	p.LogKey, p.ExportKey = me.GetLogKey(), me.GetExportKey()
	a.profile = p
	return a.dirs.SaveProfile(p)
}

// among reports whether all addresses are known: whoever names one of them for
// once doesn't forget the others.
func among(addresses, known string) bool {
	all := strings.Split(known, ",")
	for address := range strings.SplitSeq(addresses, ",") {
		if !slices.Contains(all, address) {
			return false
		}
	}
	return true
}

func (a *app) logoutCommand() *cobra.Command {
	return a.remote(spec{use: "logout", short: "End the session"}, func(c call) error {
		_, err := c.Session().Logout(c.ctx, &loddv1.LogoutRequest{})
		if exitCode(err) == exitSignIn {
			err = nil // it has ended already
		}
		// The token is forgotten whether the server heard of it or not.
		return errors.Join(a.dirs.RemoveSession(), err)
	})
}

func (a *app) whoamiCommand() *cobra.Command {
	return a.remote(spec{use: "whoami", short: "Tell who is signed in, and with which roles"}, func(c call) error {
		me, err := c.Session().WhoAmI(c.ctx, &loddv1.WhoAmIRequest{})
		if err != nil {
			return err
		}
		roles := []string{}
		for _, r := range me.GetRoles() {
			role := r.GetTrialId() + ":" + r.GetRole()
			if r.GetSite() != "" {
				role += "@" + r.GetSite()
			}
			roles = append(roles, role)
		}
		return a.write(one("whoami", "user", me.GetUser(), "name", me.GetFullName(), "administrator", me.GetAdministrator(),
			"roles", roles, "server", a.settings.server, "pin", a.settings.pin, "trial", a.settings.trial,
			"log_key", me.GetLogKey(), "export_key", me.GetExportKey()))
	})
}
