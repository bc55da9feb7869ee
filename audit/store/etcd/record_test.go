package etcd

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lodd-rct/lodd/audit/store"
)

var update = flag.Bool("update", false, "write the golden files")

func sample() *batch {
	return &batch{number: 258, prev: hash{1, 2, 3}, parts: []store.Part{
		{List: "IPS/conduct", At: 300, Records: [][]byte{[]byte("entry"), {}}},
		{List: "#origin", Records: [][]byte{[]byte("x")}},
	}}
}

// A batch and a head are read by every later version.
func TestFormatStays(t *testing.T) {
	const golden = "testdata/format.golden"
	h := head{epoch: 7, batches: 259, values: 4, chain: hash{4, 5}, prev: hash{6}, nonce: [nonceSize]byte{8}}
	var text strings.Builder
	for _, line := range []struct {
		what  string
		bytes []byte
	}{{"batch", sample().encode()}, {"head", h.encode()}, {"value", sealed("k/1", []byte("v"))}} {
		text.WriteString(line.what + " " + hex.EncodeToString(line.bytes) + "\n")
	}
	if *update {
		if err := os.WriteFile(golden, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("format (-golden +now):\n%s", diff)
	}
	if got, err := decodeHead(h.encode()); err != nil || got != h {
		t.Errorf("decodeHead = %+v, %v; want %+v", got, err, h)
	}
}

func TestBatchReadsBack(t *testing.T) {
	want := sample()
	got, err := decodeBatch(want.encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(batch{})); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
}

// Every flipped bit of a batch is found.
func TestFlippedBitOfABatchIsFound(t *testing.T) {
	b := sample().encode()
	for i := range len(b) * 8 {
		b[i/8] ^= 1 << (i % 8)
		if _, err := decodeBatch(b); err == nil {
			t.Errorf("bit %d can be flipped", i)
		}
		b[i/8] ^= 1 << (i % 8)
	}
}

// What decodes is valid and encodes to what decodes to the same.
func FuzzBatch(f *testing.F) {
	good := sample().encode()
	f.Add(good[len(batchMark) : len(good)-32])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		// The hash is right, or nothing behind it would ever be tried.
		b, err := decodeBatch(withHash(append([]byte(batchMark), body...)))
		if err != nil {
			return
		}
		if err := store.Check(b.parts...); err != nil {
			t.Fatal(err)
		}
		b.parts = owned(b.parts)
		again, err := decodeBatch(b.encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, again, cmp.AllowUnexported(batch{})); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzHead(f *testing.F) {
	f.Add(head{batches: 3}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeHead(b); err == nil && string(h.encode()) != string(b) {
			t.Errorf("%x encodes to %x", b, h.encode())
		}
	})
}

func withHash(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append(body, sum[:]...)
}
