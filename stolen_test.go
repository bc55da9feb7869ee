package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	bbolt "go.etcd.io/bbolt"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/server/keys"
	"github.com/lodd-rct/lodd/server/trial/entry"
	"github.com/lodd-rct/lodd/server/vault"
)

// A stolen is the data folder of a stopped server in the hands of its owner.
type stolen struct {
	t   *testing.T
	dir string
	key [32]byte // of the codes of entries
}

// stolen returns a copy of the newest folder without the signed heads.
func (a *attacked) stolen(t *testing.T) *stolen {
	t.Helper()
	s := &stolen{t: t, dir: filepath.Join(t.TempDir(), "data")}
	s.copy(a.newest)
	s.must(os.RemoveAll(filepath.Join(s.dir, "checkpoints")))
	k, err := keys.Load(filepath.Join(s.dir, "keys"), keys.Config{Name: "att", Hosts: []string{"127.0.0.1"}, Now: wall(), Random: newEntropy(7, "x")})
	s.must(err)
	v, err := vault.New(vault.Config{Master: k.Master(), Store: &storetest.Memory{}, NotFound: store.ErrNotFound, Random: newEntropy(7, "x")})
	s.must(err)
	s.key = v.Subkey("log entries")
	return s
}

func (s *stolen) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// copy puts another folder in the place of this one.
func (s *stolen) copy(from string) {
	s.t.Helper()
	s.must(os.RemoveAll(s.dir))
	copyDir(s.t, from, s.dir)
}

const conductList, conductTiles = "list:ATT/conduct", "list:ATT/conduct#tile/0"

// conduct changes the entries of conduct in the database.
func (s *stolen) conduct(change func([][]byte) [][]byte) {
	s.t.Helper()
	s.update(func(tx *bbolt.Tx) error { return replace(tx, conductList, change(records(tx, conductList))) })
}

// rehash makes the tiles fit the entries.
func (s *stolen) rehash() {
	s.t.Helper()
	s.update(func(tx *bbolt.Tx) error {
		var tiles [][]byte
		tile := []byte{}
		for _, e := range records(tx, conductList) {
			leaf := audit.Leaf(e)
			if tile = append(tile, leaf[:]...); len(tile) == 256*len(leaf) {
				tiles, tile = append(tiles, tile), nil
			}
		}
		return replace(tx, conductTiles, tiles)
	})
}

func (s *stolen) update(f func(*bbolt.Tx) error) {
	s.t.Helper()
	db, err := bbolt.Open(filepath.Join(s.dir, "lodd.db"), 0o600, nil)
	s.must(err)
	s.must(errors.Join(db.Update(f), db.Close()))
}

// signedBy returns the entries with another one as the actor of entry i.
func (s *stolen) signedBy(actor string, entries [][]byte, i int) [][]byte {
	s.t.Helper()
	e, err := entry.Unmarshal(entries[i])
	s.must(err)
	e.Actor = actor
	entries[i] = s.written(e, i)
	return entries
}

// swapped returns the entries with what happened at two places exchanged; the
// times go on.
func (s *stolen) swapped(entries [][]byte, i, j int) [][]byte {
	s.t.Helper()
	x, err := entry.Unmarshal(entries[i])
	s.must(err)
	y, err := entry.Unmarshal(entries[j])
	s.must(err)
	x.At, y.At = y.At, x.At
	entries[i], entries[j] = s.written(y, i), s.written(x, j)
	return entries
}

// written returns the bytes of entry i of conduct, with its code.
func (s *stolen) written(e entry.Entry, i int) []byte {
	s.t.Helper()
	b, err := entry.Marshal(e)
	s.must(err)
	return entry.Authenticate(b, s.key, "ATT/conduct", int64(i))
}

// records returns the records of a bucket without their checksums, as
// docs/log-format.md says.
func records(tx *bbolt.Tx, bucket string) (out [][]byte) {
	c := tx.Bucket([]byte(bucket)).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		out = append(out, bytes.Clone(v[:len(v)-4]))
	}
	return out
}

// replace replaces all records of a bucket.
func replace(tx *bbolt.Tx, bucket string, records [][]byte) error {
	if err := tx.DeleteBucket([]byte(bucket)); err != nil {
		return err
	}
	b, err := tx.CreateBucket([]byte(bucket))
	if err != nil {
		return err
	}
	for i, r := range records {
		key := binary.BigEndian.AppendUint64(nil, uint64(i))
		sum := crc32.Checksum(bytes.Join([][]byte{[]byte(bucket), key, r}, nil), crc32.MakeTable(crc32.Castagnoli))
		if err := b.Put(key, binary.BigEndian.AppendUint32(bytes.Clone(r), sum)); err != nil {
			return err
		}
	}
	return b.SetSequence(uint64(len(records)))
}

// copyDir copies a folder with its files.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err := filepath.Walk(to, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, info.Mode()&0o700)
	})
	if err != nil {
		t.Fatal(err)
	}
}
