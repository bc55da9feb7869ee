package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// What the header of the answer to a follower tells.
const (
	logKeyHeader     = "lodd-log-key"
	logEntriesHeader = "lodd-log-entries"
)

// FollowConfig says how a machine that keeps a copy reaches its server.
type FollowConfig struct {
	// Address is the server's host:port, or several, and Pin what it is known by,
	// as in [Config].
	Address, Pin string

	// Certificate is what the machine is known by: the pin of its key stands in
	// the server's configuration.
	Certificate tls.Certificate
}

// A Follower is a connection by which a machine follows a log. It may be used
// concurrently.
type Follower struct {
	calls caller
	conn  *grpc.ClientConn
}

// NewFollower returns a follower. It connects at the first call.
func NewFollower(c FollowConfig) (*Follower, error) {
	addresses, err := splitAddresses(c.Address)
	if err != nil {
		return nil, err
	}
	server, err := newPinned(c.Pin)
	if err != nil {
		return nil, err
	}
	f := &Follower{calls: caller{config: Config{Address: c.Address}, server: server}}
	target, options := targetOf(addresses)
	f.conn, err = grpc.NewClient(target, append(options,
		grpc.WithTransportCredentials(server.transport(c.Certificate)),
		grpc.WithStreamInterceptor(f.calls.stream),
		grpc.WithDisableRetry(),
		// Five minutes is what a server tolerates by default.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 5 * time.Minute, Timeout: 20 * time.Second}),
	)...)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return f, nil
}

// A Feed is what a follower is sent.
type Feed struct {
	// LogKey is the public key of the server's log, as package note reads it.
	LogKey string

	// Entries is how many entries the server had when the call began.
	Entries int64

	stream grpc.ServerStreamingClient[loddv1.FollowResponse]
}

// Follow asks for what the follower lacks. The feed ends with ctx.
func (f *Follower) Follow(ctx context.Context, req *loddv1.FollowRequest) (*Feed, error) {
	stream, err := loddv1.NewFollowServiceClient(f.conn).Follow(ctx, req)
	if err != nil {
		return nil, err
	}
	header, err := stream.Header()
	if err != nil {
		return nil, f.calls.broken(ctx, err)
	}
	feed := &Feed{stream: stream}
	key, entries := header.Get(logKeyHeader), header.Get(logEntriesHeader)
	if len(key) != 1 || len(entries) != 1 {
		_, err := stream.Recv() // says why there is no such header
		if err == nil {
			err = fmt.Errorf("client: %s doesn't say which log it has: it is of another version", f.calls.config.Address)
		}
		return nil, err
	}
	feed.LogKey = key[0]
	if feed.Entries, err = strconv.ParseInt(entries[0], 10, 64); err != nil || feed.Entries < 0 {
		return nil, fmt.Errorf("client: the server says it has %q entries", entries[0])
	}
	return feed, nil
}

// Next returns the next piece. It returns io.EOF if the server has ended the
// feed.
func (f *Feed) Next() (*loddv1.FollowResponse, error) { return f.stream.Recv() }

// Close ends the connection.
func (f *Follower) Close() error { return f.conn.Close() }
