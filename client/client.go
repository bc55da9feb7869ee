// Package client talks to a Lodd server, and believes it only as far as it can
// check.
//
// A [Client] knows its server by the pin of the server's certificate authority
// and by nothing else. A call that carries a request id is sent again until it
// is answered or its time is up, always with the same id, so that a retry never
// does a thing twice.
//
// A client that knows the key of the log and has a folder for what it saw is a
// witness of the log. Before its first call about a trial it asks for the proof
// that the trial's log continues what was seen last from here, and after each
// answer with a receipt for the proof that the entry is in it, and for the entry:
// it must be what was asked for. A log that was
// rewritten, shortened or forked is refused with a [*LogError], and no further
// call about that trial is made. A proof that could not be had refuses nothing:
// the receipt is kept, and checked at the next chance. [Client.VerifyList]
// recomputes the whole log.
//
// The package knows no rule of a trial: what a form accepts, and what may
// happen next, is for the server to say.
package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// Config says how to reach a server and how to know it.
type Config struct {
	// Address is the server's host:port, or several of them with commas between,
	// best first: the first that answers is taken.
	Address string

	// Pin is the SHA-256 of the SubjectPublicKeyInfo of the server's
	// certificate authority, in base64url without padding.
	Pin string

	// Token is asked for the session's token before each call. It may be nil,
	// or return "", for calls that need no session.
	Token func() (string, error)

	// User is the account whose token it is. The entries that the server makes for
	// it must bear this name; empty if it isn't known.
	User string

	// Timeout bounds a call whose context has no deadline, all its attempts
	// together. It doesn't bound streams. The default is 30 seconds.
	Timeout time.Duration

	// Attempt is how long one attempt of a call with a request id may take
	// before the call is repeated. The default is 5 seconds.
	Attempt time.Duration

	// OnRetry is told before each wait for the next attempt. It may be nil.
	OnRetry func(Retry)

	// LogKey is the verifier key of the log, as package note writes it. Nothing
	// of the log is checked without it.
	LogKey string

	// Checkpoints is the directory of the checkpoints seen last, and of the
	// receipts that are still to be checked. Without it nothing is remembered, so
	// that only VerifyList checks anything.
	Checkpoints string

	// Evidence is the directory for evidence that the log isn't what it was.
	// None is written if it is empty.
	Evidence string

	// Witnesses are the keys of witnesses whose co-signatures count. There may
	// be none, and none twice.
	Witnesses []*audit.CosignatureVerifier

	// OnUnchecked is told of each receipt that could not be checked, although
	// what was asked for is done, and, once for each trial, of a log that could
	// not be, although the server goes on answering. It may be nil.
	OnUnchecked func(Unchecked)

	// Now is the clock of evidence, and of receipts that wait. It is needed with
	// Evidence only.
	Now func() time.Time

	// Dial makes the connection to the address. The default dials TCP, through a
	// proxy if the environment names one.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// check reports what doesn't go together.
func (c Config) check() error {
	if c.Evidence != "" && c.Now == nil {
		return errors.New("client: evidence needs a clock")
	}
	for i, w := range c.Witnesses {
		if slices.ContainsFunc(c.Witnesses[:i], func(v *audit.CosignatureVerifier) bool { return v.Name() == w.Name() && v.KeyHash() == w.KeyHash() }) {
			return fmt.Errorf("client: the key of the witness %s is given twice", w.Name())
		}
	}
	return nil
}

// A Client is a connection to a server. It may be used concurrently.
type Client struct {
	config   Config
	conn     *grpc.ClientConn
	memory   memory
	verifier note.Verifier // of the log; nil if its key isn't known
	trials   trials
	before   sizes
}

// New returns a client. It connects at the first call.
func New(c Config) (*Client, error) {
	addresses, err := splitAddresses(c.Address)
	if err != nil {
		return nil, err
	}
	creds, err := newPinned(c.Pin)
	if err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Attempt == 0 {
		c.Attempt = 5 * time.Second
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	client := &Client{config: c, memory: memory{dir: c.Checkpoints, pin: c.Pin}}
	if c.LogKey != "" { // a key that is none must not mean that nothing is checked
		if client.verifier, err = audit.NewVerifier(c.LogKey); err != nil {
			return nil, fmt.Errorf("client: the key of the log is none, so that nothing could be checked: take log_key out of the profile and sign in again: %w", err)
		}
	}
	calls := caller{config: c, server: creds}
	target, options := targetOf(addresses)
	options = append(options,
		grpc.WithTransportCredentials(creds.transport()),
		grpc.WithChainUnaryInterceptor(client.unary, calls.unary),
		grpc.WithChainStreamInterceptor(client.stream, calls.stream),
		grpc.WithStatsHandler(sentHandler{}),
		grpc.WithDisableRetry(), // only this package repeats calls, because it knows which may be
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 500 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		// Five minutes is what a server tolerates by default.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 5 * time.Minute, Timeout: 20 * time.Second}),
	)
	if c.Token != nil {
		options = append(options, grpc.WithPerRPCCredentials(bearer(c.Token)))
	}
	if c.Dial != nil {
		target = strings.Replace(target, "dns:", "passthrough:", 1)
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

// Sealing returns the service around the sealed design.
func (c *Client) Sealing() loddv1.SealingServiceClient {
	return loddv1.NewSealingServiceClient(c.conn)
}

// Unsealing returns the service of the reveal.
func (c *Client) Unsealing() loddv1.UnsealingServiceClient {
	return loddv1.NewUnsealingServiceClient(c.conn)
}

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

// Delivery tells a treatment team its participants, and keeps its contacts.
func (c *Client) Delivery() loddv1.DeliveryServiceClient {
	return loddv1.NewDeliveryServiceClient(c.conn)
}

// Exports takes and lists locks. [Client.DownloadExport] downloads.
func (c *Client) Exports() loddv1.ExportServiceClient { return loddv1.NewExportServiceClient(c.conn) }

// Safety keeps adverse events.
func (c *Client) Safety() loddv1.SafetyServiceClient { return loddv1.NewSafetyServiceClient(c.conn) }

// Unblinding opens single arms and records broken blinds.
func (c *Client) Unblinding() loddv1.UnblindingServiceClient {
	return loddv1.NewUnblindingServiceClient(c.conn)
}

// Reviews reads held texts and judges them.
func (c *Client) Reviews() loddv1.ReviewServiceClient { return loddv1.NewReviewServiceClient(c.conn) }

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
