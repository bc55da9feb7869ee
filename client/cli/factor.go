package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/client"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// sessionCommand is about how somebody signs in.
func (a *app) sessionCommand() *cobra.Command {
	return noun("session", "Change how you sign in", a.factorCommand(), a.passwordCommand(), a.recoverSessionCommand(), a.noticeCommand())
}

func (a *app) factorCommand() *cobra.Command {
	return a.remote(spec{
		use: "factor", short: "Get a second factor: an app that shows codes",
		long: `Get a second factor: an app that shows codes, such as those of RFC 6238.

It prints a secret for the app, asks for a code of it, and then prints ten
recovery codes, each of which takes the place of a code once. Keep them where
the app is not. Every other session of yours ends.`,
	}, func(c call) error {
		req := &loddv1.EnrolFactorRequest{}
		var err error
		if a.vouching {
			if req.IdToken, req.Nonce, err = a.vouched(c.ctx, c.Client, proving{}, true); err != nil {
				return err
			}
		} else if req.Password, err = a.password(c.ctx, false, false); err != nil {
			return err
		}
		var begun *loddv1.EnrolFactorResponse
		err = a.withCode(c.ctx, proving{}, func(code string) (err error) {
			req.Code = code
			begun, err = c.Session().EnrolFactor(c.ctx, req)
			return err
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(a.deps.Stderr, "lodd: %s\n  %s\n  %s\n", a.words.say("note.factor"), visible(begun.GetSecret()), visible(begun.GetUri()))
		return a.confirmFactor(c)
	})
}

// confirmFactor asks for a code of the new factor, again if it was mistyped.
func (a *app) confirmFactor(c call) error {
	for {
		code, err := a.code(c.ctx, proving{}, "ask.new-code")
		if err != nil {
			return err
		}
		done, err := c.Session().ConfirmFactor(c.ctx, &loddv1.ConfirmFactorRequest{Code: code})
		if client.HasReason(err, loddv1.ErrorReason_ERROR_REASON_CODE_NEEDED) {
			a.note("note.code-wrong")
			continue
		}
		if err != nil {
			return err
		}
		a.note("note.recovery-codes")
		r := list("recovery-codes", "codes", "code")
		for _, code := range done.GetRecoveryCodes() {
			r.add(code)
		}
		return a.write(r)
	}
}

func (a *app) passwordCommand() *cobra.Command {
	var how proving
	cmd := a.remote(spec{use: "password", short: "Change your password; every other session of yours ends"}, func(c call) error {
		req := &loddv1.ChangePasswordRequest{}
		var err error
		if req.OldPassword, err = a.password(c.ctx, how.fromStdin, false); err != nil {
			return err
		}
		if req.NewPassword, err = a.secret(c.ctx, how.fromStdin, true, "ask.new-password"); err != nil {
			return err
		}
		err = a.withCode(c.ctx, how, func(code string) error {
			req.Code = code
			_, err := c.Session().ChangePassword(c.ctx, req)
			return err
		})
		if err == nil {
			a.note("note.password-changed")
		}
		return err
	})
	cmd.Flags().BoolVar(&how.fromStdin, "password-stdin", false, "read the old password, the new one, and a code, if one is needed, from lines of standard input")
	return cmd
}

func (a *app) recoverSessionCommand() *cobra.Command {
	var who account
	cmd := a.local(spec{
		use: "recover", short: "Set a new password with a code that two people have granted",
		long: `Set a new password with a code that two people have granted: an administrator
proposes (lodd people recover), somebody else approves (lodd people
approve-recovery) and gives you the code. It works once, within a day. Your
second factor is gone, and every session of yours ends.`,
	}, func(ctx context.Context, _ []string) error {
		req := &loddv1.RecoverRequest{}
		var err error
		if req.User, err = a.typed(ctx, first(who.user, a.profile.User), "ask.user"); err != nil {
			return err
		}
		if req.Code, err = a.code(ctx, who.proving, "ask.recovery-code"); err != nil {
			return err
		}
		if req.Password, err = a.secret(ctx, who.fromStdin, true, "ask.new-password"); err != nil {
			return err
		}
		c, err := a.connect(a.settings.server, a.settings.pin, "")
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Session().Recover(ctx, req); err != nil {
			return err
		}
		a.note("note.recovered")
		return nil
	})
	cmd.Flags().StringVar(&who.user, "user", "", "`NAME` of the account")
	cmd.Flags().BoolVar(&who.fromStdin, "password-stdin", false, "read the code and the new password from the first two lines of standard input")
	return cmd
}

func (a *app) noticeCommand() *cobra.Command {
	return a.remote(spec{
		use: "notices ADDRESS", short: "Tell where notices for you go; an empty address ends them", args: cobra.ExactArgs(1),
		long: `Tell where notices for you go, an e-mail address; "" ends them. Notices name no
arm and no participant. The address is not kept in the log.`,
	}, func(c call) error {
		_, err := c.Session().SetNoticeAddress(c.ctx, &loddv1.SetNoticeAddressRequest{Address: c.args[0]})
		if err == nil {
			a.note("note.notices")
		}
		return err
	})
}
