package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/lodd-rct/lodd/audit"
	"github.com/lodd-rct/lodd/server/authz"
)

// A config is the configuration file of lodd serve. What a flag says comes
// before it.
type config struct {
	// Data is the folder of the server's database and keys.
	Data string `toml:"data"`
	// Keys is the folder of the server's keys, best not in the same backup as
	// Data. The default is "keys" in Data.
	Keys string `toml:"keys"`
	// MasterKey is how the master key in Keys is sealed.
	MasterKey masterKeyConfig `toml:"master_key"`
	// Checkpoints is the folder of the signed heads of the log, best on another
	// disk: whoever restores an older Data together with it is not noticed by
	// the server, only by clients. The default is "checkpoints" in Data.
	Checkpoints string `toml:"checkpoints"`
	// LostCheckpoints lets the server start though the folder of checkpoints is
	// empty and the database is not.
	LostCheckpoints bool `toml:"lost_checkpoints"`
	// Store is where several servers keep one log: "etcd://" and the members of
	// an etcd cluster with commas between, "/" and a name for this group of
	// servers. Without it the database is a file in Data.
	Store string `toml:"store"`
	// Etcd is how the members are reached.
	Etcd etcdConfig `toml:"etcd"`
	// Advertise is where the other servers of the group reach this one, as
	// host:port. The default is Listen.
	Advertise string `toml:"advertise"`
	// Listen is the address to listen on, for example ":8443". The default is
	// "localhost:8443".
	Listen string `toml:"listen"`
	// Name names the server for people and in its signatures, for example
	// "lodd.example.org". It is fixed once the folder is made. The default is
	// "lodd".
	Name string `toml:"name"`
	// Addresses are where clients reach the server, as host:port; they stand in
	// invitations and in its certificate. The default is the address that it
	// listens on.
	Addresses []string `toml:"addresses"`
	// Witnesses are the public keys of those who may leave co-signatures below
	// checkpoints, as lodd witness init prints them.
	Witnesses []string `toml:"witnesses"`
	// Followers are the pins of the machines that may keep a copy of the log, as
	// lodd follow prints them.
	Followers []string `toml:"followers"`
	// CheckEvery is how often the server checks all of its log beside its work,
	// for example "24h", which is the default.
	CheckEvery duration `toml:"check_every"`
	// SessionIdle is the longest time between two calls of a session, for
	// example "30m", which is the default.
	SessionIdle duration `toml:"session_idle"`
	// SessionLife is the longest life of a session. The default is "12h".
	SessionLife duration `toml:"session_life"`
	// SignIn is what people need to sign in.
	SignIn signInConfig `toml:"sign_in"`
	// OIDC is an identity provider that vouches for people; there may be none.
	OIDC oidcConfig `toml:"oidc"`
	// Limits bound what one caller may cost.
	Limits limitsConfig `toml:"limits"`
	// Notices is where people's notices go.
	Notices noticesConfig `toml:"notices"`
	// Metrics is where this machine, and no other, may read metrics, for example
	// "127.0.0.1:9090". Without it nothing is counted.
	Metrics string `toml:"metrics"`
}

// A duration is written as package time writes it: "30m".
type duration time.Duration

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is no duration, want for example 30m or 12h", text)
	}
	*d = duration(v)
	return nil
}

// load reads a configuration file. A key that isn't known is an error: whoever
// wrote it believes that it is set.
func load(path string) (config, error) {
	var c config
	md, err := toml.DecodeFile(path, &c)
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("read configuration: %w", err)
	}
	if err != nil {
		return c, fmt.Errorf("read configuration %s: %w", path, err)
	}
	if unknown := md.Undecoded(); len(unknown) > 0 {
		return c, fmt.Errorf("%s: unknown key %v", path, unknown[0])
	}
	return c, nil
}

// check fills in the defaults and reports what cannot be right.
func (c *config) check() error {
	if c.Data == "" {
		return errors.New("no data folder is named: give --data DIR or data in the configuration")
	}
	if c.Keys == "" {
		c.Keys = filepath.Join(c.Data, "keys")
	}
	if c.Checkpoints == "" {
		c.Checkpoints = filepath.Join(c.Data, "checkpoints")
	}
	if c.Listen == "" {
		c.Listen = "localhost:8443"
	}
	if c.Name == "" {
		c.Name = "lodd"
	}
	if c.CheckEvery == 0 {
		c.CheckEvery = duration(24 * time.Hour)
	}
	for _, a := range append([]string{c.Listen}, c.Addresses...) {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return fmt.Errorf("address %q: want host:port, for example lodd.example.org:8443", a)
		}
	}
	for _, pin := range c.Followers {
		if _, err := authz.ParsePin(pin); err != nil {
			return fmt.Errorf("followers: %w", err)
		}
	}
	if _, err := c.witnesses(); err != nil {
		return err
	}
	if err := c.checkSignIn(); err != nil {
		return err
	}
	if err := errors.Join(c.Limits.check(), checkMetrics(c.Metrics)); err != nil {
		return err
	}
	if err := c.Notices.fill(c.Data); err != nil {
		return err
	}
	return c.checkStore()
}

// witnesses returns what verifies the co-signatures of each witness.
func (c *config) witnesses() ([]*audit.CosignatureVerifier, error) {
	var known []*audit.CosignatureVerifier
	for _, key := range c.Witnesses {
		w, err := audit.NewCosignatureVerifier(key)
		if err != nil {
			return nil, fmt.Errorf("witnesses: %w", err)
		}
		if slices.ContainsFunc(known, func(k *audit.CosignatureVerifier) bool { return k.String() == w.String() }) {
			return nil, fmt.Errorf("witnesses: %s stands there twice", key)
		}
		known = append(known, w)
	}
	return known, nil
}
