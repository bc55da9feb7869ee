package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/client"
	"github.com/lodd-rct/lodd/server/protocol"
)

var update = flag.Bool("update", false, "write the golden files anew")

var t0 = time.Date(2026, 11, 21, 22, 41, 7, 0, time.UTC)

// fake answers every method of every service. An answer is a message, messages
// for a stream, an error, or a function from the request to one of these.
type fake struct {
	mu      sync.Mutex
	answers map[string]any // by method, such as "ListTrials"
	header  map[string]metadata.MD
	calls   []fakeCall
}

type fakeCall struct {
	method string
	req    proto.Message
	header metadata.MD
}

func (f *fake) handle(_ any, stream grpc.ServerStream) error {
	path, _ := grpc.MethodFromServerStream(stream)
	service, method, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + method))
	if err != nil {
		return err
	}
	input, err := protoregistry.GlobalTypes.FindMessageByName(d.(protoreflect.MethodDescriptor).Input().FullName())
	if err != nil {
		return err
	}
	req := input.New().Interface()
	if err := stream.RecvMsg(req); err != nil {
		return err
	}
	f.mu.Lock()
	header, _ := metadata.FromIncomingContext(stream.Context())
	f.calls = append(f.calls, fakeCall{method, req, header})
	answer := f.answers[method]
	gives := f.header[method]
	f.mu.Unlock()
	if decide, ok := answer.(func(proto.Message) any); ok {
		answer = decide(req)
	}
	if err := stream.SetHeader(gives); err != nil {
		return err
	}
	switch answer := answer.(type) {
	case error:
		return answer
	case proto.Message:
		return stream.SendMsg(answer)
	case []proto.Message:
		for _, m := range answer {
			if err := stream.SendMsg(m); err != nil {
				return err
			}
		}
		return nil
	}
	return status.Error(codes.Unimplemented, "the fake has no answer to "+method)
}

// world is a user's machine and the server that it talks to.
type world struct {
	t       *testing.T
	fake    *fake
	dirs    client.Dirs
	env     map[string]string
	stdin   string
	console Console
	dial    func(context.Context, string) (net.Conn, error)
	pin     string
	signer  note.Signer // of exports
	key     string      // its verifier key
	replay  func(*audit.ArchiveReader) (map[string]int64, error)
	page    func(address string) error // opens it in the browser
}

// newWorld returns a world in which kari is signed in and has chosen the trial
// IPS.
func newWorld(t *testing.T, answers map[string]any) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{
		t: t, fake: &fake{answers: answers}, env: map[string]string{},
		dirs: client.Dirs{Config: filepath.Join(dir, "config"), State: filepath.Join(dir, "state")},
	}
	w.env["LODD_CONFIG_DIR"], w.env["LODD_STATE_DIR"] = w.dirs.Config, w.dirs.State
	w.serve()
	private, public, err := note.GenerateKey(entropy(), "lodd/export")
	if err != nil {
		t.Fatal(err)
	}
	if w.signer, err = note.NewSigner(private); err != nil {
		t.Fatal(err)
	}
	w.key = public
	w.saveProfile(client.Profile{Server: "lodd.test:443", Pin: w.pin, User: "kari", Trial: "IPS", ExportKey: public})
	if err := w.dirs.SaveSession(client.Session{Pin: w.pin, User: "kari", Token: "token-of-kari", Expires: t0.Add(time.Hour)}, t0); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) saveProfile(p client.Profile) {
	w.t.Helper()
	if err := w.dirs.SaveProfile(p); err != nil {
		w.t.Fatal(err)
	}
}

// entropy is the same bytes each time.
func entropy() io.Reader {
	return strings.NewReader(strings.Repeat("0123456789abcdef", 64))
}

// serve starts the fake behind a certificate of its own authority.
func (w *world) serve() {
	t := w.t
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(template, parent *x509.Certificate) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "trial"}, NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	ca = issue(ca, ca)
	leaf := issue(&x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Unix(1<<33, 0), DNSNames: []string{"lodd.test"}}, ca)
	pin := sha256.Sum256(ca.RawSubjectPublicKeyInfo)
	w.pin = base64.RawURLEncoding.EncodeToString(pin[:])
	listener := bufconn.Listen(1 << 20)
	s := grpc.NewServer(grpc.UnknownServiceHandler(w.fake.handle), grpc.Creds(credentials.NewServerTLSFromCert(
		&tls.Certificate{Certificate: [][]byte{leaf.Raw, ca.Raw}, PrivateKey: key})))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(listener)
	}()
	t.Cleanup(func() { s.Stop(); <-done })
	w.dial = func(ctx context.Context, address string) (net.Conn, error) {
		if address != "lodd.test:443" {
			return nil, fmt.Errorf("nobody at %s", address)
		}
		return listener.DialContext(ctx)
	}
}

// output is what a command left.
type output struct {
	code           int
	stdout, stderr string
}

func (w *world) run(args ...string) output {
	w.t.Helper()
	return w.runContext(w.t.Context(), args...)
}

func (w *world) runContext(ctx context.Context, args ...string) output {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	d := w.deps()
	d.Stdout, d.Stderr = &stdout, &stderr
	code := Run(ctx, args, d)
	return output{code, stdout.String(), stderr.String()}
}

func (w *world) deps() Deps {
	return Deps{
		Stdin: strings.NewReader(w.stdin), Stdout: io.Discard, Stderr: io.Discard,
		Env:    func(k string) string { return w.env[k] },
		Random: entropy(), Now: func() time.Time { return t0 },
		Version: "1.2.3", Console: w.console, Dial: w.dial, OpenPage: w.page, Replay: w.replay, ParseDesign: protocol.ParseRandomization,
	}
}

// mustRun runs a command that must succeed.
func (w *world) mustRun(args ...string) output {
	w.t.Helper()
	o := w.run(args...)
	if o.code != exitDone {
		w.t.Fatalf("lodd %s: exit %d\n%s", strings.Join(args, " "), o.code, o.stderr)
	}
	return o
}

// file writes a file and returns its path.
func (w *world) file(name, text string) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// golden compares with a file in testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

// script is a Console that gives answers in order and keeps what it was asked.
type script struct {
	answers []string
	asked   []string
	secrets int
}

func (s *script) Line(_ context.Context, prompt string) (string, error) {
	s.asked = append(s.asked, prompt)
	if len(s.answers) == 0 {
		return "", errStopped
	}
	line := s.answers[0]
	s.answers = s.answers[1:]
	return line, nil
}

func (s *script) Secret(ctx context.Context, prompt string) (string, error) {
	s.secrets++
	return s.Line(ctx, prompt)
}

// decide makes an answer of a function that needs no request.
func decide(f func() any) func(proto.Message) any {
	return func(proto.Message) any { return f() }
}
