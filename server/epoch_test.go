package server_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
)

// A hookedReader does something once, when it is read the next time.
type hookedReader struct {
	io.Reader
	mu sync.Mutex // guards do
	do func()
}

func (r *hookedReader) set(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.do = do
}

func (r *hookedReader) Read(b []byte) (int, error) {
	r.mu.Lock()
	do := r.do
	r.do = nil
	r.mu.Unlock()
	if do != nil {
		do()
	}
	return r.Reader.Read(b)
}

// another is the password after it was replaced.
const another = "eight green bottles stand"

// A sign-in that was proved by a password which is replaced before the session
// begins gets none, and that its hash is due to be made anew doesn't bring the old
// password back.
func TestAProofEndsWithItsEpoch(t *testing.T) {
	for name, replace := range map[string]func(w *world, ctx context.Context) error{
		"password changed": func(w *world, ctx context.Context) error {
			_, err := w.session().ChangePassword(ctx, &loddv1.ChangePasswordRequest{OldPassword: password, NewPassword: another})
			return err
		},
		"recovered": func(w *world, _ context.Context) error {
			code, err := w.approveRecovery("cus", "tc-osl")
			if err != nil {
				return err
			}
			return w.recover("tc-osl", code, another)
		},
	} {
		t.Run(name, func(t *testing.T) {
			hook := &hookedReader{}
			w := newUnsealed(t, nil)
			w.must(w.proposeRecovery("admin", "tc-osl"))
			w.config = func(c *server.Config) { // with other costs, so that hashes are due
				hook.Reader = c.Random
				c.Passwords = authn.PasswordConfig{MemoryKiB: 16, Passes: 1, Random: hook}
			}
			w.restart()
			w.as("cus")
			due, err := w.store.Get(t.Context(), "cred/tc-osl")
			w.must(err)
			ctx, _, err := w.login("tc-osl", "")
			w.must(err)
			w.must(w.store.Put(t.Context(), "cred/tc-osl", due))

			replaced := errors.New("the hash wasn't made anew")
			hook.set(func() { replaced = replace(w, ctx) }) // between the proof and the session
			_, _, err = w.login("tc-osl", "")
			w.must(replaced)
			refused(t, err, codes.Unauthenticated, "SIGN_IN")
			_, _, err = w.login("tc-osl", "")
			refused(t, err, codes.Unauthenticated, "SIGN_IN")
			_, err = w.session().Login(t.Context(), &loddv1.LoginRequest{User: "tc-osl", Password: another})
			w.must(err)
		})
	}
}

// Of two who replace a password at a time the later one has proved nothing: a
// thief who knows the old one doesn't undo a recovery.
func TestAThiefDoesntUndoARecovery(t *testing.T) {
	hook := &hookedReader{}
	w := newUnsealed(t, func(c *server.Config) {
		hook.Reader, c.Passwords.Random = c.Random, hook
	})
	w.must(w.proposeRecovery("admin", "tc-osl"))
	code, err := w.approveRecovery("cus", "tc-osl")
	w.must(err)
	thief, _, err := w.login("tc-osl", "")
	w.must(err)
	replaced := errors.New("no password was hashed")
	hook.set(func() { replaced = w.recover("tc-osl", code, another) }) // when the thief's new one is hashed
	_, err = w.session().ChangePassword(thief, &loddv1.ChangePasswordRequest{OldPassword: password, NewPassword: "the thief's own long text"})
	w.must(replaced)
	refused(t, err, codes.Unauthenticated, "SIGN_IN")
	_, err = w.session().Login(t.Context(), &loddv1.LoginRequest{User: "tc-osl", Password: another})
	w.must(err)
}
