package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// Unchecked is a receipt that could not be checked, though what was asked for is
// done, or a log that couldn't be, though the server goes on answering.
type Unchecked struct {
	// Trial is the trial whose log it is.
	Trial string

	// Receipt was kept, and is checked at the next chance. Its list is empty if
	// it is the log that couldn't be checked.
	Receipt

	// Err is why; it tells nothing about the log.
	Err error
}

// remembers reports whether there is what it takes to be a witness of the log.
func (c *Client) remembers() bool { return c.verifier != nil && c.config.Checkpoints != "" }

// checkKey marks the context of the calls by which the client checks.
type checkKey struct{}

// checking returns a context for such calls. They get no more time than one
// attempt of another call: a check must not keep anybody from working.
func (c *Client) checking(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithValue(ctx, checkKey{}, true), c.config.Attempt)
}

// unary is the outer interceptor of calls with one answer.
func (c *Client) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if !c.remembers() || ctx.Value(checkKey{}) != nil {
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	trial := trialOf(req)
	why, err := c.first(ctx, trial)
	if err != nil {
		return err
	}
	if err := invoke(ctx, method, req, reply, cc, opts...); err != nil {
		return err
	}
	if err := c.answered(ctx, method, trial, why); err != nil {
		return err
	}
	return c.checkAnswer(ctx, method, req, reply)
}

// stream is the outer interceptor of calls with many answers.
func (c *Client) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if !c.remembers() || ctx.Value(checkKey{}) != nil {
		return open(ctx, desc, cc, method, opts...)
	}
	ctx, cancel := context.WithCancel(ctx)
	s, err := open(ctx, desc, cc, method, opts...)
	if err != nil {
		cancel()
		return nil, err
	}
	return &checkedStream{ClientStream: s, client: c, cancel: cancel, method: method}, nil
}

// A checkedStream makes sure of the log before it sends its request.
type checkedStream struct {
	grpc.ClientStream
	client *Client
	cancel context.CancelFunc // lets go of the stream
	method string

	trial string
	why   error // what kept the log of the trial from being checked; nil once it was told
}

// SendMsg implements grpc.ClientStream.
func (s *checkedStream) SendMsg(m any) error {
	var err error
	s.trial = trialOf(m)
	if s.why, err = s.client.first(s.Context(), s.trial); err != nil {
		s.cancel()
		return err
	}
	return s.ClientStream.SendMsg(m)
}

// RecvMsg implements grpc.ClientStream.
func (s *checkedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil || errors.Is(err, io.EOF) {
		why := s.why
		s.why = nil
		if wrong := s.client.answered(s.Context(), s.method, s.trial, why); wrong != nil {
			err = wrong
		}
	}
	if err != nil {
		s.cancel()
	}
	return err
}

// trialOf returns the trial that a request is about; empty if it names none.
func trialOf(req any) string {
	if r, ok := req.(interface{ GetTrialId() string }); ok {
		return r.GetTrialId()
	}
	return ""
}

// answered is told that a call about a trial succeeded, though something kept
// its log from being checked. Whoever may make such a call may check conduct: a
// server that answers the one and denies the other has something to hide.
// Whatever else it was is told once.
func (c *Client) answered(ctx context.Context, method, trial string, why error) error {
	if why == nil {
		return nil
	}
	if _, ok := errors.AsType[*deniedError](why); ok && !withoutRole(method) {
		err := c.again(ctx, trial) // the role may have begun since
		if _, denied := errors.AsType[*deniedError](err); denied {
			list := trial + "/conduct"
			seen, seenErr := c.seen(list)
			if seenErr != nil {
				return seenErr
			}
			err = c.found(finding{List: list, Remembered: seen.signed, Problem: fmt.Sprintf(
				"the server answers calls about the trial, but doesn't let this list be checked any more (%v), which everybody in the trial may", why)})
		}
		if wrong, ok := errors.AsType[*LogError](err); ok {
			return c.refuse(trial, wrong)
		}
		if why = err; why == nil {
			return nil
		}
	}
	c.trials.mu.Lock()
	t := c.trials.of(trial)
	told := t.told
	t.told = true
	c.trials.mu.Unlock()
	if !told && c.config.OnUnchecked != nil {
		c.config.OnUnchecked(Unchecked{Trial: trial, Err: why})
	}
	return nil
}

// again follows conduct once more.
func (c *Client) again(ctx context.Context, trial string) error {
	ctx, cancel := c.checking(ctx)
	defer cancel()
	return denied(c.refollow(ctx, trial, trial+"/conduct"))
}

// withoutRole reports whether a method is for people who have no role in the
// trial, such as an administrator, who may not check its log.
func withoutRole(method string) bool {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + name))
	if err != nil {
		return true
	}
	need, _ := proto.GetExtension(d.Options(), loddv1.E_Permission).(loddv1.Permission)
	return slices.Contains([]loddv1.Permission{
		loddv1.Permission_PERMISSION_UNSPECIFIED, loddv1.Permission_PERMISSION_PUBLIC, loddv1.Permission_PERMISSION_SESSION,
		loddv1.Permission_PERMISSION_ADMINISTER, loddv1.Permission_PERMISSION_GRANT, loddv1.Permission_PERMISSION_READ_TRIAL,
	}, need)
}

// isRemote reports whether an error came from the server, or from the way to it.
func isRemote(err error) bool {
	_, refusal := errors.AsType[*Error](err)
	_, stranger := errors.AsType[*CertificateError](err)
	return refusal || stranger || errors.Is(err, ErrNotReached) || errors.Is(err, ErrOutcomeUnknown)
}

// isClosed reports whether an error says that the account may not see a list.
func isClosed(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Code == codes.NotFound || e.Code == codes.PermissionDenied) && !errors.Is(err, ErrNotReached)
}

// A deniedError says that the server doesn't let conduct be checked.
type deniedError struct{ error }

func (e *deniedError) Unwrap() error { return e.error }

// denied marks such an error.
func denied(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && (isClosed(err) || e.Code == codes.Unimplemented) {
		return &deniedError{err}
	}
	return err
}
