package audit

import (
	"context"
	"slices"
	"sync"

	"github.com/lodd-rct/lodd/audit/store"
)

// Sizes returns the number of entries of every list at one moment: entries of
// one append are counted all or none.
func (l *Log) Sizes() map[string]int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	sizes := make(map[string]int64, len(l.heads))
	for name, h := range l.heads {
		sizes[name] = h.tree.Size()
	}
	return sizes
}

// CheckpointAt returns the signed checkpoint of the first size entries of a
// list, so that whoever copies a long list can check it piece by piece. It
// reads at most one tile and costs a signature.
func (l *Log) CheckpointAt(ctx context.Context, list string, size int64) ([]byte, error) {
	if err := checkList(list); err != nil {
		return nil, err
	}
	if now, signed, err := l.checkpoint(list); err != nil || now == size {
		return slices.Clone(signed), err
	}
	root, err := l.RootAt(ctx, list, size)
	if err != nil {
		return nil, err
	}
	return Checkpoint{Origin: l.Origin(list), Size: size, Root: root}.Sign(l.config.Signer)
}

// recentChanges is how many changes of the map are remembered.
const recentChanges = 4096

// Values is the map of a store, and remembers which of its keys have changed
// lately, so that a copy of it needn't be compared as a whole. Whoever writes
// the map must do it through the same Values. Its methods may be called
// concurrently.
type Values struct {
	store store.Store

	mu      sync.Mutex    // guards the fields below
	first   int64         // the number of the change recent[0]
	recent  []string      // the keys that changed, oldest first
	changed chan struct{} // closed, and replaced, at a change
}

// NewValues returns the map of a store.
func NewValues(s store.Store) *Values { return &Values{store: s, changed: make(chan struct{})} }

// Get returns the value of a key, as [store.Store] does.
func (v *Values) Get(ctx context.Context, key string) ([]byte, error) { return v.store.Get(ctx, key) }

// Keys returns the keys that begin with prefix, as [store.Store] does.
func (v *Values) Keys(ctx context.Context, prefix string) ([]string, error) {
	return v.store.Keys(ctx, prefix)
}

// Put sets the value of a key, as [store.Store] does.
func (v *Values) Put(ctx context.Context, key string, value []byte) error {
	defer v.note(key) // also after an error: it may have happened
	return v.store.Put(ctx, key, value)
}

// Delete removes a key, as [store.Store] does.
func (v *Values) Delete(ctx context.Context, key string) error {
	defer v.note(key)
	return v.store.Delete(ctx, key)
}

func (v *Values) note(key string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.recent = append(v.recent, key)
	if n := len(v.recent); n > 2*recentChanges { // now and then, so that it costs nothing
		v.first += int64(n - recentChanges)
		v.recent = slices.Clone(v.recent[n-recentChanges:])
	}
	close(v.changed)
	v.changed = make(chan struct{})
}

// Changed returns a channel that is closed once a value changes after the call.
func (v *Values) Changed() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.changed
}

// Since returns the keys that have changed since since, which is 0 or what an
// earlier call returned as now. It may return a key twice. Known is false if it
// is too long ago to tell: any key may have changed then.
//
// A change is known before the call that makes it returns. So whoever reads the
// sizes of a log first, and then asks for changes, learns of every key under
// which something was sealed in those entries.
func (v *Values) Since(since int64) (keys []string, now int64, known bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now = v.first + int64(len(v.recent))
	if since < v.first || since > now {
		return nil, now, false
	}
	return slices.Clone(v.recent[since-v.first:]), now, true
}
