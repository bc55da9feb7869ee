package outbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// TLS says how the way to a relay is protected.
type TLS string

// The ways to a relay.
const (
	StartTLS TLS = "starttls" // required, not only if the relay offers it
	Implicit TLS = "implicit" // from the first byte
	NoTLS    TLS = "none"     // on the same machine only
)

// SMTPConfig is how a relay is reached.
type SMTPConfig struct {
	Host string
	// Port is 587, 465 for [Implicit], or 25 for [NoTLS] if it is 0.
	Port int
	// TLS is [StartTLS] if it is empty, or [NoTLS] on the same machine.
	TLS TLS
	// From is the address that notices come from.
	From string
	// User and Password are what the relay wants to know, if it does.
	User, Password string
	// Timeout bounds each notice; it is a minute if it is 0.
	Timeout time.Duration
	// Roots are the authorities that the relay's certificate may be of; those of
	// the machine if it is nil.
	Roots *x509.CertPool
}

// An SMTP is a [Sender] to a relay. It may be used concurrently.
type SMTP struct{ config SMTPConfig }

// NewSMTP returns a sender to a relay. It doesn't call it yet.
func NewSMTP(c SMTPConfig) (*SMTP, error) {
	if c.Host == "" {
		return nil, errors.New("the relay has no host")
	}
	if err := checkFrom(c.From); err != nil {
		return nil, err
	}
	if (c.User == "") != (c.Password == "") {
		return nil, errors.New("a relay wants both a user and a password, or neither")
	}
	if err := c.fill(); err != nil {
		return nil, err
	}
	return &SMTP{c}, nil
}

// fill fills in the defaults.
func (c *SMTPConfig) fill() error {
	local := loopback(c.Host)
	if c.TLS == "" {
		c.TLS = StartTLS
		if local {
			c.TLS = NoTLS
		}
	}
	port, ok := map[TLS]int{StartTLS: 587, Implicit: 465, NoTLS: 25}[c.TLS]
	switch {
	case !ok:
		return fmt.Errorf("tls is %q, want starttls, implicit or none", c.TLS)
	case c.TLS == NoTLS && !local:
		return errors.New("a relay on another machine wants TLS: starttls or implicit")
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("there is no port %d", c.Port)
	}
	if c.Port == 0 {
		c.Port = port
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	return nil
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkFrom refuses what can't stand as the sender of a mail.
func checkFrom(from string) error {
	a, err := mail.ParseAddress(from)
	if err != nil || a.Address != from {
		return fmt.Errorf("%q is no address that notices can come from; want for example lodd@example.org", from)
	}
	return nil
}

// Send implements [Sender]. The relay has taken the notice when it returns.
// Whatever it does, Send ends after the timeout.
func (s *SMTP) Send(ctx context.Context, n Notice) error {
	m, err := n.message(s.config.From)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	dial := func(dialling context.Context, network, _ string) (net.Conn, error) {
		conn, err := s.dial(dialling, network)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() }) // whatever happens on it
		}
		return conn, err
	}
	client, err := gomail.NewClient(s.config.Host, append(s.options(), gomail.WithDialContextFunc(dial))...)
	if err != nil {
		return fmt.Errorf("outbox: relay: %w", err)
	}
	if err := client.DialWithContext(ctx); err != nil {
		return fmt.Errorf("outbox: reach the relay: %w", err)
	}
	err = client.Send(m)
	if m.IsDelivered() { // whatever came after
		_ = client.Close() // only says goodbye
		return nil
	}
	return verdict(err)
}

func (s *SMTP) options() []gomail.Option {
	options := []gomail.Option{
		gomail.WithPort(s.config.Port), gomail.WithTimeout(s.config.Timeout), gomail.WithoutNoop(),
		gomail.WithTLSPolicy(gomail.NoTLS), // dial sees to Implicit
	}
	if s.config.TLS == StartTLS {
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithTLSConfig(s.config.tls()))
	}
	if s.config.User != "" {
		// None of them gives the password away without TLS.
		options = append(options, gomail.WithUsername(s.config.User), gomail.WithPassword(s.config.Password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	return options
}

func (c SMTPConfig) tls() *tls.Config {
	return &tls.Config{ServerName: c.Host, RootCAs: c.Roots, MinVersion: tls.VersionTLS12}
}

// verdict says what a relay's refusal is about. The relay's own words may hold
// the address, and are left out.
//
// Source: RFC 5321 (2008), section 4.2.1.
func verdict(err error) error {
	refused, ok := errors.AsType[*gomail.SendError](err)
	if !ok {
		return fmt.Errorf("outbox: the relay went away: %w", err)
	}
	code := refused.ErrorCode()
	ours := refused.Reason == gomail.ErrSMTPRcptTo || refused.Reason == gomail.ErrSMTPData || refused.Reason == gomail.ErrSMTPDataClose
	switch {
	case ours && code/100 == 5:
		return fmt.Errorf("%w: the relay said %d", ErrRefused, code)
	case ours && code/100 == 4 && code != 421: // which closes the connection
		return fmt.Errorf("%w: the relay said %d", ErrLater, code)
	case code != 0:
		return fmt.Errorf("outbox: the relay takes no notice: it said %d (%s)", code, refused.Reason)
	default:
		return fmt.Errorf("outbox: the relay went away (%s)", refused.Reason)
	}
}

func (s *SMTP) dial(ctx context.Context, network string) (net.Conn, error) {
	address := net.JoinHostPort(s.config.Host, strconv.Itoa(s.config.Port))
	if s.config.TLS == Implicit {
		return (&tls.Dialer{Config: s.config.tls()}).DialContext(ctx, network, address)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}
