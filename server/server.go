// Package server serves the API over gRPC.
//
// A call walks through the interceptors in chain order: one log line, recovery,
// session, limits, what couldn't be read, second factor, permission, direct
// identifiers, deadline, translation of errors. A service then parses, calls the
// ledger, and answers: it logs nothing and knows no status code.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/rs/zerolog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"

	"github.com/lodd-rct/lodd/audit"
	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/authz"
	"github.com/lodd-rct/lodd/server/keys"
	"github.com/lodd-rct/lodd/server/ledger"
	"github.com/lodd-rct/lodd/server/telemetry"
	"github.com/lodd-rct/lodd/server/trial"
	"github.com/lodd-rct/lodd/server/vault"
)

// Config is what a server is made of. Every field is required, save where a
// default is named.
type Config struct {
	Ledger *ledger.Ledger
	Log    *audit.Log // the one below the ledger
	Vault  *vault.Vault
	Keys   *keys.Keys

	// Credentials keep the sealed password hashes and second factors, under names
	// that begin with "cred/" and "factor/", co-signed checkpoints, under "witness/",
	// which losses are noted, under "restored/", and which trials were unsealed, under [UnsealedPrefix]. They are no
	// part of the log, so that they can be replaced.
	Credentials Map
	// NotFound is what Credentials.Get's error wraps if there is no value.
	NotFound error

	// Witnesses may leave their signatures below checkpoints; there may be none.
	Witnesses []*audit.CosignatureVerifier

	// Followers are the pins of the machines that may keep a copy of the log and of
	// the map; there may be none. Values is the map that they copy: everything
	// that writes the map does it through Values.
	Followers []string
	Values    *audit.Values

	// Name is what people know the server by, and Addresses are where clients
	// reach it, as host:port, best first; both stand in invitations.
	Name      string
	Addresses []string
	// Version is the version of the program. No export tells it: the same lock has
	// the same bytes after an update.
	Version string

	// SignIn says how people sign in; without it, with passwords and second factors.
	SignIn SignIn
	// Passwords and Sessions have defaults; their Random is filled in.
	Passwords authn.PasswordConfig
	Sessions  authn.SessionConfig
	// Limits bound what one caller may cost; they have defaults.
	Limits Limits
	// Metrics count what the server does; they may be nil.
	Metrics *telemetry.Metrics
	// DiskLow reports whether the disk is nearly full, so that no new trial begins;
	// it may be nil.
	DiskLow func() bool
	// Fenced is told of each trial that waits for its reconciliation, when the server
	// is made and when somebody shows a head that it lacks; it may be nil.
	Fenced func(trial.ID)
	// Stats is told of every call, for metrics; it may be nil.
	Stats stats.Handler

	Now    func() time.Time
	Random io.Reader      // crypto/rand.Reader outside tests; safe for concurrent use
	Logger zerolog.Logger // without a timestamp of its own: each line has one
}

// A Map is a small mutable map. Put returns when the value is durable.
type Map interface {
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, value []byte) error
}

func (c Config) check() error {
	switch {
	case c.Ledger == nil || c.Log == nil || c.Vault == nil || c.Keys == nil:
		return errors.New("server: Ledger, Log, Vault and Keys are needed")
	case c.Credentials == nil || c.NotFound == nil || c.Now == nil || c.Random == nil:
		return errors.New("server: Credentials, NotFound, Now and Random are needed")
	case len(c.Followers) > 0 && c.Values == nil:
		return errors.New("server: Followers need Values")
	case !c.Limits.ok():
		return errors.New("server: a limit is negative")
	}
	return nil
}

// A Server is a gRPC server of the API.
type Server struct {
	core      *core
	grpc      *grpc.Server
	deadlines *deadlines
}

// New returns a server. It refuses to be made while a method of the API has no
// permission beside it. It doesn't own what the config holds: the caller closes
// ledger and log after Stop.
func New(c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	k, err := newCore(c)
	if err != nil {
		return nil, err
	}
	if _, err := k.invite("rehearsal"); err != nil { // now, and not when somebody is to be invited
		return nil, err
	}
	if k.bootstrap, err = k.newBootstrap(); err != nil {
		return nil, err
	}
	methods, err := authz.Methods()
	if err != nil {
		return nil, err
	}
	followers, err := c.followers()
	if err != nil {
		return nil, err
	}
	if k.guard, err = authz.New(authz.Config{Methods: methods, People: k.people.View, Now: k.now, Trial: k.knows, Followers: followers}); err != nil {
		return nil, err
	}
	c.tellFenced(ledger.System)
	c.Limits = c.Limits.withDefaults()
	open, d := newStreams(c.Limits), &deadlines{limits: c.Limits}
	s := &Server{k, grpc.NewServer(append(transport(c), chain(c, k, open, d)...)...), d}
	k.register(s.grpc)
	if err := c.Metrics.Watch(k.gauges(open)); err != nil {
		return nil, err
	}
	return s, nil
}

