package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// A match measures contenders with one number of callers.
type match struct {
	contenders []contender
	callers    int
	rounds     int
	turn       time.Duration
	dir        string
}

// A player is a contender that takes part.
type player struct {
	contender
	peer    peer
	callers int
	rates   []float64 // entries a second, of each round
	waits   []time.Duration
}

// play opens all, lets them take turns and prints the table. It names who is
// missing if it is told to.
func (m match) play(ctx context.Context, name bool) (err error) {
	var players []*player
	defer func() {
		for _, p := range players {
			err = errors.Join(err, p.peer.close())
		}
	}()
	for i, c := range m.contenders {
		dir := filepath.Join(m.dir, fmt.Sprint(i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		callers := m.callers
		if c.together > 0 {
			callers = 1
		}
		p, err := c.open(ctx, dir, callers)
		if errors.Is(err, errMissing) {
			if name {
				fmt.Printf("left out: %s: %v\n", c.name, err)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		players = append(players, &player{contender: c, peer: p, callers: callers})
	}
	for range m.rounds {
		for _, p := range players {
			if err := p.turn(ctx, m.turn); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	return m.print(players)
}

// turn appends for a while from all callers.
func (p *player) turn(ctx context.Context, d time.Duration) error {
	var wg sync.WaitGroup
	var mu sync.Mutex // guards what follows
	var waits []time.Duration
	var failed error
	begin := time.Now()
	for c := range p.callers {
		wg.Go(func() {
			mine, err := p.calls(ctx, c, begin.Add(d))
			mu.Lock()
			defer mu.Unlock()
			waits, failed = append(waits, mine...), errors.Join(failed, err)
		})
	}
	wg.Wait()
	p.rates = append(p.rates, float64(len(waits)*max(1, p.together))/time.Since(begin).Seconds())
	p.waits = append(p.waits, waits...)
	return failed
}

func (p *player) calls(ctx context.Context, caller int, until time.Time) ([]time.Duration, error) {
	var waits []time.Duration
	entry := make([]byte, entrySize)
	for i := 0; time.Now().Before(until); i++ {
		copy(entry, fmt.Sprintf("%d %d %d", caller, i, time.Now().UnixNano()))
		begin := time.Now()
		if err := p.peer.append(ctx, caller, entry); err != nil {
			return waits, err
		}
		waits = append(waits, time.Since(begin))
	}
	return waits, nil
}

// print writes one table. A rate is the median of the rounds. Ratios are that of
// the rates, Lodd's log in one trial over the line's; the rate in percent of
// that of 64 records a sync; and the latencies over those of a single fdatasync.
func (m match) print(players []*player) error {
	fmt.Printf("\n%d callers, %d rounds of %v\n", m.callers, m.rounds, m.turn)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tentries/s\tLodd's log is × as fast\t% of 64 a sync\tp50 µs\tp99 µs\tp50 / fdatasync\tp99 / fdatasync\t")
	disk, some, ours := players[0], players[1], players[first]
	for _, p := range players {
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.1f\t%d\t%d\t%.1f\t%.1f\t\n",
			p.name, p.rate(), ours.rate()/p.rate(), 100*p.rate()/some.rate(),
			p.wait(50).Microseconds(), p.wait(99).Microseconds(),
			float64(p.wait(50))/float64(disk.wait(50)), float64(p.wait(99))/float64(disk.wait(99)))
	}
	return w.Flush()
}

func (p *player) rate() float64 {
	sorted := slices.Sorted(slices.Values(p.rates))
	return sorted[len(sorted)/2]
}

// wait returns a percentile of how long calls took.
func (p *player) wait(percent int) time.Duration {
	slices.Sort(p.waits)
	return p.waits[(len(p.waits)-1)*percent/100]
}
