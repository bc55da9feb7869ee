package audit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashVariable); dir != "" {
		panic(growForEver(context.Background(), dir))
	}
	goleak.VerifyTestMain(m)
}

const origin = "lodd.example.org"

// key returns a key pair that is the same in every run.
func key(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	signer, verifier, err := keyPair(name)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

func keyPair(name string) (note.Signer, note.Verifier, error) {
	seed := sha256.Sum256([]byte(name))
	skey, vkey, err := note.GenerateKey(bytes.NewReader(seed[:]), name)
	if err != nil {
		return nil, nil, err
	}
	signer, signerErr := note.NewSigner(skey)
	verifier, verifierErr := note.NewVerifier(vkey)
	return signer, verifier, errors.Join(signerErr, verifierErr)
}

func config(t testing.TB, s store.Store) audit.Config {
	signer, verifier := key(t, origin)
	return audit.Config{Store: s, Origin: origin, Signer: signer, Verifier: verifier}
}

func open(t testing.TB, c audit.Config) *audit.Log {
	t.Helper()
	l, err := audit.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// entries returns n different entries of a list, from index at on.
func entries(list string, at int64, n int) [][]byte {
	var out [][]byte
	for i := range int64(n) {
		out = append(out, fmt.Appendf(nil, "%s %d", list, at+i))
	}
	return out
}

func part(list string, at int64, n int) audit.Part {
	return audit.Part{List: list, At: at, Entries: entries(list, at, n)}
}

// grow appends n entries to a list.
func grow(t testing.TB, l *audit.Log, list string, n int) {
	t.Helper()
	for n > 0 {
		k := min(n, audit.MaxEntries)
		if _, err := l.Append(t.Context(), part(list, l.Len(list), k)); err != nil {
			t.Fatal(err)
		}
		n -= k
	}
}

// filled returns a store that holds lists of these lengths.
func filled(t testing.TB, guard audit.Guard, lengths map[string]int) *storetest.Memory {
	t.Helper()
	m := &storetest.Memory{}
	c := config(t, m)
	c.Guard = guard
	l := open(t, c)
	for list, n := range lengths {
		grow(t, l, list, n)
	}
	if err := l.SaveGuard(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return m
}

// A memoryGuard is a Guard in memory.
type memoryGuard map[string][]byte

func (g memoryGuard) Load() (map[string][]byte, error) { return g, nil }

func (g memoryGuard) Save(list string, checkpoint []byte) error {
	g[list] = slices.Clone(checkpoint)
	return nil
}
