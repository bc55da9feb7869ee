package client

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// Of several addresses the first that answers is taken, whichever it is; what it
// shows must be the trial's, and for its own host.
func TestTheFirstAddressThatAnswersIsTaken(t *testing.T) {
	ca, stranger := newAuthority(t, "trial"), newAuthority(t, "stranger")
	for _, tt := range []struct {
		name, addresses string
		by              authority
		want            string // in the error; "" for success
	}{
		{"the first", "b.test:443,gone.test:443", ca, ""},
		{"the last, with blanks", "gone.test:443, away.test:443, b.test:443", ca, ""},
		{"none", "gone.test:443,away.test:443", ca, "connection refused"},
		{"another host's certificate", "gone.test:443,c.test:443", ca, "valid for b.test, not c.test"},
		{"a stranger", "gone.test:443,b.test:443", stranger, `issued by "CN=stranger"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := serve(t, tt.by.server(t, "b.test", farFuture, tt.by.cert), func(s *grpc.Server) {
				loddv1.RegisterSessionServiceServer(s, sessionServer{whoami: func(context.Context) (*loddv1.WhoAmIResponse, error) {
					return &loddv1.WhoAmIResponse{}, nil
				}})
			})
			dial := c.Dial
			c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
				if address == "gone.test:443" || address == "away.test:443" {
					return nil, errors.New("connection refused")
				}
				return dial(ctx, address)
			}
			c.Address, c.Pin = tt.addresses, ca.pin()
			client, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			_, err = client.Session().WhoAmI(t.Context(), &loddv1.WhoAmIRequest{})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// An address that is none is named.
func TestAddressesAreChecked(t *testing.T) {
	for _, text := range []string{"", "a", "a:1,", "a:1,b", ","} {
		if _, err := splitAddresses(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
