package etcd

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lodd-rct/lodd/audit/store"
)

// maxBatch is the most bytes of one batch. With it a transaction stays below
// etcd's default of --max-request-bytes, 1.5 MiB.
const maxBatch = 1400 << 10

const (
	headMark  = "lodd head 1\n"
	batchMark = "lodd batch 1\n"

	nonceSize = 16
	sealSize  = 8
)

type hash = [sha256.Size]byte

// A head says what a group holds. It is written with every change.
type head struct {
	epoch   uint64          // creation revision of the leader's key
	batches int64           // how many there are
	values  int64           // how many keys the map has
	chain   hash            // of the last batch
	prev    hash            // of the head before
	nonce   [nonceSize]byte // of the write
}

const headSize = len(headMark) + 3*8 + 2*sha256.Size + nonceSize

func (h head) encode() []byte {
	b := make([]byte, 0, headSize)
	b = append(b, headMark...)
	b = binary.BigEndian.AppendUint64(b, h.epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(h.batches))
	b = binary.BigEndian.AppendUint64(b, uint64(h.values))
	b = append(b, h.chain[:]...)
	b = append(b, h.prev[:]...)
	return append(b, h.nonce[:]...)
}

func decodeHead(b []byte) (head, error) {
	rest, ok := bytes.CutPrefix(b, []byte(headMark))
	if !ok || len(b) != headSize {
		return head{}, errors.New("the head isn't one of this version")
	}
	h := head{
		epoch:   binary.BigEndian.Uint64(rest),
		batches: int64(binary.BigEndian.Uint64(rest[8:])),
		values:  int64(binary.BigEndian.Uint64(rest[16:])),
	}
	rest = rest[24:]
	copy(h.chain[:], rest)
	copy(h.prev[:], rest[sha256.Size:])
	copy(h.nonce[:], rest[2*sha256.Size:])
	if h.batches < 0 || h.values < 0 {
		return head{}, errors.New("the head counts below zero")
	}
	return h, nil
}

// hash is what the next head calls prev.
func (h head) hash() hash { return sha256.Sum256(h.encode()) }

// A batch is what one append added.
type batch struct {
	number int64
	prev   hash // of the batch before; zeros for the first
	parts  []store.Part
	hash   hash // of its encoding; decodeBatch and encode set it
}

// encode returns the batch with its hash at the end. Parts without records
// are left out: they only demand a length, and the writer has looked.
func (b *batch) encode() []byte {
	out := []byte(batchMark)
	out = binary.BigEndian.AppendUint64(out, uint64(b.number))
	out = append(out, b.prev[:]...)
	for _, p := range b.parts {
		if len(p.Records) == 0 {
			continue
		}
		out = appendBytes(out, []byte(p.List))
		out = binary.AppendUvarint(out, uint64(p.At))
		out = binary.AppendUvarint(out, uint64(len(p.Records)))
		for _, r := range p.Records {
			out = appendBytes(out, r)
		}
	}
	b.hash = sha256.Sum256(out)
	return append(out, b.hash[:]...)
}

func appendBytes(to, b []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(b))), b...)
}

// decodeBatch returns the batch that encode wrote. Its records are part of b.
func decodeBatch(b []byte) (*batch, error) {
	if len(b) < len(batchMark)+8+2*sha256.Size || !bytes.HasPrefix(b, []byte(batchMark)) {
		return nil, errors.New("it isn't one of this version")
	}
	body, tail := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	x := &batch{hash: sha256.Sum256(body)}
	if !bytes.Equal(x.hash[:], tail) {
		return nil, errors.New("its content has another hash")
	}
	body = body[len(batchMark):]
	x.number = int64(binary.BigEndian.Uint64(body))
	copy(x.prev[:], body[8:])
	d := decoder{rest: body[8+sha256.Size:]}
	for len(d.rest) > 0 && !d.bad {
		x.parts = append(x.parts, d.part())
	}
	if d.bad {
		return nil, errors.New("a part of it is cut off")
	}
	if err := store.Check(x.parts...); err != nil {
		return nil, err
	}
	return x, nil
}

// A decoder reads what is left of a batch; bad is set when it ends early.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) part() store.Part {
	p := store.Part{List: string(d.bytes()), At: int64(d.number())}
	for n := d.number(); n > 0 && !d.bad; n-- {
		p.Records = append(p.Records, d.bytes())
	}
	return p
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) bytes() []byte {
	n := d.number()
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// sealed returns a value with a hash that depends on the key as well, so that
// it can't be taken for that of another one.
func sealed(key string, value []byte) []byte {
	sum := valueHash(key, value)
	return append(value[:len(value):len(value)], sum[:sealSize]...)
}

// unsealed returns the value, which is part of b.
func unsealed(key string, b []byte) ([]byte, error) {
	if len(b) < sealSize {
		return nil, fmt.Errorf("value of key %s is cut off", key)
	}
	value, tail := b[:len(b)-sealSize], b[len(b)-sealSize:]
	sum := valueHash(key, value)
	if !bytes.Equal(tail, sum[:sealSize]) {
		return nil, fmt.Errorf("value of key %s isn't what was written", key)
	}
	return value, nil
}

func valueHash(key string, value []byte) hash {
	return sha256.Sum256(append(appendBytes([]byte("lodd value 1\n"), []byte(key)), value...))
}
