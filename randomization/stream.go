package randomization

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// purposeBlocks names the stream from which permuted blocks are drawn.
const purposeBlocks = "blocks"

// A stream is the endless run of random words of one trial, stratum and
// purpose: HMAC-SHA-256 in counter mode. The same key always gives the same
// words. It is not for concurrent use.
type stream struct {
	mac     hash.Hash
	counter uint64 // of the next output of mac
	out     [sha256.Size]byte
	unread  []byte // tail of out
}

// newStream returns the stream that seed, which isn't zero, keeps for one
// purpose in one stratum of one trial.
func newStream(seed Seed, trial, stratum, purpose string) *stream {
	return &stream{mac: hmac.New(sha256.New, seed.derive(streamInfo(trial, stratum, purpose)))}
}

// streamInfo names a stream for [Seed.derive].
func streamInfo(trial, stratum, purpose string) []byte {
	return pack([]byte(tagStream), []byte(trial), []byte(stratum), []byte(purpose))
}

// word returns the next 64 bits.
func (s *stream) word() uint64 {
	if len(s.unread) == 0 {
		binary.BigEndian.PutUint64(s.out[:8], s.counter)
		s.counter++
		s.mac.Reset()
		s.mac.Write(s.out[:8])
		s.unread = s.mac.Sum(s.out[:0])
	}
	w := binary.BigEndian.Uint64(s.unread)
	s.unread = s.unread[8:]
	return w
}

// below returns a uniform number in [0, n), n at least 1. It takes one word,
// and another for each that it rejects.
func (s *stream) below(n uint64) uint64 {
	for {
		if x, ok := reduce(s.word(), n); ok {
			return x
		}
	}
}

// reduce returns word mod n. It rejects the first 2^64 mod n words: how many
// are left is a multiple of n, so that no result is likelier than another.
func reduce(word, n uint64) (x uint64, ok bool) {
	return word % n, word >= -n%n
}