// transport returns how connections are made and bounded. There is neither
// reflection nor channelz, nor a compressor that could be bombed.
func transport(c Config) []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.Creds(credentials.NewTLS(c.tls())),
		grpc.ConnectionTimeout(20 * time.Second),
		grpc.MaxRecvMsgSize(4 << 20),
		grpc.MaxHeaderListSize(32 << 10),
		grpc.MaxConcurrentStreams(128),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: time.Hour, Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: time.Minute}),
		grpc.InTapHandle(leashed(c.Limits.Message)),
		grpc.ForceServerCodecV2(newTolerant()),
	}
	if c.Stats != nil {
		options = append(options, grpc.StatsHandler(c.Stats))
	}
	return options
}

// chain returns the interceptors, outermost first. The log sees every call, a
// panic too; only the handler's own errors are translated.
func chain(c Config, k *core, open *streams, d *deadlines) []grpc.ServerOption {
	log := callLog{c.Logger, c.Now, c.Random, c.Metrics}
	gate := authn.Gate{Sessions: k.sessions, Now: c.Now, Open: withHealth(k.guard.Public())}
	about, limited := check(learn), limit(c.Limits, c.Now)
	allow, content := orHealth(k.guard.Allow), check(noIdentifiers)
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(
			log.unary, recoverUnary, held(c.Limits), gate.Unary, about.unary, limited.unary, check(readable).unary, check(k.strong).unary,
			allow.unary, content.unary, d.unary, translateUnary),
		grpc.ChainStreamInterceptor(
			log.stream, recoverStream, gate.Stream, about.stream, limited.stream, check(readable).stream, check(k.strong).stream,
			allow.stream, content.stream, open.stream, translateStream),
	}
}

// BootstrapInvite returns the invite that makes the first administrator, and
// whether there is one: only while there is no account. It is made anew at each
// start, kept in memory only, and works once.
func (s *Server) BootstrapInvite() (string, bool) {
	s.core.joining.Lock()
	defer s.core.joining.Unlock()
	return s.core.bootstrap.invite, s.core.bootstrap.open()
}

// Serve answers calls on l until Stop, and closes it. After Stop it returns nil.
func (s *Server) Serve(l net.Listener) error {
	if err := s.grpc.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("server: %w", err)
	}
	return nil
}

// tls returns how connections are secured. A follower shows a certificate of its
// own; nobody else is asked for one where there are none.
func (c Config) tls() *tls.Config {
	t := c.Keys.TLS()
	if len(c.Followers) > 0 {
		t.ClientAuth = tls.RequestClientCert
	}
	return t
}

func (c Config) followers() ([]authz.Pin, error) {
	var pins []authz.Pin
	for _, text := range c.Followers {
		pin, err := authz.ParsePin(text)
		if err != nil {
			return nil, fmt.Errorf("server: follower: %w", err)
		}
		pins = append(pins, pin)
	}
	return pins, nil
}

// Stop takes no more calls, waits for those that run, and cuts them off when
// ctx is done.
func (s *Server) Stop(ctx context.Context) {
	s.core.stop() // streams that have no end by themselves
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
	s.deadlines.wait(ctx)
}

// register adds the services.
func (k *core) register(s *grpc.Server) {
	exporting := newQueue(exportsAtOnce, exportsWaiting) // one for all that hold a trial's past
	loddv1.RegisterSessionServiceServer(s, &sessionService{core: k})
	loddv1.RegisterPeopleServiceServer(s, &peopleService{core: k})
	loddv1.RegisterTrialServiceServer(s, &trialService{core: k})
	loddv1.RegisterScreeningServiceServer(s, &screeningService{core: k})
	loddv1.RegisterRandomizationServiceServer(s, &randomizationService{core: k})
	loddv1.RegisterDeliveryServiceServer(s, &deliveryService{core: k})
	loddv1.RegisterAssessmentServiceServer(s, &assessmentService{core: k})
	loddv1.RegisterParticipantServiceServer(s, &participantService{core: k})
	loddv1.RegisterSealingServiceServer(s, &sealingService{core: k})
	loddv1.RegisterUnsealingServiceServer(s, &unsealingService{core: k, exporting: exporting})
	loddv1.RegisterUnblindingServiceServer(s, &unblindingService{core: k})
	loddv1.RegisterSafetyServiceServer(s, &safetyService{core: k})
	loddv1.RegisterReviewServiceServer(s, &reviewService{core: k})
	loddv1.RegisterFollowServiceServer(s, &followService{core: k})
	loddv1.RegisterExportServiceServer(s, &exportService{core: k, exporting: exporting})
	loddv1.RegisterAuditServiceServer(s, &auditService{core: k})
	grpc_health_v1.RegisterHealthServer(s, &healthService{core: k})
}

// knows reports whether there is a trial of this name.
func (k *core) knows(id string) bool {
	_, err := k.ledger.Trial(trial.ID(id))
	return err == nil
}
