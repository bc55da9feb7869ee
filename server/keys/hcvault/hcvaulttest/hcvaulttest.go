// Package hcvaulttest plays the transit engine of HashiCorp Vault inside a test,
// as far as it encrypts and decrypts.
package hcvaulttest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
)

// A Transit is a service with one mount, "transit", and one token. It seals with
// AES-256-GCM under keys of its own, in the service's format: "vault:v", the
// version of the key, and base64 of the nonce and the sealed text. Its methods
// may be called concurrently.
//
// Source: HashiCorp Vault, HTTP API, "Transit secrets engine", sections "Encrypt
// data" and "Decrypt data", for keys of type aes256-gcm96.
type Transit struct {
	server *httptest.Server

	mu    sync.Mutex               // guards what follows
	token string                   // who has it may do everything
	keys  map[string][]cipher.AEAD // by name; the last version seals
	calls int
}

// Start starts a service on loopback that lets token in. Close it.
func Start(token string) *Transit {
	t := &Transit{token: token, keys: map[string][]cipher.AEAD{}}
	t.server = httptest.NewTLSServer(t)
	return t
}

// Close ends the service.
func (t *Transit) Close() { t.server.Close() }

// URI returns the URI of a key.
func (t *Transit) URI(name string) string {
	return "hcvault://" + t.server.Listener.Addr().String() + "/transit/keys/" + name
}

// CA returns in PEM who vouches for the service.
func (t *Transit) CA() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: t.server.Certificate().Raw})
}

// Rotate adds a version to a key, the first if there is none.
func (t *Transit) Rotate(name string) error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys[name] = append(t.keys[name], a)
	return nil
}

// Revoke lets another token in and the old one no more.
func (t *Transit) Revoke(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token = token
}

// Calls returns how often the service was asked, also in vain.
func (t *Transit) Calls() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls
}

// A request is the body of both calls.
type request struct {
	Plaintext      string `json:"plaintext"`
	Ciphertext     string `json:"ciphertext"`
	AssociatedData string `json:"associated_data"`
}

// ServeHTTP implements [http.Handler].
func (t *Transit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	if r.Header.Get("X-Vault-Token") != t.token {
		answer(w, http.StatusForbidden, map[string]any{"errors": []string{"permission denied"}})
		return
	}
	var body request
	if (r.Method != http.MethodPut && r.Method != http.MethodPost) || json.NewDecoder(r.Body).Decode(&body) != nil {
		answer(w, http.StatusBadRequest, map[string]any{"errors": []string{"error parsing JSON"}})
		return
	}
	verb, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/transit/"), "/")
	data, err := t.do(verb, name, body)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"errors": []string{err.Error()}})
		return
	}
	answer(w, http.StatusOK, map[string]any{"request_id": "1", "lease_id": "", "renewable": false, "lease_duration": 0, "data": data})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client notices what is cut off
}

func (t *Transit) do(verb, name string, body request) (map[string]any, error) {
	versions := t.keys[name]
	ad, err := base64.StdEncoding.DecodeString(body.AssociatedData)
	switch {
	case err != nil:
		return nil, errors.New("failed to base64-decode associated_data")
	case len(versions) == 0:
		return nil, errors.New("encryption key not found")
	case verb == "encrypt":
		return seal(versions, body.Plaintext, ad)
	case verb == "decrypt":
		return open(versions, body.Ciphertext, ad)
	}
	return nil, errors.New("unsupported operation")
}

func seal(versions []cipher.AEAD, text string, ad []byte) (map[string]any, error) {
	plaintext, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("failed to base64-decode plaintext")
	}
	a := versions[len(versions)-1]
	nonce := make([]byte, a.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	sealed := base64.StdEncoding.EncodeToString(a.Seal(nonce, nonce, plaintext, ad))
	return map[string]any{"ciphertext": fmt.Sprintf("vault:v%d:%s", len(versions), sealed), "key_version": len(versions)}, nil
}

func open(versions []cipher.AEAD, text string, ad []byte) (map[string]any, error) {
	number, encoded, ok := strings.Cut(strings.TrimPrefix(text, "vault:v"), ":")
	version, err := strconv.Atoi(number)
	if !ok || err != nil || !strings.HasPrefix(text, "vault:v") {
		return nil, errors.New("invalid ciphertext: no prefix")
	}
	if version < 1 || version > len(versions) {
		return nil, errors.New("invalid ciphertext: version is too new")
	}
	sealed, err := base64.StdEncoding.DecodeString(encoded)
	a := versions[version-1]
	if err != nil || len(sealed) < a.NonceSize() {
		return nil, errors.New("invalid ciphertext: could not decode base64")
	}
	plaintext, err := a.Open(nil, sealed[:a.NonceSize()], sealed[a.NonceSize():], ad)
	if err != nil {
		return nil, errors.New("cipher: message authentication failed")
	}
	return map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plaintext)}, nil
}
