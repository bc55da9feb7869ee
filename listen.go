package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
)

// listen begins to listen, if the node doesn't already.
func (n *node) listen(c config) (err error) {
	if n.listener != nil {
		return nil
	}
	if n.listener, err = net.Listen("tcp", c.Listen); err != nil {
		return fmt.Errorf("%w: give with --listen HOST:PORT an address of this machine, and a port on which nothing else listens", err)
	}
	return nil
}

// hosts returns the host names of every address, for the certificate.
func hosts(c config) []string {
	var out []string
	for _, a := range append(slices.Clone(c.Addresses), c.Listen) {
		if host, _, err := net.SplitHostPort(a); err == nil && host != "" {
			out = append(out, host)
		}
	}
	return out
}

// address returns where the server listens.
func (n *node) address() string { return n.listener.Addr().String() }

// holds reports whether a folder has a file of this name.
func holds(dir, name string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// isReplica reports whether a data folder is that of a server in a cluster.
func isReplica(dir string) bool {
	is, _ := holds(dir, "replica.db")
	return is
}

// inUse refuses a folder that no server has ever had as its data folder. The
// flag is the one that names it.
func inUse(flag, dir string) error {
	alone, err := holds(dir, "lodd.db")
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", flag, err)
	case alone, isReplica(dir):
		return nil
	}
	return fmt.Errorf("%s: there is no database in %s: give the folder that holds lodd.db", flag, dir)
}
