package outbox_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"go.uber.org/goleak"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/outbox"
	"github.com/lodd-rct/lodd/server/trial"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var kari = outbox.Notice{ID: "0123456789abcdef0123456789abcdef", At: t0, To: "kari@hospital.example", Trial: "IPS", Kind: outbox.Proposed}

// A relay on this machine may go without TLS; every other way is protected, and
// the certificate is checked.
func TestRelayTakesANotice(t *testing.T) {
	for _, tt := range []struct {
		name             string
		secure, implicit bool
		change           func(*outbox.SMTPConfig)
	}{
		{"plain", false, false, nil},
		{"starttls", true, false, nil},
		{"implicit", true, true, func(c *outbox.SMTPConfig) { c.TLS = outbox.Implicit }},
		{"password", true, false, func(c *outbox.SMTPConfig) { c.User, c.Password = "lodd", "open sesame" }},
		{"password, implicit", true, true, func(c *outbox.SMTPConfig) { c.TLS, c.User, c.Password = outbox.Implicit, "lodd", "open sesame" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRelay(t, tt.secure, tt.implicit)
			if strings.HasPrefix(tt.name, "password") {
				r.password = "open sesame"
			}
			if err := r.sender(t, tt.change).Send(t.Context(), kari); err != nil {
				t.Fatal(err)
			}
			if got := r.got(); len(got) != 1 || !strings.Contains(got[0], "Message-ID: <"+kari.ID+"@trials.example>") {
				t.Errorf("%q", got)
			}
		})
	}
}

