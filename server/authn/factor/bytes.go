package factor

import "encoding/binary"

// version begins the bytes of a factor.
const version = 1

// head is how many bytes come before the recovery codes: the version, the
// secret, the step used last, and the number of codes.
const head = 1 + secretSize + 8 + 1

// MarshalBinary implements [encoding.BinaryMarshaler]. The bytes hold the
// secret: seal them. Their length tells how many recovery codes are left.
func (f Factor) MarshalBinary() ([]byte, error) {
	if f.used < 0 || len(f.recovery) > Recoveries {
		return nil, errBytes
	}
	b := append(make([]byte, 0, head+32*len(f.recovery)), version)
	b = append(b, f.secret[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(f.used))
	b = append(b, byte(len(f.recovery)))
	for _, digest := range f.recovery {
		b = append(b, digest[:]...)
	}
	return b, nil
}

// UnmarshalBinary implements [encoding.BinaryUnmarshaler]. The factor doesn't
// change if there is an error, and keeps no part of b.
func (f *Factor) UnmarshalBinary(b []byte) error {
	if len(b) < head || b[0] != version {
		return errBytes
	}
	var g Factor
	copy(g.secret[:], b[1:])
	g.used = int64(binary.BigEndian.Uint64(b[1+secretSize:]))
	n, rest := int(b[head-1]), b[head:]
	if g.used < 0 || n > Recoveries || len(rest) != 32*n {
		return errBytes
	}
	for i := range n {
		g.recovery = append(g.recovery, [32]byte(rest[32*i:]))
	}
	*f = g
	return nil
}
