package bolt

import (
	"encoding/binary"
	"hash/crc32"
)

// sumSize is how many bytes of checksum end every value.
const sumSize = crc32.Size

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// indexKey orders the records by index.
func indexKey(i int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

func listBucket(list string) []byte {
	return append(listPrefix[:len(listPrefix):len(listPrefix)], list...)
}

// sealed returns data with a checksum that also depends on the bucket and the
// key, so that data can't be taken for that of another place.
func sealed(bucket, key, data []byte) []byte {
	out := make([]byte, len(data), len(data)+sumSize)
	copy(out, data)
	return binary.BigEndian.AppendUint32(out, sum(bucket, key, data))
}

// unsealed returns the data, which is part of value, and whether it is what was
// sealed.
func unsealed(bucket, key, value []byte) ([]byte, bool) {
	if len(value) < sumSize {
		return nil, false
	}
	data, tail := value[:len(value)-sumSize], value[len(value)-sumSize:]
	return data, binary.BigEndian.Uint32(tail) == sum(bucket, key, data)
}

func sum(bucket, key, data []byte) uint32 {
	s := crc32.Update(0, castagnoli, bucket)
	s = crc32.Update(s, castagnoli, key)
	return crc32.Update(s, castagnoli, data)
}
