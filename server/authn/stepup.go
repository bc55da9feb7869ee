package authn

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// StepUpLife is how long a step-up is good for.
	StepUpLife = 5 * time.Minute

	maxStepUps = 10 // of one session at a time
)

// ErrStepUp is returned for a token that opens nothing: for another act or
// session, used, too old, or never given out.
var ErrStepUp = errors.New("authn: this has to be confirmed with the password and the second factor: confirm it anew, for exactly this")

// An Act is what somebody proves anew who they are for.
type Act struct {
	User    string
	Session string // the public id of the session
	Action  string // what [Action] returns
}

// Action names one act on one content: the full name of the method, and the
// parts of the request that make it this one and no other.
func Action(method string, parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256(p) // of fixed length, so that the parts can't shift
		h.Write(sum[:])
	}
	return method + " " + hex.EncodeToString(h.Sum(nil))
}

// StepUps are proofs, a few minutes old, that the person behind a session is
// still the one who began it: one token for one act, which works once. They are
// in memory and end with the process. All methods may be called concurrently.
//
// Source: 21 CFR 11.200(a)(1)(i) (1997), for the signing that is executed with
// the components of the signature anew; NIST SP 800-63B-4 (2025), section 2.2.3.
type StepUps struct {
	random io.Reader

	mu     sync.Mutex // guards tokens
	tokens map[digest]stepUp
}

type stepUp struct {
	act     Act
	expires time.Time
}

// NewStepUps returns an empty set, whose tokens are read from random.
func NewStepUps(random io.Reader) *StepUps {
	return &StepUps{random: random, tokens: map[digest]stepUp{}}
}

// New returns a token for an act, 256 random bits in base64url, and when it
// ends. The oldest of a session's tokens makes room for the eleventh.
func (s *StepUps) New(a Act, at time.Time) (token string, expires time.Time, err error) {
	var secret [32]byte
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.ReadFull(s.random, secret[:]); err != nil {
		return "", time.Time{}, fmt.Errorf("authn: read step-up token: %w", err)
	}
	s.makeRoom(a.Session, at)
	token = base64.RawURLEncoding.EncodeToString(secret[:])
	expires = at.Add(StepUpLife)
	s.tokens[sha256.Sum256([]byte(token))] = stepUp{a, expires}
	return token, expires, nil
}

// makeRoom drops what has expired, and the session's oldest token if it has as
// many as it may have. The caller holds s.mu.
func (s *StepUps) makeRoom(session string, at time.Time) {
	var oldest digest
	own := 0
	for d, u := range s.tokens {
		switch {
		case !at.Before(u.expires):
			delete(s.tokens, d)
		case u.act.Session == session:
			if own++; own == 1 || u.expires.Before(s.tokens[oldest].expires) {
				oldest = d
			}
		}
	}
	if own >= maxStepUps {
		delete(s.tokens, oldest)
	}
}

// Use takes a token for an act at the time at. It returns [ErrStepUp] if the
// token isn't good for exactly this act. A token that was tried on another act
// is used up, too: it has fallen into wrong hands, or the program is wrong.
func (s *StepUps) Use(token string, a Act, at time.Time) error {
	d := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.tokens[d]
	delete(s.tokens, d)
	if !ok || u.act != a || !at.Before(u.expires) {
		return ErrStepUp
	}
	return nil
}

// EndAll ends the step-ups of a user.
func (s *StepUps) EndAll(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d, u := range s.tokens {
		if u.act.User == user {
			delete(s.tokens, d)
		}
	}
}
