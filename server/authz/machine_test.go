package authz_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/people"
)

func pin(key string) authz.Pin { return sha256.Sum256([]byte(key)) }

// connected is the context of a call over a connection on which these keys were
// shown, the caller's own first.
func connected(ctx context.Context, keys ...string) context.Context {
	var state tls.ConnectionState
	for _, k := range keys {
		state.PeerCertificates = append(state.PeerCertificates, &x509.Certificate{RawSubjectPublicKeyInfo: []byte(k)})
	}
	return peer.NewContext(ctx, &peer.Peer{AuthInfo: credentials.TLSInfo{State: state}})
}

// A machine follows if the key that it showed itself is listed. No session and no
// role opens the log to it, and its key opens nothing else.
func TestOnlyListedMachinesFollow(t *testing.T) {
	const follow, other = loddv1.FollowService_Follow_FullMethodName, loddv1.SessionService_WhoAmI_FullMethodName
	methods, err := authz.Methods()
	if err != nil {
		t.Fatal(err)
	}
	config := authz.Config{
		Now:     now,
		Methods: methods, Trial: func(string) bool { return true },
		People:    func(f func(*people.State)) { f(&people.State{}) },
		Followers: []authz.Pin{pin("first"), pin("second")},
	}
	g, err := authz.New(config)
	if err != nil {
		t.Fatal(err)
	}
	config.Followers = nil
	closed, err := authz.New(config)
	if err != nil {
		t.Fatal(err)
	}
	bg := t.Context()
	for _, tt := range []struct {
		name   string
		guard  *authz.Guard
		ctx    context.Context
		method string
		want   codes.Code
	}{
		{"first", g, connected(bg, "first"), follow, codes.OK},
		{"second", g, connected(bg, "second"), follow, codes.OK},
		{"unlisted", g, connected(bg, "third"), follow, codes.PermissionDenied},
		{"behind one that is unlisted", g, connected(bg, "third", "first"), follow, codes.PermissionDenied},
		{"without a certificate", g, connected(bg), follow, codes.PermissionDenied},
		{"without TLS", g, peer.NewContext(bg, &peer.Peer{}), follow, codes.PermissionDenied},
		{"without a connection", g, bg, follow, codes.PermissionDenied},
		{"with a session", g, authn.WithPrincipal(connected(bg), authn.Principal{User: "admin"}), follow, codes.PermissionDenied},
		{"where nobody follows", closed, connected(bg, "first"), follow, codes.PermissionDenied},
		{"something else", g, connected(bg, "first"), other, codes.Unauthenticated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.guard.Allow(tt.ctx, tt.method, &loddv1.FollowRequest{}); status.Code(err) != tt.want {
				t.Errorf("Allow = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestParsePin(t *testing.T) {
	want := pin("key")
	text := base64.RawURLEncoding.EncodeToString(want[:])
	if got, err := authz.ParsePin(text); err != nil || got != want {
		t.Errorf("ParsePin(%q) = %v, %v", text, got, err)
	}
	for _, bad := range []string{"", text[1:], text + "=", text + "AA", "!" + text[1:], base64.StdEncoding.EncodeToString(want[:])} {
		if _, err := authz.ParsePin(bad); err == nil {
			t.Errorf("ParsePin(%q) is a pin", bad)
		}
	}
}
