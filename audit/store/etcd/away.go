package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// away says what went wrong between here and the cluster. When time was up, the
// client doesn't say why: then the members are asked for a connection.
func (d *DB) away(ctx context.Context, what string, err error) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		for _, member := range d.config.Endpoints {
			if cause := d.knock(ctx, member); cause != nil {
				err = fmt.Errorf("%w: %s: %w", err, member, cause)
				break
			}
		}
	}
	return fmt.Errorf("%w: %s: %w", errAway, what, err)
}

// knock connects to a member, and returns why it can't.
func (d *DB) knock(ctx context.Context, member string) error {
	scheme, address, _ := strings.Cut(member, "://")
	ctx, cancel := context.WithTimeout(ctx, d.config.Patience/tries)
	defer cancel()
	if scheme != "https" {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	conn, err := (&tls.Dialer{Config: d.config.TLS}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	// A member refuses our certificate after the handshake, and else waits.
	enough := time.AfterFunc(pause, func() { conn.Close() })
	defer enough.Stop()
	if _, err := conn.Read(make([]byte, 1)); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// told are the causes that somebody has told of.
type told map[string]bool

// maxTold keeps somebody whose causes never repeat from telling for ever.
const maxTold = 16

// tell tells why the cluster can't be used, each cause once until err is nil.
func (d *DB) tell(ctx context.Context, told told, err error) {
	if err == nil {
		d.cause.Store(nil)
		clear(told)
		return
	}
	if ctx.Err() == nil {
		d.cause.Store(&err)
	}
	if cause := err.Error(); d.config.Away != nil && ctx.Err() == nil && !told[cause] && len(told) < maxTold {
		told[cause] = true
		d.config.Away(err)
	}
}

// lastCause returns why the cluster couldn't be used when it was tried last.
func (d *DB) lastCause() error {
	if cause := d.cause.Load(); cause != nil {
		return *cause
	}
	return nil
}
