package server_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/storetest"
	"github.com/lodd-rct/lodd/proto/invite"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/keys"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A stream yields the same bytes for the same name.
type stream struct {
	mu   sync.Mutex // guards the fields below
	name string
	next uint64
	rest []byte
}

func (s *stream) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := 0; n < len(b); {
		if len(s.rest) == 0 {
			sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(s.name), s.next))
			s.next++
			s.rest = sum[:]
		}
		took := copy(b[n:], s.rest)
		s.rest, n = s.rest[took:], n+took
	}
	return len(b), nil
}

// A clock stands still until it is moved.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// A buffer may be written to by many.
type buffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A world is a server with its real parts below and its real chain above, on a
// store in memory, with a clock and entropy of its own.
type world struct {
	t      *testing.T
	config func(*server.Config) // changes the configuration; may be nil
	store  *storetest.Memory
	clock  *clock
	logs   *buffer
	keys   *keys.Keys
	log    *audit.Log
	vault  *vault.Vault
	ledger *ledger.Ledger
	server *server.Server
	conn   *grpc.ClientConn
	close  func()

	tokens   map[string]string
	requests uint64
}

const password = "seven green bottles stand"

// newWorld returns a server without accounts.
func newWorld(t *testing.T, config func(*server.Config)) *world {
	t.Helper()
	w := &world{
		t: t, config: config, store: &storetest.Memory{}, logs: &buffer{}, tokens: map[string]string{},
		clock: &clock{at: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)},
	}
	var err error
	w.keys, err = keys.Load(filepath.Join(t.TempDir(), "keys"), keys.Config{Fresh: true, Name: "example.org", Now: w.clock.now(), Random: &stream{name: "keys"}})
	w.must(err)
	w.start("first")
	t.Cleanup(func() {
		w.close()
		w.checkKeys()
		for _, secret := range []string{"northern", "southern", "Northern", "Southern", "Nordlig", "Sørlig", password} {
			if strings.Contains(w.logs.String(), secret) {
				t.Errorf("the log tells %q:\n%s", secret, w.logs)
			}
		}
	})
	return w
}

// start opens log, ledger and server on the store.
func (w *world) start(run string) {
	w.t.Helper()
	verifier, err := note.NewVerifier(w.keys.LogVerifier)
	w.must(err)
	w.log, err = audit.Open(w.t.Context(), audit.Config{Store: w.store, Origin: "example.org", Signer: w.keys.LogSigner, Verifier: verifier})
	w.must(err)
	w.vault, err = vault.New(vault.Config{Master: w.keys.Master(), Store: w.store, NotFound: store.ErrNotFound, Random: &stream{name: run + " vault"}})
	w.must(err)
	w.ledger, err = ledger.Open(w.t.Context(), ledger.Config{
		Log: w.log, Vault: w.vault, Seeds: &stream{name: "seed"}, Random: &stream{name: run + " nonces"}, Now: w.clock.now,
	})
	w.must(err)
	c := server.Config{
		Ledger: w.ledger, Log: w.log, Vault: w.vault, Keys: w.keys, Credentials: w.store, NotFound: store.ErrNotFound,
		Name: "Rehearsal", Addresses: []string{"localhost:8443"},
		Passwords: authn.PasswordConfig{MemoryKiB: 8, Passes: 1},
		SignIn:    server.SignIn{WithoutFactor: true},
		Limits:    server.Limits{StrangersPerSecond: 1e6, StrangersBurst: 1e6}, // the clock stands still
		Now:       w.clock.now, Random: &stream{name: run + " server"}, Logger: zerolog.New(w.logs),
	}
	if w.config != nil {
		w.config(&c)
	}
	w.server, err = server.New(c)
	w.must(err)
	w.serve()
}

// serve serves on a listener in memory and connects to it as a client does.
func (w *world) serve() {
	l := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(l) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.keys.Authority())
	var err error
	w.conn, err = grpc.NewClient("passthrough:///localhost",
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "localhost", Time: w.clock.now, MinVersion: tls.VersionTLS13})),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	w.must(err)
	w.close = func() {
		w.close = func() {}
		w.conn.Close()
		w.server.Stop(context.Background())
		if err := <-served; err != nil {
			w.t.Error(err)
		}
		w.ledger.Close()
		w.log.Close()
	}
}

// restart is what a new process on the same store does.
func (w *world) restart() {
	w.t.Helper()
	w.close()
	w.store = w.store.Reopen()
	w.tokens = map[string]string{}
	w.start("second")
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// id returns a new request id.
func (w *world) id() string {
	w.requests++
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", w.requests)
}

// wait moves the clock. Sessions don't survive it.
func (w *world) wait(d time.Duration) {
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	w.clock.at = w.clock.at.Add(d)
	w.tokens = map[string]string{}
}

// as returns the context of a user's calls; the user is signed in if need be.
func (w *world) as(user string) context.Context {
	w.t.Helper()
	if w.tokens[user] == "" {
		resp, err := loddv1.NewSessionServiceClient(w.conn).Login(w.t.Context(), &loddv1.LoginRequest{User: user, Password: password})
		w.must(err)
		w.tokens[user] = resp.GetToken()
	}
	return metadata.AppendToOutgoingContext(w.t.Context(), "authorization", "Bearer "+w.tokens[user])
}

// bootstrap makes the first administrator.
func (w *world) bootstrap() {
	w.t.Helper()
	text, ok := w.server.BootstrapInvite()
	if !ok {
		w.t.Fatal("there is no bootstrap invite")
	}
	w.must(w.join(w.code(text), "admin"))
}

// code returns the one-time code of an invite.
func (w *world) code(text string) string {
	w.t.Helper()
	i, err := invite.Parse(text)
	w.must(err)
	return i.Code
}

func (w *world) join(code, user string) error {
	_, err := loddv1.NewSessionServiceClient(w.conn).Join(w.t.Context(),
		&loddv1.JoinRequest{Code: code, User: user, FullName: "Person " + user, Password: password})
	return err
}

// invite returns the code of a new invitation.
func (w *world) invite() string {
	w.t.Helper()
	resp, err := w.people().CreateInvite(w.as("admin"), &loddv1.CreateInviteRequest{})
	w.must(err)
	return w.code(resp.GetInvite())
}

func (w *world) grant(by, user, role, site, team string) error {
	_, err := w.people().GrantRole(w.as(by), &loddv1.GrantRoleRequest{TrialId: "T1", User: user, Role: role, Site: site, Team: team})
	return err
}
