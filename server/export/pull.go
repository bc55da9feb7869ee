package export

import (
	"errors"
	"io"
	"iter"
)

// pull turns a function that writes into a reader of what it writes. The
// function runs only while somebody reads, and has ended when Close returns.
func pull(write func(io.Writer) error) io.ReadCloser {
	next, stop := iter.Pull2(func(yield func([]byte, error) bool) {
		w := &yielding{yield: yield}
		if err := write(w); err != nil && !w.stopped {
			yield(nil, err)
		}
	})
	return &pulling{next: next, stop: stop}
}

var errStopped = errors.New("export: reader is closed")

// A yielding hands over each piece that is written.
type yielding struct {
	yield   func([]byte, error) bool
	stopped bool
}

// Write implements [io.Writer].
func (w *yielding) Write(b []byte) (int, error) {
	if w.stopped || !w.yield(b, nil) {
		w.stopped = true
		return 0, errStopped
	}
	return len(b), nil
}

// A pulling reads piece by piece. A piece is gone once the next is asked for.
type pulling struct {
	next func() ([]byte, error, bool)
	stop func()
	rest []byte
	err  error
}

// Read implements [io.Reader].
func (r *pulling) Read(b []byte) (int, error) {
	for len(r.rest) == 0 && r.err == nil {
		piece, err, ok := r.next()
		if !ok {
			err = io.EOF
		}
		r.rest, r.err = piece, err
	}
	if len(r.rest) == 0 {
		return 0, r.err
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close implements [io.Closer].
func (r *pulling) Close() error {
	r.stop()
	r.rest, r.err = nil, errStopped
	return nil
}
