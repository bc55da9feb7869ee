package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

type sessionServer struct {
	loddv1.UnimplementedSessionServiceServer
	whoami func(context.Context) (*loddv1.WhoAmIResponse, error)
}

func (s sessionServer) WhoAmI(ctx context.Context, _ *loddv1.WhoAmIRequest) (*loddv1.WhoAmIResponse, error) {
	return s.whoami(ctx)
}

// Only a certificate that follows from the pinned authority, for this host and
// today, is the trial's; for any other the error says whose it is.
func TestOnlyThePinnedAuthorityIsTrusted(t *testing.T) {
	trial, proxy := newAuthority(t, "trial CA"), newAuthority(t, "Hospital Proxy CA")
	expired := time.Unix(1000, 0)
	for _, tt := range []struct {
		name string
		cert tls.Certificate
		want string // in the error; "" for success
	}{
		{"right", trial.server(t, "lodd.test", farFuture, trial.cert), ""},
		{"another authority", proxy.server(t, "lodd.test", farFuture, proxy.cert), `issued by "CN=Hospital Proxy CA"`},
		{"another authority that shows ours too", proxy.server(t, "lodd.test", farFuture, proxy.cert, trial.cert), "signed by unknown authority"},
		{"authority not shown", trial.server(t, "lodd.test", farFuture), `issued by "CN=trial CA"`},
		{"other host", trial.server(t, "other.test", farFuture, trial.cert), "valid for other.test"},
		{"expired", trial.server(t, "lodd.test", expired, trial.cert), "expired"},
		{"the authority itself", tls.Certificate{PrivateKey: trial.key, Certificate: [][]byte{trial.cert.Raw, trial.cert.Raw}}, "not valid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := false
			c := serve(t, tt.cert, func(s *grpc.Server) {
				loddv1.RegisterSessionServiceServer(s, sessionServer{whoami: func(context.Context) (*loddv1.WhoAmIResponse, error) {
					asked = true
					return &loddv1.WhoAmIResponse{User: "kari"}, nil
				}})
			})
			c.Pin = trial.pin()
			client, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			_, err = client.Session().WhoAmI(t.Context(), &loddv1.WhoAmIRequest{})
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wrong, ok := errors.AsType[*CertificateError](err)
			if !ok || !strings.Contains(wrong.Error(), tt.want) {
				t.Errorf("error is %T %v, want a CertificateError with %q", err, err, tt.want)
			}
			if ok && (wrong.Want != trial.pin() || wrong.Got == "" || wrong.Err == nil && tt.name == "another authority" && wrong.Got != proxy.pin()) {
				t.Errorf("pins: want %q, got %q", wrong.Want, wrong.Got)
			}
			if asked {
				t.Error("the call reached a server with a wrong certificate")
			}
		})
	}
}

// A server that speaks nothing newer than TLS 1.2 is not talked to.
func TestTLS13Only(t *testing.T) {
	ca := newAuthority(t, "trial")
	cert := ca.server(t, "lodd.test", farFuture, ca.cert)
	p, err := newPinned(ca.pin())
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go func() {
		_ = tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS12}).Handshake()
		theirs.Close()
	}()
	if _, _, err := p.transport().ClientHandshake(t.Context(), "lodd.test:443", ours); err == nil {
		t.Error("handshake with a server of TLS 1.2 succeeded")
	}
}

// A chain without certificates is refused and doesn't crash.
func TestEmptyChain(t *testing.T) {
	p := &pinned{}
	if p.verify("lodd.test", []*x509.Certificate{}) == nil {
		t.Error("an empty chain was accepted")
	}
}

func TestConfigIsChecked(t *testing.T) {
	pin := newAuthority(t, "trial").pin()
	for _, tt := range []struct {
		name   string
		config Config
		want   string
	}{
		{"address without port", Config{Address: "lodd.test", Pin: pin}, "must be host:port"},
		{"no pin", Config{Address: "lodd.test:1"}, "is no SHA-256"},
		{"short pin", Config{Address: "lodd.test:1", Pin: pin[1:]}, "is no SHA-256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.config); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New() = %v, want %q", err, tt.want)
			}
		})
	}
}

// The token goes with every call, and none goes if there is none.
func TestToken(t *testing.T) {
	for _, token := range []string{"secret", ""} {
		var got []string
		c := connect(t, func(s *grpc.Server) {
			loddv1.RegisterSessionServiceServer(s, sessionServer{whoami: func(ctx context.Context) (*loddv1.WhoAmIResponse, error) {
				md, _ := metadata.FromIncomingContext(ctx)
				got = md.Get("authorization")
				return &loddv1.WhoAmIResponse{}, nil
			}})
		}, func(c *Config) { c.Token = func() (string, error) { return token, nil } })
		if _, err := c.Session().WhoAmI(t.Context(), &loddv1.WhoAmIRequest{}); err != nil {
			t.Fatal(err)
		}
		want := ""
		if token != "" {
			want = "Bearer " + token
		}
		if strings.Join(got, ",") != want {
			t.Errorf("authorization is %q, want %q", got, want)
		}
	}
}
