package authn

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// ErrNoSession is returned for a token that belongs to no session: never given
// out, ended, or from before the last restart.
var ErrNoSession = errors.New("authn: not logged in: log in first")

// ErrExpired is returned once for a session that has outlived a limit; after
// that there is no such session.
var ErrExpired = errors.New("authn: the session has expired: log in again")

// live is a session and what hangs on it. The context is a field because the
// streams of the session end with it.
type live struct {
	Session
	life    context.Context
	endLife context.CancelFunc
}

// SessionConfig says how long sessions live. Random is needed.
type SessionConfig struct {
	Idle     time.Duration // the longest time between two calls; default 30 minutes
	Absolute time.Duration // the longest life; default 12 hours
	PerUser  int           // sessions a user may have at once, default 10: the one unused longest makes room
	Random   io.Reader     // the source of tokens
}

// A Session is a time in which a user is logged in.
type Session struct {
	ID           string    // short and public, for logs and lists
	User         string    // who logged in
	CreatedAt    time.Time // when
	LastUsed     time.Time // the last call
	ExpiresAt    time.Time // when it ends if there is no further call
	SecondFactor bool      // one was given, see [Sessions.Strengthen]
}

// Sessions are the sessions of one server, soft by design: they don't survive a
// restart, after which everyone logs in again. Only digests of tokens are kept.
// All methods may be called concurrently.
//
// Source: NIST SP 800-63B-4 (2025), section 2.2.3, and OWASP ASVS 5.0 (2025),
// V7, for the two limits.
type Sessions struct {
	config SessionConfig

	mu     sync.Mutex // guards the maps and the sessions in them
	tokens map[digest]*live
	users  map[string][]digest // the sessions of a user
}

type digest = [sha256.Size]byte

// NewSessions returns an empty set of sessions.
func NewSessions(c SessionConfig) (*Sessions, error) {
	if c.Random == nil || c.Idle < 0 || c.Absolute < 0 || c.PerUser < 0 {
		return nil, errors.New("authn: sessions: Random is needed, and no limit may be negative")
	}
	if c.Idle == 0 {
		c.Idle = 30 * time.Minute
	}
	if c.Absolute == 0 {
		c.Absolute = 12 * time.Hour
	}
	if c.PerUser == 0 {
		c.PerUser = 10
	}
	return &Sessions{config: c, tokens: map[digest]*live{}, users: map[string][]digest{}}, nil
}

// New begins a session and returns its token, 256 random bits in base64url,
// which nobody can be told again.
func (s *Sessions) New(user string, at time.Time) (token string, _ Session, err error) {
	var secret [32]byte
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.ReadFull(s.config.Random, secret[:]); err != nil {
		return "", Session{}, fmt.Errorf("authn: read session token: %w", err)
	}
	token = base64.RawURLEncoding.EncodeToString(secret[:])
	d := sha256.Sum256([]byte(token))
	session := &live{Session: Session{ID: hex.EncodeToString(d[:6]), User: user, CreatedAt: at, LastUsed: at}}
	session.life, session.endLife = context.WithCancel(context.Background())
	session.ExpiresAt = s.expiry(session.Session)
	s.makeRoom(user, at)
	s.tokens[d] = session
	s.users[user] = append(s.users[user], d)
	return token, session.Session, nil
}

// makeRoom ends the user's expired sessions, and the one unused longest if
// there are still as many as there may be.
func (s *Sessions) makeRoom(user string, at time.Time) {
	for _, d := range slices.Clone(s.users[user]) {
		if !at.Before(s.tokens[d].ExpiresAt) {
			s.end(d)
		}
	}
	if len(s.users[user]) < s.config.PerUser {
		return
	}
	s.end(slices.MinFunc(s.users[user], func(a, b digest) int {
		return s.tokens[a].LastUsed.Compare(s.tokens[b].LastUsed)
	}))
}

// Resolve returns the session of a token that a call at the time at brings, and
// counts the call as use. It returns [ErrNoSession] or [ErrExpired].
func (s *Sessions) Resolve(token string, at time.Time) (Session, error) {
	return s.find(token, at, func(session *Session) {
		if at.After(session.LastUsed) { // a clock that steps back shortens nothing
			session.LastUsed = at
			session.ExpiresAt = s.expiry(*session)
		}
	})
}

// Strengthen notes that the person behind the session with this id has given a
// second factor. There need not be such a session.
func (s *Sessions) Strengthen(user, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.users[user] {
		if s.tokens[d].ID == id {
			s.tokens[d].SecondFactor = true
		}
	}
}

// Peek is Resolve, but doesn't count as use: what a server sends by itself must
// not keep a session alive.
func (s *Sessions) Peek(token string, at time.Time) (Session, error) {
	return s.find(token, at, func(*Session) {})
}

func (s *Sessions) find(token string, at time.Time, use func(*Session)) (Session, error) {
	d := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	session, ok := s.tokens[d]
	switch {
	case !ok:
		return Session{}, ErrNoSession
	case !at.Before(session.ExpiresAt):
		s.end(d)
		return Session{}, ErrExpired
	}
	use(&session.Session)
	return session.Session, nil
}

func (s *Sessions) expiry(session Session) time.Time {
	idle, absolute := session.LastUsed.Add(s.config.Idle), session.CreatedAt.Add(s.config.Absolute)
	if absolute.Before(idle) {
		return absolute
	}
	return idle
}

// bind returns a context that ends with ctx and with the session of token, and
// what frees it. The context has ended if there is no such session.
func (s *Sessions) bind(ctx context.Context, token string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.mu.Lock()
	session, ok := s.tokens[sha256.Sum256([]byte(token))]
	s.mu.Unlock()
	if !ok {
		cancel(ErrNoSession)
		return ctx, func() {}
	}
	stop := context.AfterFunc(session.life, func() { cancel(ErrNoSession) })
	return ctx, func() { stop(); cancel(nil) }
}

// End ends the session of token, if there is one.
func (s *Sessions) End(token string) {
	d := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(d)
}

// EndAll ends every session of user.
func (s *Sessions) EndAll(user string) { s.EndOthers(user, "") }

// EndOthers ends every session of user but the one with this id.
func (s *Sessions) EndOthers(user, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range slices.Clone(s.users[user]) {
		if s.tokens[d].ID != id {
			s.end(d)
		}
	}
}

// List returns the user's sessions at the time at, oldest first.
func (s *Sessions) List(user string, at time.Time) []Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Session
	for _, d := range s.users[user] {
		if session := s.tokens[d]; at.Before(session.ExpiresAt) {
			list = append(list, session.Session)
		}
	}
	return list
}

// end removes a session. The caller holds s.mu.
func (s *Sessions) end(d digest) {
	session, ok := s.tokens[d]
	if !ok {
		return
	}
	delete(s.tokens, d)
	session.endLife()
	rest := slices.DeleteFunc(s.users[session.User], func(other digest) bool { return other == d })
	if len(rest) == 0 {
		delete(s.users, session.User)
		return
	}
	s.users[session.User] = rest
}
