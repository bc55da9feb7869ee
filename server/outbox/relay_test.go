package outbox_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/lodd-rct/lodd/server/outbox"
)

// A relay takes mails on this machine, as a test wants it.
type relay struct {
	roots    *x509.CertPool
	host     string
	port     int
	listener net.Listener

	// What the relay does, set before it is called.
	onRcpt   func(to string) error
	onData   func(net.Conn, io.Reader) error
	password string
	leaves   bool // once a mail was taken

	mu    sync.Mutex // guards mails
	mails []string
}

// newRelay starts a relay. Without a certificate it offers no TLS.
func newRelay(t *testing.T, secure, implicit bool) *relay {
	t.Helper()
	r := &relay{host: "127.0.0.1"}
	var config *tls.Config
	if secure {
		config = r.certificate(t)
	}
	s := smtp.NewServer(r)
	s.Domain, s.ReadTimeout, s.ErrorLog = "relay.example", 10*time.Second, quiet{}
	var err error
	if r.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	r.port = r.listener.Addr().(*net.TCPAddr).Port
	l := r.listener
	if implicit {
		l = tls.NewListener(l, config)
	} else {
		s.TLSConfig = config
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
		_ = l.Close() // of a server that didn't come to know it
		<-served
	})
	return r
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// certificate returns one of the relay's own, which r.roots knows.
func (r *relay) certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	r.roots = x509.NewCertPool()
	r.roots.AddCert(c)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// sender returns a sender to the relay.
func (r *relay) sender(t *testing.T, change func(*outbox.SMTPConfig)) *outbox.SMTP {
	t.Helper()
	c := outbox.SMTPConfig{Host: r.host, Port: r.port, From: "lodd@trials.example", Timeout: 5 * time.Second, Roots: r.roots}
	if r.roots != nil {
		c.TLS = outbox.StartTLS
	}
	if change != nil {
		change(&c)
	}
	s, err := outbox.NewSMTP(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *relay) take(mail []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mails = append(r.mails, string(mail))
}

func (r *relay) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.mails...)
}

// NewSession implements [smtp.Backend].
func (r *relay) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &mailSession{relay: r, conn: c}, nil
}

// A mailSession is one connection.
type mailSession struct {
	relay *relay
	conn  *smtp.Conn
	known bool
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "lodd" || password != s.relay.password {
			return errors.New("no")
		}
		s.known = true
		return nil
	}), nil
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error {
	if s.relay.password != "" && !s.known {
		return &smtp.SMTPError{Code: 530, Message: "who are you"}
	}
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.relay.onRcpt != nil {
		return s.relay.onRcpt(to)
	}
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	if s.relay.onData != nil {
		return s.relay.onData(s.conn.Conn(), r)
	}
	b, err := io.ReadAll(r)
	s.relay.take(b)
	return err
}

func (s *mailSession) Reset() {
	if s.relay.leaves && len(s.relay.got()) > 0 {
		_ = s.conn.Conn().Close()
	}
}

func (s *mailSession) Logout() error { return nil }
