package client

import (
	"fmt"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// splitAddresses returns the addresses of a server, which are separated by
// commas.
func splitAddresses(text string) ([]string, error) {
	addresses := strings.Split(text, ",")
	for i, a := range addresses {
		a = strings.TrimSpace(a)
		if _, _, err := net.SplitHostPort(a); err != nil {
			return nil, fmt.Errorf("client: server address %q must be host:port, or several of them with commas between", a)
		}
		addresses[i] = a
	}
	return addresses, nil
}

// targetOf returns what to connect to for the addresses of a server. Of several
// the first that answers is taken, at each connection anew; each has to show a
// certificate for its own host.
func targetOf(addresses []string) (target string, options []grpc.DialOption) {
	if len(addresses) == 1 {
		return "dns:///" + addresses[0], nil
	}
	const scheme = "addresses"
	r := manual.NewBuilderWithScheme(scheme)
	var state resolver.State
	for _, a := range addresses {
		// The server's name is the address: credentials are asked for that host.
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a, ServerName: a}}})
	}
	r.InitialState(state)
	return scheme + ":///" + addresses[0], []grpc.DialOption{grpc.WithResolvers(r)}
}