// What is wrong with the relay is no verdict on the notice.
func TestRelayThatCanNotBeUsedRefusesNoNotice(t *testing.T) {
	for _, tt := range []struct {
		name   string
		secure bool
		setUp  func(*relay)
		change func(*outbox.SMTPConfig)
	}{
		{name: "no STARTTLS", change: func(c *outbox.SMTPConfig) { c.TLS = outbox.StartTLS }},
		{name: "strange certificate", secure: true, change: func(c *outbox.SMTPConfig) { c.Roots = x509.NewCertPool() }},
		{
			name: "wrong password", secure: true, setUp: func(r *relay) { r.password = "another" },
			change: func(c *outbox.SMTPConfig) { c.User, c.Password = "lodd", "open sesame" },
		},
		{name: "password wanted", secure: true, setUp: func(r *relay) { r.password = "another" }},
		{name: "nobody there", setUp: func(r *relay) { r.listener.Close() }},
		{name: "goes away in the middle", setUp: func(r *relay) {
			r.onData = func(c net.Conn, _ io.Reader) error { return c.Close() }
		}},
		{name: "says nothing", change: func(c *outbox.SMTPConfig) { c.Timeout = 100 * time.Millisecond }, setUp: func(r *relay) {
			r.onData = func(c net.Conn, from io.Reader) error {
				_, _ = io.Copy(io.Discard, from)
				_, err := c.Read(make([]byte, 1)) // until the sender has enough
				return err
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRelay(t, tt.secure, false)
			if tt.setUp != nil {
				tt.setUp(r)
			}
			late := time.AfterFunc(4*time.Second, func() {})
			err := r.sender(t, tt.change).Send(t.Context(), kari)
			if err == nil || errors.Is(err, outbox.ErrRefused) || errors.Is(err, outbox.ErrLater) || strings.Contains(err.Error(), "kari") {
				t.Error(err)
			}
			if len(r.got()) != 0 || !late.Stop() {
				t.Errorf("too late, or the relay has %q", r.got())
			}
		})
	}
}

// A password is never sent to a relay without TLS, even if the relay asks for it:
// on this machine, where TLS isn't needed, it is.
func TestPasswordIsNotSentWithoutTLS(t *testing.T) {
	if _, err := outbox.NewSMTP(outbox.SMTPConfig{Host: "relay.example", From: "lodd@trials.example", TLS: outbox.NoTLS}); err == nil {
		t.Error("a relay on another machine without TLS")
	}
	r := newRelay(t, false, false)
	r.password = "open sesame"
	err := r.sender(t, func(c *outbox.SMTPConfig) { c.TLS, c.User, c.Password = outbox.StartTLS, "lodd", "open sesame" }).Send(t.Context(), kari)
	if err == nil || !strings.Contains(err.Error(), "STARTTLS") {
		t.Error(err)
	}
}

// The code of a relay's answer decides whether the notice is at fault. Neither its
// text nor the address is told on.
func TestRelayRefusesOneNotice(t *testing.T) {
	for _, tt := range []struct {
		code           int
		to             bool // at the address, or at the content
		refused, later bool
	}{
		{550, true, true, false},
		{452, true, false, true},
		{421, true, false, false},
		{554, false, true, false},
		{451, false, false, true},
	} {
		r := newRelay(t, false, false)
		says := func() error { return &smtp.SMTPError{Code: tt.code, Message: "kari@hospital.example is not liked"} }
		if tt.to {
			r.onRcpt = func(string) error { return says() }
		} else {
			r.onData = func(_ net.Conn, b io.Reader) error {
				_, _ = io.Copy(io.Discard, b)
				return says()
			}
		}
		err := r.sender(t, nil).Send(t.Context(), kari)
		if err == nil || strings.Contains(err.Error(), "kari") || errors.Is(err, outbox.ErrRefused) != tt.refused || errors.Is(err, outbox.ErrLater) != tt.later {
			t.Errorf("%d: %v", tt.code, err)
		}
	}
}

// A server that stops doesn't wait for a relay that doesn't answer.
func TestSendEndsWithItsContext(t *testing.T) {
	r := newRelay(t, false, false)
	ctx, cancel := context.WithCancel(t.Context())
	r.onData = func(c net.Conn, from io.Reader) error {
		cancel()
		_, err := io.Copy(io.Discard, from)
		_, _ = c.Read(make([]byte, 1))
		return err
	}
	late := time.AfterFunc(4*time.Second, func() {})
	if err := r.sender(t, nil).Send(ctx, kari); err == nil || !late.Stop() {
		t.Errorf("too late, or %v", err)
	}
}

// What a relay took is sent, whatever the relay does then.
func TestRelayThatLeavesAfterwardsHasTheNotice(t *testing.T) {
	r := newRelay(t, false, false)
	r.leaves = true
	if err := r.sender(t, nil).Send(t.Context(), kari); err != nil || len(r.got()) != 1 {
		t.Errorf("%v, %q", err, r.got())
	}
}

// A relay that takes a mail and goes away before it has said so gets it again,
// as the same mail; one that goes away in the middle gets it later.
func TestRelayThatDropsConnectionsGetsEachNoticeAtLeastOnce(t *testing.T) {
	w := newWorld(t)
	r := newRelay(t, false, false)
	var calls atomic.Int32
	r.onData = func(c net.Conn, from io.Reader) error {
		n := calls.Add(1)
		if n == 1 {
			return c.Close()
		}
		b, err := io.ReadAll(from)
		r.take(b)
		if n == 2 {
			return c.Close()
		}
		return err
	}
	o, err := outbox.New(t.Context(), outbox.Config{
		Source: w, Values: w, NotFound: store.ErrNotFound, Sender: r.sender(t, nil), Refuge: w.refuge, Now: func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.log("IPS/conduct", "tove", trial.UnsealingProposed{})
	failed := 0
	for range 5 {
		if o.Round(t.Context()) != nil {
			failed++
		}
		w.now = w.now.Add(time.Hour)
	}
	got := map[string]int{}
	for _, m := range r.got() {
		got[m]++
	}
	if len(got) != 3 || len(r.got()) != 4 || failed != 2 {
		t.Errorf("%d notices in %d mails after %d failures: %q", len(got), len(r.got()), failed, r.got())
	}
}

func TestRelayWantsAConfigThatCanBeRight(t *testing.T) {
	for name, change := range map[string]func(*outbox.SMTPConfig){
		"no host":           func(c *outbox.SMTPConfig) { c.Host = "" },
		"no sender":         func(c *outbox.SMTPConfig) { c.From = "" },
		"sender with name":  func(c *outbox.SMTPConfig) { c.From = "Lodd <lodd@trials.example>" },
		"two senders":       func(c *outbox.SMTPConfig) { c.From = "lodd@trials.example, x@trials.example" },
		"unknown TLS":       func(c *outbox.SMTPConfig) { c.TLS = "maybe" },
		"user, no password": func(c *outbox.SMTPConfig) { c.User = "lodd" },
		"password, no user": func(c *outbox.SMTPConfig) { c.Password = "x" },
		"port":              func(c *outbox.SMTPConfig) { c.Port = 65536 },
		"no TLS elsewhere":  func(c *outbox.SMTPConfig) { c.TLS = outbox.NoTLS },
	} {
		c := outbox.SMTPConfig{Host: "relay.example", From: "lodd@trials.example"}
		if _, err := outbox.NewSMTP(c); err != nil {
			t.Fatal(err)
		}
		if change(&c); func() bool { _, err := outbox.NewSMTP(c); return err == nil }() {
			t.Errorf("%s: no error", name)
		}
	}
}
