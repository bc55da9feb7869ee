package entry_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	logv1 "github.com/lodd-rct/lodd/proto/lodd/log/v1"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

var macKey = filled(7)

func authenticated(t testing.TB) []byte {
	t.Helper()
	return entry.Authenticate(marshal(t, whole(trial.Died{Participant: "P1", On: date(2026, 11, 22)})), macKey, "IPS/conduct", 258)
}

// An entry is the server's only as a whole, in its place, and under its key.
func TestAuthenticIsWhatWasAuthenticated(t *testing.T) {
	b := authenticated(t)
	body := b[:len(b)-entry.MACOverhead]
	other := macKey
	other[31] ^= 1
	for _, tt := range []struct {
		name  string
		b     []byte
		key   [32]byte
		list  string
		index int64
		want  bool
	}{
		{"as it was written", b, macKey, "IPS/conduct", 258, true},
		{"another key", b, other, "IPS/conduct", 258, false},
		{"another list", b, macKey, "IPS/outcome", 258, false},
		{"another index", b, macKey, "IPS/conduct", 257, false},
		{"the border of list and index moved", b, macKey, "IPS/conduct\x00", 1 << 8, false},
		{"no code", body, macKey, "IPS/conduct", 258, false},
		{"a shorter code", b[:len(b)-1], macKey, "IPS/conduct", 258, false},
		{"a longer one", append(bytes.Clone(b), 0), macKey, "IPS/conduct", 258, false},
		{"nothing", nil, macKey, "IPS/conduct", 258, false},
		{"two codes", entry.Authenticate(b, macKey, "IPS/conduct", 258)[entry.MACOverhead:], macKey, "IPS/conduct", 258, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := entry.Authentic(tt.b, tt.key, tt.list, tt.index); got != tt.want {
				t.Errorf("Authentic = %t", got)
			}
		})
	}
	for i := range b {
		changed := bytes.Clone(b)
		changed[i] ^= 1
		if entry.Authentic(changed, macKey, "IPS/conduct", 258) {
			t.Errorf("byte %d changed: still authentic", i)
		}
	}
}

// The code is what the specification says, written here a second time, and lies
// in the field of the schema.
func TestCodeIsThatOfTheSpecification(t *testing.T) {
	b := authenticated(t)
	pb := &logv1.Entry{}
	if err := proto.Unmarshal(b, pb); err != nil {
		t.Fatal(err)
	}
	code := pb.GetMac()
	pb.Mac = nil
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(pb)
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, macKey[:])
	h.Write([]byte("lodd entry mac v1\n\x00\x0bIPS/conduct\x00\x00\x00\x00\x00\x00\x01\x02"))
	h.Write(body)
	if want := h.Sum(nil)[:16]; !bytes.Equal(code, want) || !bytes.Equal(b, append(append(body, 0xa2, 0x06, 16), want...)) {
		t.Errorf("code %x, want %x", code, want)
	}
}

// What is read of an entry doesn't depend on its code.
func TestCodeChangesNothingThatIsRead(t *testing.T) {
	for _, event := range samples() {
		body := marshal(t, whole(event))
		b := entry.Authenticate(body, macKey, "system", 0)
		kind, detail, err := entry.Describe(body)
		kindMAC, detailMAC, errMAC := entry.Describe(b)
		if kind != kindMAC || detail != detailMAC || err != nil || errMAC != nil {
			t.Errorf("%T: %s %s, %v and %v", event, kindMAC, detailMAC, err, errMAC)
		}
		if got, err := entry.Unmarshal(b); err != nil || !cmp.Equal(got, whole(event)) {
			t.Errorf("%T reads as %+v, %v", event, got, err)
		}
	}
}

// The whole of an entry as it is stored, for other readers of the format.
func TestCodeHasItsBytes(t *testing.T) {
	const name = "testdata/mac.bin"
	b := entry.Authenticate(marshal(t, whole(people.SignedIn{Session: "s1"})), macKey, "system", 1)
	if *update {
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkAuthentic(b *testing.B) {
	e := authenticated(b)
	b.ReportAllocs()
	for b.Loop() {
		if !entry.Authentic(e, macKey, "IPS/conduct", 258) {
			b.Fatal("not authentic")
		}
	}
}
