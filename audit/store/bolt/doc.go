// Package bolt keeps a store in one bbolt file.
//
// # The file
//
// A list is a bucket "list:" + name. Keys are indexes, 8 bytes big endian, so
// that records lie in order; a value is the record and a CRC-32C over list,
// index and record. The bucket's sequence number is the length of the list. The
// bucket "keys" is the map, with the same checksum over key and value, and the
// number of keys as its sequence number. The bucket "about" says which format
// this is, and its sequence number is the number of lists. So there is nothing
// that could vanish or move without a trace.
//
// # Damage
//
// bbolt trusts its file: a flipped bit can make it panic, loop, or serve the
// wrong record. So [Open] first reads the whole file itself, with the file
// locked and nothing of bbolt's in use but the lock, and opens it for bbolt only if
// every page is in its place and every record is what was written.
//
// # Unknown outcomes
//
// If a transaction fails or panics, its entries may be on disk all the same. The
// engine then serves nothing more; opening the file again shows what is there.
package bolt
