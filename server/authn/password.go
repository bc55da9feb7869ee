package authn

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// PasswordConfig says how passwords are hashed. Random is needed; the defaults
// of the rest take about 0.2 s and 64 MiB a hash.
//
// Source: RFC 9106 (2021), section 4, the second recommended option with one
// lane for its four.
type PasswordConfig struct {
	MemoryKiB  uint32    // memory of one hash, default 65,536, at most 1,048,576
	Passes     uint32    // passes over it, default 3, at most 64
	Concurrent int       // hashes at once, which bounds memory; default 4
	Random     io.Reader // the source of salts, 16 bytes each
}

const (
	saltSize = 16 // bytes
	hashSize = 32 // bytes
)

// maxWaiting is how many hashes may wait for their turn: with the defaults
// about two seconds of work. Whoever comes then would wait in vain.
const maxWaiting = 32

// A queue is of those whose hashes wait for their turn, or have it.
type queue chan struct{}

// ErrBusy is returned when too many passwords wait to be hashed.
var ErrBusy = errors.New("authn: too many people sign in at this moment; nothing was done, try again")

// Passwords hashes and checks passwords by Argon2id. All methods may be called
// concurrently; beyond the configured number they wait their turn, and beyond
// 32 that wait they fail with [ErrBusy]. Whoever is signed in, so that the context
// has a [Principal], waits among those alone, whose number strangers can't raise;
// turns are taken by both as they come.
type Passwords struct {
	params            params
	random            io.Reader
	strangers, inside queue
	turns             chan struct{}
}

// params are the costs of a hash.
type params struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
}

// ok bounds what a stored hash may cost, so that a damaged one can't exhaust
// the server.
func (p params) ok() bool {
	return p.lanes >= 1 && p.memory >= 8*uint32(p.lanes) && p.memory <= 1<<20 && p.passes >= 1 && p.passes <= 64
}

// without returns the parameters of a hash that costs what is left of p after
// one of other: the time is that of all passes over the memory. It returns none if
// nothing worth a hash is left.
func (p params) without(other params) (rest params, some bool) {
	left := int64(p.memory)*int64(p.passes) - int64(other.memory)*int64(other.passes)
	rest = params{memory: uint32(max(0, left/int64(p.passes))), passes: p.passes, lanes: p.lanes}
	return rest, rest.ok()
}

// NewPasswords returns a hasher. It draws no randomness yet.
func NewPasswords(c PasswordConfig) (*Passwords, error) {
	if c.MemoryKiB == 0 {
		c.MemoryKiB = 64 << 10
	}
	if c.Passes == 0 {
		c.Passes = 3
	}
	if c.Concurrent == 0 {
		c.Concurrent = 4
	}
	p := params{c.MemoryKiB, c.Passes, 1}
	if c.Random == nil || c.Concurrent < 0 || !p.ok() {
		return nil, errors.New("authn: passwords: Random is needed, MemoryKiB must be within 8 and 1048576, Passes within 1 and 64, Concurrent positive")
	}
	return &Passwords{
		params: p, random: c.Random,
		strangers: make(queue, c.Concurrent+maxWaiting), inside: make(queue, c.Concurrent+maxWaiting),
		turns: make(chan struct{}, c.Concurrent),
	}, nil
}

// Hash returns what to keep of a password: a PHC string with the parameters,
// the salt and the hash. It doesn't apply the rules of [CheckPassword]. The
// error is [ErrBusy], or that of ctx or of the source of salts.
//
// Source: the PHC string format of the Password Hashing Competition.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(p.random, salt); err != nil {
		return "", fmt.Errorf("authn: read salt: %w", err)
	}
	h := stored{p.params, salt, nil}
	if err := p.inTurn(ctx, func() { h.hash = h.of(password) }); err != nil {
		return "", err
	}
	return h.String(), nil
}

// Verify reports whether password is the one that was hashed as kept, and if
// so, whether kept should be replaced by a new Hash because the parameters have
// changed since.
//
// An empty kept stands for an account that doesn't exist: it costs as much as
// one that does, and never matches. A wrong password for a hash that was cheaper
// than today's costs what is missing, too, or the time would tell who has such a
// hash, and so an account. The error is [ErrBusy] or that of ctx, or
// says that kept isn't a hash.
func (p *Passwords) Verify(ctx context.Context, kept, password string) (ok, rehash bool, err error) {
	h := stored{p.params, make([]byte, saltSize), make([]byte, hashSize)}
	if kept != "" {
		if h, err = parseStored(kept); err != nil {
			return false, false, err
		}
	}
	if len(password) > maxBytes {
		return false, false, nil // no account has such a password
	}
	same := false
	err = p.inTurn(ctx, func() {
		same = subtle.ConstantTimeCompare(h.of(password), h.hash) == 1 && kept != ""
		if rest, some := p.params.without(h.params); !same && some {
			stored{rest, h.salt, nil}.of(password)
		}
	})
	if err != nil {
		return false, false, err
	}
	return same, same && h.params != p.params, nil
}

// inTurn waits its turn and does what costs so much.
func (p *Passwords) inTurn(ctx context.Context, work func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	places := p.strangers
	if _, ok := FromContext(ctx); ok {
		places = p.inside
	}
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
	default:
		return ErrBusy
	}
	select {
	case p.turns <- struct{}{}:
		defer func() { <-p.turns }()
	case <-ctx.Done():
		return ctx.Err()
	}
	work()
	return nil
}

// of returns the hash of the normalized password with the parameters and the salt
// of s.
func (s stored) of(password string) []byte {
	return argon2.IDKey([]byte(normalize(password)), s.salt, s.passes, s.memory, s.lanes, hashSize)
}

// normalize makes passwords equal that look equal but were typed on different
// keyboards.
//
// Source: NIST SP 800-63B-4 (2025), section 3.1.1.2.
func normalize(password string) string { return norm.NFKC.String(password) }

// stored is what is kept of a password.
type stored struct {
	params
	salt, hash []byte
}

func (s stored) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, s.memory, s.passes, s.lanes,
		base64.RawStdEncoding.EncodeToString(s.salt), base64.RawStdEncoding.EncodeToString(s.hash))
}

var errStored = errors.New("authn: a stored password hash is damaged")

func parseStored(text string) (stored, error) {
	fields := strings.Split(text, "$")
	if len(fields) != 6 {
		return stored{}, errStored
	}
	var s stored
	var version int
	_, err1 := fmt.Sscanf(strings.Join(fields[:4], "$"), "$argon2id$v=%d$m=%d,t=%d,p=%d", &version, &s.memory, &s.passes, &s.lanes)
	salt, err2 := base64.RawStdEncoding.Strict().DecodeString(fields[4])
	hash, err3 := base64.RawStdEncoding.Strict().DecodeString(fields[5])
	s.salt, s.hash = salt, hash
	bad := errors.Join(err1, err2, err3) != nil || version != argon2.Version || !s.ok()
	if bad || len(salt) < 8 || len(hash) != hashSize || s.String() != text {
		return stored{}, errStored
	}
	return s, nil
}
