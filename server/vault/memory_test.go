package vault_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/lodd-rct/lodd/server/vault"
)

var errNotFound = errors.New("memory: no value")

// memory is a store; mu guards values and gets. If set, fail is returned by a Put
// that did its work, and read is called by a Get that has its value.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	gets   int
	fail   error
	read   func()
}

func newMemory() *memory { return &memory{values: map[string][]byte{}} }

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	m.gets++
	v, ok := m.values[key]
	m.mu.Unlock()
	if m.read != nil {
		m.read()
	}
	if !ok {
		return nil, fmt.Errorf("get %q: %w", key, errNotFound)
	}
	return bytes.Clone(v), nil
}

func (m *memory) Put(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[key] = bytes.Clone(value)
	return m.fail
}

var master = sha256.Sum256([]byte("master key of the tests"))

// entropy is a repeatable stream of bytes.
func entropy() io.Reader {
	i := 0
	return readerFunc(func(p []byte) (int, error) {
		for j := range p {
			sum := sha256.Sum256(fmt.Append(nil, "entropy", i/32))
			p[j] = sum[i%32]
			i++
		}
		return len(p), nil
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func open(t testing.TB, s vault.Store, random io.Reader) *vault.Vault {
	t.Helper()
	v, err := vault.New(vault.Config{Master: master, Store: s, NotFound: errNotFound, Random: random})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func create(t testing.TB, v *vault.Vault, ids ...vault.KeyID) {
	t.Helper()
	for _, id := range ids {
		if err := v.Create(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

func seal(t testing.TB, v *vault.Vault, id vault.KeyID, plain, ad string) []byte {
	t.Helper()
	sealed, err := v.Seal(t.Context(), id, []byte(plain), []byte(ad))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}
