package server

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc/peer"
)

// Whoever has a network of IPv6 has no more hosts by it than one.
func TestOneNetworkIsOneHost(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8::1": "2001:db8::/64", "2001:db8::ffff:2": "2001:db8::/64",
		"2001:db8:0:1::1": "2001:db8:0:1::/64",
	} {
		ctx := peer.NewContext(t.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP(address), Port: 1}})
		if got := host(ctx); got != want {
			t.Errorf("%s is %s, want %s", address, got, want)
		}
	}
	zone := peer.NewContext(t.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "eth0"}})
	if got := host(zone); got != "fe80::/64" {
		t.Errorf("of a link: %s", got)
	}
	if got := host(peer.NewContext(t.Context(), &peer.Peer{Addr: &net.UnixAddr{Name: "a socket"}})); got != "a socket" {
		t.Errorf("a socket is %q", got)
	}
	if got := host(context.Background()); got != "" {
		t.Errorf("nobody is %q", got)
	}
}
