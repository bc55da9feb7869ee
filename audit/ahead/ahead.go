// Package ahead makes the next values while one is used.
package ahead

import (
	"iter"
	"sync"
)

// Of yields f(0) to f(n-1) in order. While the caller uses one, the next are
// made, depth of them at once. Before it ends, it waits for what it has begun.
func Of[T any](n int64, depth int, f func(i int64) T) iter.Seq[T] {
	return func(yield func(T) bool) {
		var wg sync.WaitGroup
		defer wg.Wait()
		made := make([]chan T, depth)
		begin := func(i int64) {
			c := make(chan T, 1)
			made[i%int64(depth)] = c
			wg.Go(func() { c <- f(i) })
		}
		for i := range min(int64(depth), n) {
			begin(i)
		}
		for i := range n {
			v := <-made[i%int64(depth)]
			if i+int64(depth) < n {
				begin(i + int64(depth))
			}
			if !yield(v) {
				return
			}
		}
	}
}
