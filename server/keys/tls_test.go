package keys_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/lodd-rct/lodd/server/keys"
)

// dial shakes hands with a server that has k's certificate, as host, at the
// time at. The client trusts whatever root bears the pin, and nothing else.
func dial(t *testing.T, k *keys.Keys, pin string, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", k.TLS())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_ = conn.(*tls.Conn).Handshake() // the client says what went wrong
		_ = conn.Close()
	}()
	defer func() {
		_ = listener.Close()
		<-done
	}()
	client.InsecureSkipVerify = true // VerifyConnection does it: by the pin
	client.VerifyConnection = func(s tls.ConnectionState) error {
		roots := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
			if base64.RawURLEncoding.EncodeToString(sum[:]) == pin {
				roots.AddCert(c)
			}
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots: roots, DNSName: client.ServerName, CurrentTime: client.Time(),
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		return err
	}
	conn, err := tls.Dial("tcp", listener.Addr().String(), client)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

func TestHandshake(t *testing.T) {
	c := config(true)
	c.Hosts = []string{"trial.example.org", "192.0.2.7", "localhost", "127.0.0.1"}
	k := load(t, filepath.Join(t.TempDir(), "keys"), c)
	_, stranger := fresh(t)
	for _, tt := range []struct {
		name string
		host string
		at   time.Time
		pin  string
		max  uint16
		ok   bool
	}{
		{"by name", "trial.example.org", t0, k.Pin(), 0, true},
		{"by address", "192.0.2.7", t0, k.Pin(), 0, true},
		{"localhost", "localhost", t0, k.Pin(), 0, true},
		{"loopback", "127.0.0.1", t0, k.Pin(), 0, true},
		{"loopback, version 6", "::1", t0, k.Pin(), 0, true},
		{"client's clock 23 hours behind", "localhost", t0.Add(-23 * time.Hour), k.Pin(), 0, true},
		{"two years later", "localhost", t0.AddDate(2, 0, 0), k.Pin(), 0, true},
		{"three years later", "localhost", t0.AddDate(3, 0, 0), k.Pin(), 0, false},
		{"another name", "other.example.org", t0, k.Pin(), 0, false},
		{"another address", "192.0.2.8", t0, k.Pin(), 0, false},
		{"another server's pin", "localhost", t0, stranger.Pin(), 0, false},
		{"TLS 1.2", "localhost", t0, k.Pin(), tls.VersionTLS12, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := &tls.Config{ServerName: tt.host, MaxVersion: tt.max, Time: func() time.Time { return tt.at }}
			state, err := dial(t, k, tt.pin, client)
			if (err == nil) != tt.ok {
				t.Errorf("handshake: %v", err)
			}
			if err == nil && state.Version != tls.VersionTLS13 {
				t.Errorf("version %x", state.Version)
			}
		})
	}
}

// New hosts need a restart and no new invites: the pin stays.
func TestNewHostsKeepThePin(t *testing.T) {
	dir, k := fresh(t)
	c := config(false)
	c.Hosts = []string{"new.example.org"}
	c.Now = t0.AddDate(5, 0, 0)
	later := load(t, dir, c)
	client := &tls.Config{ServerName: "new.example.org", Time: func() time.Time { return c.Now }}
	if _, err := dial(t, later, k.Pin(), client); err != nil {
		t.Error(err)
	}
}

// The authority's file is all that an ordinary client needs, and that of an
// earlier start serves as well.
func TestAuthorityFileServesOrdinaryClients(t *testing.T) {
	dir, k := fresh(t)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(k.Authority()) {
		t.Fatal("no certificate in the file")
	}
	later := load(t, dir, config(false))
	leaf := later.TLS().Certificates[0].Leaf
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "localhost", CurrentTime: t0})
	if err != nil {
		t.Error(err)
	}
	if len(leaf.IPAddresses) != 2 || !leaf.IPAddresses[1].Equal(net.IPv6loopback) || leaf.IsCA {
		t.Errorf("addresses %v, authority %v", leaf.IPAddresses, leaf.IsCA)
	}
}
