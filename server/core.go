package server

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lodd-rct/lodd/proto/invite"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/authn/openid"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// A core is what the services share. It may be used concurrently.
type core struct {
	config    Config
	ledger    *ledger.Ledger
	people    *ledger.People
	sessions  *authn.Sessions
	passwords *authn.Passwords
	limiter   *authn.Limiter
	codes     *authn.Codes
	devices   *authn.Devices
	stepUps   *authn.StepUps
	provider  *openid.Verifier // the identity provider; nil if there is none
	guard     *authz.Guard
	fence     *fence

	// proving is held while a second factor is used or replaced, so that no code
	// of it works twice.
	proving    sync.Mutex
	enrolments *enrolments

	// replacing is held while the hash of a password is replaced together with the
	// entry that says so, and for reading while one is read: whoever has read the
	// old hash knows the old epoch of the account.
	replacing sync.RWMutex

	// joining is held while an account is made, so that the password that is
	// kept is that of the person who got the name. It guards bootstrap.
	joining   sync.Mutex
	bootstrap bootstrap

	past sync.Map // what unsealedBefore remembers: a bool for each trial.ID

	stopping <-chan struct{} // closed when the server stops
	stop     func()
}

func newCore(c Config) (*core, error) {
	if c.Passwords.Random == nil {
		c.Passwords.Random = c.Random
	}
	if c.Sessions.Random == nil {
		c.Sessions.Random = c.Random
	}
	if c.Sessions.Idle == 0 { // clients are told, so the defaults must be known here
		c.Sessions.Idle = 30 * time.Minute
	}
	if c.Sessions.Absolute == 0 {
		c.Sessions.Absolute = 12 * time.Hour
	}
	passwords, err := authn.NewPasswords(c.Passwords)
	if err != nil {
		return nil, err
	}
	sessions, err := authn.NewSessions(c.Sessions)
	if err != nil {
		return nil, err
	}
	fence, err := newFence(c)
	if err != nil {
		return nil, err
	}
	provider, err := c.verifier()
	if err != nil {
		return nil, err
	}
	stopping := make(chan struct{})
	return &core{
		fence:    fence,
		stopping: stopping, stop: sync.OnceFunc(func() { close(stopping) }),
		config: c, ledger: c.Ledger, people: c.Ledger.People(),
		sessions: sessions, passwords: passwords, limiter: authn.NewLimiter(),
		codes:   authn.NewCodes(c.Vault.Subkey("one-time codes"), c.Random),
		devices: authn.NewDevices(c.Vault.Subkey("devices"), c.Random),
		stepUps: authn.NewStepUps(c.Random), provider: provider, enrolments: &enrolments{waiting: map[string]*enrolment{}},
	}, nil
}

// now returns the present instant as entries carry it.
func (k *core) now() time.Time { return k.config.Now().UTC().Truncate(time.Millisecond) }

// enter returns the trial that a request names and what the caller may do
// there. The guard has let the caller in.
func (k *core) enter(ctx context.Context, req interface{ GetTrialId() string }) (*ledger.Trial, authz.Access, error) {
	t, err := k.ledger.Trial(trial.ID(req.GetTrialId()))
	return t, authz.FromContext(ctx), err
}

// A bootstrap is the way to the first account. It is closed, the zero
// bootstrap, as soon as there is one.
type bootstrap struct {
	invite string
	digest [32]byte // of the code in it
}

func (b bootstrap) open() bool { return b.invite != "" }

// newBootstrap returns the way to the first account, if there is none.
func (k *core) newBootstrap() (b bootstrap, err error) {
	none := false
	k.people.View(func(s *people.State) { none = len(s.Accounts()) == 0 })
	if !none {
		return bootstrap{}, nil
	}
	code, digest, err := k.codes.New()
	if err != nil {
		return bootstrap{}, err
	}
	copy(b.digest[:], digest)
	b.invite, err = k.invite(code)
	return b, err
}

// invite returns the string that a person pastes to join.
func (k *core) invite(code string) (string, error) {
	text, err := invite.Encode(invite.Invite{
		Server: k.config.Name, Addresses: k.config.Addresses, Pin: k.config.Keys.Pin(), Code: code,
	})
	if err != nil {
		return "", fmt.Errorf("server: %w", err)
	}
	return text, nil
}

// newInvite returns an invitation and its event.
func (k *core) newInvite(administrator bool, expires time.Time) (string, people.Invited, error) {
	code, digest, err := k.codes.New()
	if err != nil {
		return "", people.Invited{}, err
	}
	text, err := k.invite(code)
	// The public name is a part of the digest, which is keyed and tells nothing.
	e := people.Invited{Invite: hex.EncodeToString(digest[:8]), Administrator: administrator, Expires: expires}
	copy(e.CodeHash[:], digest)
	return text, e, err
}

// hashKey is the key that password hashes and second factors are sealed with.
// No trial's name has small letters, so it is nobody else's.
const hashKey vault.KeyID = "server/credentials"

// credential returns what is kept sealed under a name, or nil if there is
// nothing.
func (k *core) credential(ctx context.Context, name string) ([]byte, error) {
	sealed, err := k.config.Credentials.Get(ctx, name)
	if errors.Is(err, k.config.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("server: read credentials: %w", err)
	}
	b, err := k.config.Vault.Open(ctx, hashKey, sealed, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("server: open credentials: %w", err)
	}
	return b, nil
}

// keepCredential seals something and keeps it under a name.
func (k *core) keepCredential(ctx context.Context, name string, b []byte) error {
	if err := k.config.Vault.Create(ctx, hashKey); err != nil {
		return fmt.Errorf("server: seal credentials: %w", err)
	}
	sealed, err := k.config.Vault.Seal(ctx, hashKey, b, []byte(name))
	if err != nil {
		return fmt.Errorf("server: seal credentials: %w", err)
	}
	if err := k.config.Credentials.Put(ctx, name, sealed); err != nil {
		return fmt.Errorf("server: keep credentials: %w", err)
	}
	return nil
}

// password returns the hash of a user's password, or nothing if there is none.
func (k *core) password(ctx context.Context, user string) (string, error) {
	k.replacing.RLock()
	defer k.replacing.RUnlock()
	hash, err := k.credential(ctx, "cred/"+user)
	return string(hash), err
}

// keepPassword hashes a password and keeps the hash.
func (k *core) keepPassword(ctx context.Context, user, password string) error {
	hash, err := k.passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	k.replacing.Lock()
	defer k.replacing.Unlock()
	return k.keepHash(ctx, user, hash)
}

// keepHash keeps the hash of a password. The caller holds replacing.
func (k *core) keepHash(ctx context.Context, user, hash string) error {
	return k.keepCredential(ctx, "cred/"+user, []byte(hash))
}

// rehash keeps a new hash of a password that was just verified against kept,
// unless another password was kept meanwhile.
func (k *core) rehash(ctx context.Context, user, kept, password string) error {
	hash, err := k.passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	k.replacing.Lock()
	defer k.replacing.Unlock()
	now, err := k.credential(ctx, "cred/"+user)
	if err != nil || string(now) != kept {
		return err
	}
	return k.keepHash(ctx, user, hash)
}
