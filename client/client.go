// Package client talks to a Lodd server, and believes it only as far as it can
// check.
//
// A [Client] knows its server by the pin of the server's certificate authority
// and by nothing else. A call that carries a request id is sent again until it
// is answered or its time is up, always with the same id, so that a retry never
// does a thing twice. [Client.VerifyList] recomputes the log and remembers what
// it saw, so that a log that was rewritten in between is noticed.
//
// The package knows no rule of a trial: what a form accepts, and what may
// happen next, is for the server to say.
package client

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// Config says how to reach a server and how to know it.
type Config struct {
	// Address is the server's host:port.
	Address string

	// Pin is the SHA-256 of the SubjectPublicKeyInfo of the server's
	// certificate authority, in base64url without padding.
	Pin string

	// Token is asked for the session's token before each call. It may be nil,
	// or return "", for calls that need no session.
	Token func() (string, error)

	// Timeout bounds a call whose context has no deadline, all its attempts
	// together. It doesn't bound streams. The default is 30 seconds.
	Timeout time.Duration

	// Attempt is how long one attempt of a call with a request id may take
	// before the call is repeated. The default is 5 seconds.
	Attempt time.Duration

	// OnRetry is told before each wait for the next attempt. It may be nil.
	OnRetry func(Retry)

	// LogKey is the verifier key of the log, as package note writes it. Only
	// VerifyList needs it.
	LogKey string

	// Checkpoints is the directory of the checkpoints seen last. Only VerifyList
	// needs it.
	Checkpoints string

	// Dial makes the connection to the address. The default dials TCP, through a
	// proxy if the environment names one.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// A Client is a connection to a server. It may be used concurrently.
type Client struct {
	config Config
	conn   *grpc.ClientConn
}

// New returns a client. It connects at the first call.
func New(c Config) (*Client, error) {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, fmt.Errorf("client: server address %q must be host:port", c.Address)
	}
	creds, err := newPinned(host, c.Pin)
	if err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Attempt == 0 {
		c.Attempt = 5 * time.Second
	}
	client := &Client{config: c}
	calls := caller{config: c, server: creds}
	target := "dns:///" + c.Address
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(creds.transport()),
		grpc.WithUnaryInterceptor(calls.unary),
		grpc.WithStreamInterceptor(calls.stream),
		grpc.WithStatsHandler(sentHandler{}),
		grpc.WithDisableRetry(), // only this package repeats calls, because it knows which may be
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 500 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		// Five minutes is what a server tolerates by default.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 5 * time.Minute, Timeout: 20 * time.Second}),
	}
	if c.Token != nil {
		options = append(options, grpc.WithPerRPCCredentials(bearer(c.Token)))
	}
	if c.Dial != nil {
		target = "passthrough:///" + c.Address
		options = append(options, grpc.WithContextDialer(c.Dial))
	}
	if client.conn, err = grpc.NewClient(target, options...); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return client, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Session signs in and out.
func (c *Client) Session() loddv1.SessionServiceClient { return loddv1.NewSessionServiceClient(c.conn) }

// People keeps accounts and roles.
func (c *Client) People() loddv1.PeopleServiceClient { return loddv1.NewPeopleServiceClient(c.conn) }

// Trials sets trials up.
func (c *Client) Trials() loddv1.TrialServiceClient { return loddv1.NewTrialServiceClient(c.conn) }

// Screening keeps the screening log.
func (c *Client) Screening() loddv1.ScreeningServiceClient {
	return loddv1.NewScreeningServiceClient(c.conn)
}

// Randomization randomizes.
func (c *Client) Randomization() loddv1.RandomizationServiceClient {
	return loddv1.NewRandomizationServiceClient(c.conn)
}

// Participants records what happens to participants.
func (c *Client) Participants() loddv1.ParticipantServiceClient {
	return loddv1.NewParticipantServiceClient(c.conn)
}

// Assessments reads and writes forms.
func (c *Client) Assessments() loddv1.AssessmentServiceClient {
	return loddv1.NewAssessmentServiceClient(c.conn)
}

// Delivery tells a treatment team its participants.
func (c *Client) Delivery() loddv1.DeliveryServiceClient {
	return loddv1.NewDeliveryServiceClient(c.conn)
}

// Exports takes and lists locks. [Client.DownloadExport] downloads.
func (c *Client) Exports() loddv1.ExportServiceClient { return loddv1.NewExportServiceClient(c.conn) }

// Audit reads the log. [Client.VerifyList] verifies it.
func (c *Client) Audit() loddv1.AuditServiceClient { return loddv1.NewAuditServiceClient(c.conn) }

// bearer sends the session's token with each call.
type bearer func() (string, error)

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := b()
	if err != nil || token == "" {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (bearer) RequireTransportSecurity() bool { return true }
