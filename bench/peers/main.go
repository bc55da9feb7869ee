// Command peers measures how many entries a second, and how soon, several
// stores keep durably: the log of this project beside the disk itself, a naive
// use of the same engine, immudb, PostgreSQL and etcd. All write the same
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
	// single marks one that is measured with one caller only.
	single bool
	// open returns the peer in an empty folder, or an error that wraps
	// errMissing if it isn't installed.
	open func(ctx context.Context, dir string, callers int) (peer, error)
}

var errMissing = errors.New("not installed")

// contenders returns all peers. The first is the measure of the disk, the
// second what the others are compared with.
func contenders() []contender {
	return []contender{
		{"append + fdatasync, 256 B", true, openRaw(1)},
		{"Lodd's log, one trial", false, openOneTrial},
		{"Lodd's log, a trial each", false, openTrialEach},
		{"append + fdatasync, 64 × 256 B", true, openRaw(64)},
		{"bbolt, a transaction an entry", false, openNaive},
		{"immudb 1.10 embedded, sync frequency 0", false, openImmudb},
		{"PostgreSQL, insert", false, openPostgres(insert)},
		{"PostgreSQL, hash chain and unique id", false, openPostgres(chain)},
		{"etcd × 3, put", false, openEtcd},
		{"Lodd's log on etcd × 3, one trial", false, openLoddEtcd},
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
	only := flag.String("only", "", "measure only those whose name holds this `text`, and the first two")
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
		m.contenders = chosen(*only, n)
		if err := m.play(ctx, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// chosen returns whom to measure with so many callers.
func chosen(only string, callers int) []contender {
	var out []contender
	for i, c := range contenders() {
		if c.single && callers > 1 && i > 0 || i > 1 && !strings.Contains(c.name, only) {
			continue
		}
		out = append(out, c)
	}
	return out
}
