package randomization

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/big"
)

// A stream is the endless run of random words of one trial, stratum and
// purpose: HMAC-SHA-256 in counter mode. The same key always gives the same
// words. It is not for concurrent use.
type stream struct {
	mac     hash.Hash
	counter uint64 // of the next output of mac
	stride  uint64 // from one output to the next
	out     [sha256.Size]byte
	unread  []byte // tail of out
}

// newStream returns the stream that seed, which isn't zero, keeps for one
// purpose in one stratum of one trial.
func newStream(seed Seed, trial, stratum, purpose string) *stream {
	return &stream{mac: hmac.New(sha256.New, seed.derive(streamInfo(trial, stratum, purpose))), stride: 1}
}

// streamInfo names a stream for [Seed.derive].
func streamInfo(trial, stratum, purpose string) []byte {
	return pack([]byte(tagStream), []byte(trial), []byte(stratum), []byte(purpose))
}

// word returns the next 64 bits.
func (s *stream) word() uint64 {
	if len(s.unread) == 0 {
		binary.BigEndian.PutUint64(s.out[:8], s.counter)
		s.counter += s.stride
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

// belowBig returns a uniform number in [0, n), n at least 1, of any size. It
// takes as many words as n has bits for, leaves n's number of lowest bits of
// them, and takes as many again while that is n or more.
func (s *stream) belowBig(n *big.Int) *big.Int {
	bits := n.BitLen()
	b := make([]byte, (bits+63)/64*8)
	for {
		for i := 0; i < len(b); i += 8 {
			binary.BigEndian.PutUint64(b[i:], s.word())
		}
		extra := 8*len(b) - bits
		clear(b[:extra/8])
		b[extra/8] &= 0xff >> (extra % 8)
		if x := new(big.Int).SetBytes(b); x.Cmp(n) < 0 {
			return x
		}
	}
}
