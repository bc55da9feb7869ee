// Command peers measures how many entries a second, and how soon, several
// stores keep durably: the log of this project beside the disk itself, a naive
// use of the same engine, immudb, tessera, PostgreSQL and etcd. All write the same
// entries to the same disk in one run, in turns, so that the ratios mean
// something where the times don't. What isn't installed is named and left out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// entrySize is the bytes of one entry, as in the design's measurements.
const entrySize = 236

// A peer is a store under measurement.
type peer interface {
	// append keeps one entry and returns when it is durable. Callers are
	// numbered from 0 and call one at a time each.
	append(ctx context.Context, caller int, entry []byte) error
	close() error
}

// A contender is a peer by its name.
type contender struct {
	name string
	// together is how many entries an append keeps, which then has one caller
	// only; 0 is one entry and every caller.
	together int
	// open returns the peer in an empty folder, or an error that wraps
	// errMissing if it isn't installed.
	open func(ctx context.Context, dir string, callers int) (peer, error)
}

var errMissing = errors.New("not installed")

// first is the number of the contender with which the others are compared.
const first = 2

// contenders returns all peers. The first two are the measures of the disk, the
// third is what the others are compared with.
func contenders() []contender {
	return []contender{
		{"append + fdatasync, 256 B", 1, openRaw(1)},
		{"append + fdatasync, 64 × 256 B", 64, openRaw(64)},
		{"Lodd's log, one trial", 0, openOneTrial},
		{"Lodd's log, a trial each", 0, openTrialEach},
		{"bbolt, a transaction an entry", 0, openNaive},
		{"immudb 1.10 embedded, sync frequency 0", 0, openImmudb},
		{"tessera on POSIX files, 1 ms batches", 0, openTessera},
		{"PostgreSQL, insert", 0, openPostgres(insert)},
		{"PostgreSQL, hash chain and unique id", 0, openPostgres(chain)},
		{"etcd × 3, put", 0, openEtcd},
		{"Lodd's log on etcd × 3, one trial", 0, openLoddEtcd},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "peers: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	callers := flag.String("callers", "1,16,64,256", "numbers of callers, separated by commas")
	rounds := flag.Int("rounds", 5, "rounds, in which all take turns")
	turn := flag.Duration("turn", time.Second, "length of a turn")
	only := flag.String("only", "", "measure only those whose name holds this `text`, and the first three")
	dir := flag.String("dir", "", "folder on the disk to be measured (default a temporary one)")
	flag.Parse()

	base, err := os.MkdirTemp(*dir, "peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(base)
	if err := os.Chmod(base, 0o755); err != nil { // PostgreSQL runs as a user of its own
		return err
	}
	for i, text := range strings.Split(*callers, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("callers %q: want a number from 1", text)
		}
		m := match{callers: n, rounds: *rounds, turn: *turn, dir: filepath.Join(base, text)}
		m.contenders = chosen(*only)
		if err := m.play(ctx, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// chosen returns whom to measure.
func chosen(only string) []contender {
	var out []contender
	for i, c := range contenders() {
		if i <= first || strings.Contains(c.name, only) {
			out = append(out, c)
		}
	}
	return out
}
