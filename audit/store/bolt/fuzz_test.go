package bolt

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/bbolt"
)

// pageOf returns a page that bbolt wrote, of a kind.
func pageOf(t testing.TB, flag uint16) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(listBucket("a"))
		for i := int64(0); i < 400 && err == nil; i++ {
			k := indexKey(i)
			err = b.Put(k, sealed(listBucket("a"), k, make([]byte, 30)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for page := range slices.Chunk(content, os.Getpagesize()) {
		if native.Uint16(page[8:]) == flag && native.Uint16(page[10:]) > 0 {
			return page
		}
	}
	t.Fatalf("bbolt wrote no page of kind %#x", flag)
	return nil
}

// Whatever a page holds, its elements lie within it, in the order of their
// keys.
func FuzzPage(f *testing.F) {
	f.Add(pageOf(f, leafFlag))
	f.Add(pageOf(f, branchFlag))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < pageHeader {
			return // a page that is read has all of its header
		}
		var last []byte
		within := func(e element) error {
			if last != nil && bytes.Compare(e.key, last) <= 0 {
				t.Fatalf("key %x after %x", e.key, last)
			}
			if len(e.key)+len(e.value) > len(b) {
				t.Fatalf("%d bytes out of a page of %d", len(e.key)+len(e.value), len(b))
			}
			last = append([]byte{}, e.key...)
			return nil
		}
		_ = leaf(b, span{}, within) // an error is right for most
		last = nil
		children, err := branch(b, span{})
		if err == nil && len(children) == 0 {
			t.Fatal("a branch without children")
		}
		for _, c := range children {
			_ = within(c)
		}
	})
}

// A record is accepted only at the place for which it was sealed.
func FuzzUnsealed(f *testing.F) {
	f.Add([]byte("list:a"), indexKey(1), []byte("record"), uint64(2))
	f.Add([]byte("keys"), []byte("k"), []byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, bucket, key, data []byte, other uint64) {
		s := sealed(bucket, key, data)
		got, ok := unsealed(bucket, key, s)
		if !ok || !bytes.Equal(got, data) {
			t.Fatalf("unsealed(sealed(%x)) = %x, %t", data, got, ok)
		}
		s[other%uint64(len(s))] ^= 1 << (other % 8)
		if _, ok := unsealed(bucket, key, s); ok {
			t.Fatal("a changed bit was accepted")
		}
		_, _ = unsealed(bucket, binary.BigEndian.AppendUint64(nil, other), data) // must not panic
	})
}
