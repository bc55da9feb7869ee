package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/server/keys"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/outbox"
	"github.com/lodd-rct/lodd/server/people"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/trial/entry"
)

// noticesConfig is the table notices of the configuration: where notices go. With
// no host each is a file in a folder.
type noticesConfig struct {
	// Folder is where notices are put that no relay takes. The default is
	// "notices" in the data folder.
	Folder string `toml:"folder"`
	// From is the address that notices come from. A relay needs one.
	From string `toml:"from"`
	// Host is the relay, for example mail.example.org, and Port its port: 587, or
	// 465 with TLS implicit, or 25 on this machine, if nothing is said.
	Host string `toml:"host"`
	Port int    `toml:"port"`
	// TLS is starttls, which is the default, or implicit; or none, which is the
	// default for a relay on this machine and possible for no other.
	TLS string `toml:"tls"`
	// User is who the server is for the relay, if it wants to know.
	User string `toml:"user"`
	// PasswordFile names a file, closed to others, whose first line is the
	// password. The default is the password itself in LODD_SMTP_PASSWORD.
	PasswordFile string `toml:"password_file"`
	// CAFile names a file of certificates in PEM that vouch for the relay. By
	// default the system's do.
	CAFile string `toml:"ca_file"`
}

// fill fills in the defaults and reports what cannot be right.
func (c *noticesConfig) fill(data string) error {
	if c.Folder == "" {
		c.Folder = filepath.Join(data, "notices")
	}
	if c.From == "" && c.Host == "" {
		c.From = "lodd@localhost"
	}
	_, _, err := c.senders("anything") // the password is read at the start
	if err != nil {
		return fmt.Errorf("notices: %w", err)
	}
	return nil
}

// senders returns where notices go, and where those go that are refused there.
func (c *noticesConfig) senders(password string) (sender, refuge outbox.Sender, err error) {
	files, err := outbox.NewFiles(c.Folder, c.From)
	if err != nil {
		return nil, nil, err
	}
	if c.Host == "" {
		if c.Port != 0 || c.TLS != "" || c.User != "" || c.PasswordFile != "" || c.CAFile != "" {
			return nil, nil, errors.New("port, tls, user, password_file and ca_file are about a relay: name it in host")
		}
		return files, files, nil
	}
	r := outbox.SMTPConfig{Host: c.Host, Port: c.Port, TLS: outbox.TLS(c.TLS), From: c.From}
	if c.User != "" {
		r.User, r.Password = c.User, password
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, nil, err
		}
		if r.Roots = x509.NewCertPool(); !r.Roots.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("%s holds no certificate in PEM", c.CAFile)
		}
	}
	relay, err := outbox.NewSMTP(r)
	return relay, files, err
}

func (c *noticesConfig) password() (string, error) {
	switch {
	case c.User == "":
		return "", nil
	case c.PasswordFile != "":
		return keys.ReadSecret(c.PasswordFile)
	}
	password := os.Getenv("LODD_SMTP_PASSWORD")
	if password == "" {
		return "", errors.New("notices: the relay's user has no password: name a file in password_file, or set LODD_SMTP_PASSWORD")
	}
	return password, nil
}

// openOutbox opens what tells people that something waits for them.
func (n *node) openOutbox(ctx context.Context, c noticesConfig) error {
	password, err := c.password()
	if err != nil {
		return err
	}
	sender, refuge, err := c.senders(password)
	if err != nil {
		return fmt.Errorf("notices: %w", err)
	}
	address := n.server.NoticeAddress
	if n.world.address != nil {
		address = n.world.address
	}
	n.outbox, err = outbox.New(ctx, outbox.Config{
		Source: &noticeSource{n.log, n.ledger, address}, Values: n.values, NotFound: store.ErrNotFound,
		Sender: sender, Refuge: refuge, Now: n.world.now,
	})
	return err
}

// notices sends notices until ctx ends. What can't be sent stays in the log, and
// is tried again and told here.
func (n *node) notices(ctx context.Context) {
	n.outbox.Run(ctx, func(err error) { n.world.log.Error().Err(err).Msg("notices") })
}

// A noticeSource is the log as the outbox reads it. It has no key, so that what
// is sealed stays so.
type noticeSource struct {
	log     *audit.Log
	ledger  *ledger.Ledger
	address func(context.Context, string) (string, bool, error)
}

// Sizes implements [outbox.Source].
func (s *noticeSource) Sizes() map[string]int64 { return s.log.Sizes() }

// Read implements [outbox.Source].
func (s *noticeSource) Read(ctx context.Context, list string, lo, hi int64) ([]entry.Entry, error) {
	stored, err := s.log.Read(ctx, list, lo, hi)
	if err != nil {
		return nil, err
	}
	entries := make([]entry.Entry, len(stored))
	for i, b := range stored {
		if entries[i], err = s.ledger.Entry(list, lo+int64(i), b); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// Site implements [outbox.Source].
func (s *noticeSource) Site(id trial.ID, p trial.ParticipantID) (site trial.SiteID, err error) {
	t, err := s.ledger.Trial(id)
	if err != nil {
		return "", err
	}
	err = t.View(func(st *trial.State) error {
		found, ok := st.Participant(p)
		if !ok {
			return fmt.Errorf("participant: %w", trial.ErrNotFound) // who isn't named in logs
		}
		site = found.Site
		return nil
	})
	return site, err
}

// People implements [outbox.Source].
func (s *noticeSource) People(f func(*people.State)) { s.ledger.People().View(f) }

// Address implements [outbox.Source].
func (s *noticeSource) Address(ctx context.Context, user string) (string, bool, error) {
	return s.address(ctx, user)
}
