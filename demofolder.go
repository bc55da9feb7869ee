package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A seedFlag is a seed on the command line.
type seedFlag struct{ seed *uint64 }

func (f seedFlag) String() string {
	if f.seed == nil {
		return "0"
	}
	return strconv.FormatUint(*f.seed, 10)
}

// Set says itself what is wanted: strconv speaks to programmers.
func (f seedFlag) Set(text string) (err error) {
	if *f.seed, err = strconv.ParseUint(text, 10, 64); err != nil {
		return errors.New("want a whole number, for example 7")
	}
	return nil
}

func (seedFlag) Type() string { return "uint64" }

// check reports what is wrong with the flags.
func (o demoOptions) check() error {
	if !isLoopback(o.listen) {
		return fmt.Errorf("--listen %q is no loopback address with a port, and a demo's passwords are known to all: give for example --listen localhost:8443", o.listen)
	}
	for _, f := range []struct{ flag, dir string }{{"--keep-data", o.keep}, {"--out", o.out}} {
		if f.dir == "" {
			continue
		}
		files, err := os.ReadDir(f.dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("%s: %w", f.flag, err)
		case len(files) > 0:
			return fmt.Errorf("%s: %s is not empty, and is left as it is: name a new folder", f.flag, f.dir)
		}
	}
	return nil
}

// isLoopback reports whether an address is one that only this machine reaches.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// demoPrefix is how the temporary folders of demos are named.
const demoPrefix = "lodd-demo-"

// folders returns the data folder and the folder for what is kept, and how to
// clean up. It says where they are: a demo that is killed leaves its own.
func (o demoOptions) folders() (data, out string, clean func(), err error) {
	data, out, clean = o.keep, o.out, func() {}
	if data == "" || out == "" {
		o.tellOlder()
		temp, err := os.MkdirTemp("", demoPrefix)
		if err != nil {
			return "", "", nil, err
		}
		fmt.Fprintf(o.stderr, "lodd: the demo lies in %s, which is removed at its end\n", temp)
		clean = func() { os.RemoveAll(temp) }
		if data == "" {
			data = filepath.Join(temp, "data")
		}
		if out == "" {
			out = filepath.Join(temp, "out")
		}
	}
	for _, dir := range []string{data, out, filepath.Join(out, "checkpoints")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			clean()
			return "", "", nil, err
		}
	}
	return data, out, clean, nil
}

// tellOlder says which folders other demos have left, or still use.
func (o demoOptions) tellOlder() {
	files, _ := os.ReadDir(os.TempDir()) // MkdirTemp says what is wrong with it
	var older []string
	for _, f := range files {
		if f.IsDir() && strings.HasPrefix(f.Name(), demoPrefix) {
			older = append(older, filepath.Join(os.TempDir(), f.Name()))
		}
	}
	if len(older) > 0 {
		fmt.Fprintf(o.stderr, "lodd: other demos lie in %s: remove the folders of those that were killed\n", strings.Join(older, ", "))
	}
}
