package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
)

// tiles is a tile-based transparency log in files, which writes what has come in
// a millisecond together. An entry is answered once it has a durable place in the
// log; the signed checkpoint follows.
type tiles struct {
	log      *tessera.Appender
	shutdown func(context.Context) error
	cancel   context.CancelFunc
}

func openTessera(ctx context.Context, dir string, _ int) (peer, error) {
	signer, _, err := newKey()
	if err != nil {
		return nil, err
	}
	driver, err := posix.New(ctx, posix.Config{Path: filepath.Join(dir, "tessera")})
	if err != nil {
		return nil, err
	}
	o := tessera.NewAppendOptions().WithCheckpointSigner(signer).WithBatching(1024, time.Millisecond).
		WithCheckpointInterval(time.Second)
	ctx, cancel := context.WithCancel(ctx)
	log, shutdown, _, err := tessera.NewAppender(ctx, driver, o)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("tessera: %w", err)
	}
	return &tiles{log, shutdown, cancel}, nil
}

func (t *tiles) append(ctx context.Context, _ int, entry []byte) error {
	_, err := t.log.Add(ctx, tessera.NewEntry(entry))()
	return err
}

func (t *tiles) close() error {
	defer t.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := t.shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil // what was measured is over
}
