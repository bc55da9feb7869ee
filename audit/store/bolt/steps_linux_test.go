package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/lodd-rct/lodd/audit/store"
	"github.com/lodd-rct/lodd/audit/store/bolt"
)

// A step is a write of a worker, and whether it has happened. What isn't once,
// is done until that succeeds.
type step struct {
	do    func(context.Context, *bolt.DB) error
	holds func(contents) bool
	once  bool
}

// contents are what a store holds after some of the steps.
type contents struct {
	a, b int64
	k    string // "none" if the key isn't there
}

func appended(at int64, n, size int) step {
	parts := []store.Part{{List: "a", At: at, Records: records(n, size)}, {List: "b", At: at, Records: records(n, 1)}}
	return step{
		func(ctx context.Context, db *bolt.DB) error { return db.Append(ctx, parts...) },
		func(c contents) bool { return c.a == at+int64(n) && c.b == c.a },
		true,
	}
}

func put(value string) step {
	return step{
		func(ctx context.Context, db *bolt.DB) error { return db.Put(ctx, "k", []byte(value)) },
		func(c contents) bool { return c.k == value },
		false,
	}
}

func deleted() step {
	return step{
		func(ctx context.Context, db *bolt.DB) error { return db.Delete(ctx, "k") },
		func(c contents) bool { return c.k == "none" },
		false,
	}
}

// steps make the file grow twice, and replace and delete a value.
func steps() []step {
	return []step{
		appended(0, 3, 100), put("first-value"), appended(3, 20, 1500), put("second-value"),
		appended(23, 40, 2000), deleted(), appended(63, 1, 1),
	}
}

func held(ctx context.Context, db *bolt.DB) (c contents, err error) {
	var errA, errB error
	c.a, errA = db.Len(ctx, "a")
	c.b, errB = db.Len(ctx, "b")
	_, readErr := db.Read(ctx, "a", 0, c.a)
	v, err := db.Get(ctx, "k")
	if c.k = string(v); errors.Is(err, store.ErrNotFound) {
		c.k, err = "none", nil
	}
	return c, errors.Join(errA, errB, readErr, err)
}

// keepStore does the steps, whatever fails, and tells what became of each.
func (j *job) keepStore(name string) {
	db := j.opened(name)
	for i, s := range steps() {
		db = j.step(name, db, i, s)
	}
	j.has(db)
	j.must(db.Close())
}

// step does one step until it has happened.
func (j *job) step(name string, db *bolt.DB, i int, s step) *bolt.DB {
	for try := range 10 {
		before := s.holds(j.has(db))
		err := s.do(j.ctx, db)
		switch {
		case err == nil:
			j.has(db)
			return db
		case errors.Is(err, store.ErrUnknown):
			j.tell("unknown: step %d: %v", i, err)
			db.Close()
			db = j.opened(name)
			if s.once && s.holds(j.has(db)) {
				return db
			}
		case errors.Is(err, store.ErrFull):
			j.tell("full: step %d: %v", i, err)
			if s.holds(j.has(db)) && !before {
				j.tell("lie: step %d has happened: %v", i, err)
			}
			if try > 2 {
				j.tell("free")
			}
		default:
			j.tell("lie: step %d: neither full nor unknown: %v", i, err)
		}
	}
	panic(fmt.Sprintf("step %d never happened", i))
}

// opened opens the store, perhaps after several attempts.
func (j *job) opened(name string) *bolt.DB {
	for try := range 5 {
		db, err := bolt.Open(filepath.Join(j.dir, name), small)
		if err == nil {
			return db
		}
		j.tell("refused: %v", err)
		if try > 1 {
			j.tell("free")
		}
	}
	panic("the store doesn't open")
}

// has tells what the store holds.
func (j *job) has(db *bolt.DB) contents {
	c, err := held(j.ctx, db)
	j.must(err)
	j.tell("has %d %d %s", c.a, c.b, c.k)
	return c
}

// reopenStore tells what is there after another worker was killed.
func (j *job) reopenStore(name string) {
	db := j.opened(name)
	j.has(db)
	j.must(db.Close())
}
