package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/lodd-rct/lodd/server/backup"
)

// longestSocket is how many bytes the path of a socket may have everywhere.
//
// Source: unix(7): 108 bytes of sun_path with its end on Linux, 104 elsewhere.
const longestSocket = 103

// controlPath returns the socket on which a server listens for the operator of
// its own machine. Whoever may open it may read the data folder as well; nothing
// of it is on the network, so that no remote role can get at a backup.
func controlPath(data string) string { return filepath.Join(data, "control.sock") }

// control answers on the socket until ctx ends. A server that can't listen
// serves all the same, and says in its log what its operator goes without.
func (n *node) control(ctx context.Context) error {
	err := errors.Join(backup.RemoveStale(n.data), n.serveControl(ctx))
	if err != nil && ctx.Err() == nil {
		n.world.log.Error().Err(err).Msg("control")
	}
	<-ctx.Done()
	return nil
}

// serveControl listens until ctx ends. The database is locked by this process, so
// that a socket which lies there is of one that is gone.
func (n *node) serveControl(ctx context.Context) error {
	path := controlPath(n.data)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("control socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		if len(path) > longestSocket {
			return fmt.Errorf("lodd backup will work only while the server is stopped: the path %s has %d bytes, and a socket's has at most %d; use a shorter data folder", path, len(path), longestSocket)
		}
		return fmt.Errorf("lodd backup will work only while the server is stopped: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("control socket: %w", err), listener.Close())
	}
	backups := &backupHandler{node: n}
	mux := http.NewServeMux()
	mux.Handle("POST /backup", backups)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })() // cuts a backup off; its file is never given its name
	err = s.Serve(listener)
	backups.busy.Lock() // whoever closes the store next must not find it in use
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// A backupHandler sends a backup, not encrypted: it stays on the machine, and
// lodd backup encrypts it before it writes it down.
type backupHandler struct {
	node *node
	busy sync.Mutex // held while a snapshot exists
}

func (h *backupHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.busy.TryLock() {
		http.Error(w, "another backup is being made; wait for its end", http.StatusConflict)
		return
	}
	defer h.busy.Unlock()
	snapshot, err := h.node.snapshot(r.Context())
	if err != nil {
		http.Error(w, advised(h.node.data, err).Error(), http.StatusInternalServerError)
		return
	}
	err = snapshot.Write(w)
	if err = errors.Join(err, snapshot.Close()); err != nil {
		panic(http.ErrAbortHandler) // the reader must not take what was sent for the whole
	}
}

// snapshot takes a snapshot into the data folder.
func (n *node) snapshot(ctx context.Context) (*backup.Snapshot, error) {
	return backup.Take(ctx, backup.Source{Store: n.store, Log: n.log, Config: n.logged, Program: version()}, n.data, n.world.wall())
}

// errNotRunning means that no server answers on the socket of a data folder.
var errNotRunning = errors.New("no server runs on the data folder")

// askBackup asks the server of a data folder for a backup, as [backup.Read] reads
// it. It returns errNotRunning if there is none.
func askBackup(ctx context.Context, data string) (io.ReadCloser, error) {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", controlPath(data))
	}
	c := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/backup", http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), len(controlPath(data)) > longestSocket && errors.Is(err, syscall.EINVAL):
		return nil, errNotRunning
	case err != nil:
		return nil, fmt.Errorf("ask the running server: %w", err)
	case resp.StatusCode != http.StatusOK:
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // what there is of an explanation
		resp.Body.Close()
		return nil, fmt.Errorf("the running server made no backup: %s", bytes.TrimSpace(text))
	}
	return resp.Body, nil
}
