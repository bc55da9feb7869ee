package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
)

// Model takes a number of random steps with a new store and with a [Memory], and
// returns an error if they answer differently: appends that fit and that don't,
// reads, the map, snapshots, and closing and opening again. Draw returns a number
// in [0, n) and decides everything, so that a library for property tests can
// find the shortest run that fails:
//
//	rapid.Check(t, func(rt *rapid.T) {
//		draw := func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "choice") }
//		if err := storetest.Model(t, fresh(t), 30, draw); err != nil {
//			rt.Fatal(err)
//		}
//	})
func Model(t testing.TB, open Open, steps int, draw func(n int) int) error {
	t.Helper()
	m := &pair{ctx: t.Context(), draw: draw, got: open(t), want: &Memory{}}
	defer func() { m.got.Close() }()
	for range steps {
		var err error
		switch draw(12) {
		case 0, 1, 2, 3:
			err = m.append()
		case 4, 5:
			err = m.read()
		case 6, 7:
			err = m.put()
		case 8:
			err = m.delete()
		case 9:
			err = m.search()
		case 10:
			err = m.got.Snapshot(m.ctx, io.Discard)
		default:
			if err = m.got.Close(); err == nil {
				m.got, m.want = open(t), m.want.Reopen()
				err = m.same()
			}
		}
		if err != nil {
			return fmt.Errorf("%s%w", m.story.String(), err)
		}
	}
	return m.same()
}

// A pair is a store and what it should be.
type pair struct {
	ctx   context.Context // it lives for one run
	draw  func(n int) int
	got   store.Store
	want  *Memory
	story strings.Builder // what was done
}

// compare returns an error unless a call gave what it should. The text of an
// error is the engine's own.
func (m *pair) compare(got, want any, gotErr, wantErr error) error {
	if kind(gotErr) != kind(wantErr) {
		return fmt.Errorf("error %w, want %q", gotErr, kind(wantErr))
	}
	if wantErr == nil && !reflect.DeepEqual(got, want) {
		return fmt.Errorf("answer %.300q, want %.300q", fmt.Sprint(got), fmt.Sprint(want))
	}
	return nil
}

func kind(err error) string {
	for _, known := range []error{store.ErrUnknown, store.ErrConflict, store.ErrFull, store.ErrNotFound} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return "a refusal"
	}
	return ""
}

func (m *pair) tell(format string, args ...any) { fmt.Fprintf(&m.story, format+"\n", args...) }

// list draws one of few names, some of which begin as others do.
func (m *pair) list() string { return []string{"a", "a/b", "a/b#c", "b"}[m.draw(4)] }

func (m *pair) key() string { return []string{"k", "k/1", "k/2", "l"}[m.draw(4)] }

// bytes draws a value of one of several sizes, seldom one that is too long.
func (m *pair) bytes() []byte {
	sizes := []int{30, 0, 1, 300, 5000}
	size := sizes[m.draw(len(sizes))]
	if size == 5000 {
		size = []int{5000, 5000, 5000, store.MaxRecord, store.MaxRecord + 1}[m.draw(5)]
	}
	return bytes.Repeat([]byte{byte(m.draw(256))}, size)
}

func (m *pair) append() error {
	var parts []store.Part
	lens := map[string]int64{}
	for range 1 + m.draw(3) {
		p := store.Part{List: m.list()}
		if _, ok := lens[p.List]; !ok {
			lens[p.List], _ = m.want.Len(m.ctx, p.List)
		}
		p.At = lens[p.List]
		if m.draw(12) == 0 {
			p.At += int64(m.draw(4) - 2)
		}
		for range m.draw(5) {
			p.Records = append(p.Records, m.bytes())
		}
		lens[p.List] += int64(len(p.Records))
		parts = append(parts, p)
		m.tell("append %d records to %s at %d", len(p.Records), p.List, p.At)
	}
	return m.compare(nil, nil, m.got.Append(m.ctx, parts...), m.want.Append(m.ctx, parts...))
}

func (m *pair) read() error {
	list := m.list()
	n, err := m.want.Len(m.ctx, list)
	got, gotErr := m.got.Len(m.ctx, list)
	if err := m.compare(got, n, gotErr, err); err != nil {
		return fmt.Errorf("length of %s: %w", list, err)
	}
	lo := int64(m.draw(int(n)+2)) - int64(m.draw(8)/7)
	hi := lo + int64(m.draw(int(n)+2))
	m.tell("read %s [%d, %d)", list, lo, hi)
	return m.range1(list, lo, hi)
}

func (m *pair) range1(list string, lo, hi int64) error {
	got, gotErr := m.got.Read(m.ctx, list, lo, hi)
	want, wantErr := m.want.Read(m.ctx, list, lo, hi)
	if lo == hi { // no records are nil or empty
		got, want = nil, nil
	}
	return m.compare(got, want, gotErr, wantErr)
}

func (m *pair) put() error {
	key, value := m.key(), m.bytes()
	m.tell("put %d bytes at %s", len(value), key)
	return m.compare(nil, nil, m.got.Put(m.ctx, key, value), m.want.Put(m.ctx, key, value))
}

func (m *pair) delete() error {
	key := m.key()
	m.tell("delete %s", key)
	if err := m.compare(nil, nil, m.got.Delete(m.ctx, key), m.want.Delete(m.ctx, key)); err != nil {
		return err
	}
	return m.get(key)
}

func (m *pair) get(key string) error {
	got, gotErr := m.got.Get(m.ctx, key)
	want, wantErr := m.want.Get(m.ctx, key)
	if err := m.compare(got, want, gotErr, wantErr); err != nil {
		return fmt.Errorf("value of %s: %w", key, err)
	}
	return nil
}

// search compares the names that begin with a prefix.
func (m *pair) search() error {
	prefix := []string{"", "a", "a/", "a/b", "k", "k/", "l", "x"}[m.draw(8)]
	lists, listsErr := m.got.Lists(m.ctx, prefix)
	wantLists, wantListsErr := m.want.Lists(m.ctx, prefix)
	keys, keysErr := m.got.Keys(m.ctx, prefix)
	wantKeys, wantKeysErr := m.want.Keys(m.ctx, prefix)
	m.tell("names that begin with %q", prefix)
	return errors.Join(
		m.compare(fmt.Sprint(lists), fmt.Sprint(wantLists), listsErr, wantListsErr),
		m.compare(fmt.Sprint(keys), fmt.Sprint(wantKeys), keysErr, wantKeysErr),
	)
}

// same compares all that the stores hold.
func (m *pair) same() error {
	lists, err := m.want.Lists(m.ctx, "")
	if err != nil {
		return err
	}
	gotLists, err := m.got.Lists(m.ctx, "")
	if err := m.compare(fmt.Sprint(gotLists), fmt.Sprint(lists), err, nil); err != nil {
		return err
	}
	for _, list := range lists {
		n, err := m.want.Len(m.ctx, list)
		if err != nil {
			return err
		}
		if err := m.range1(list, 0, n); err != nil {
			return fmt.Errorf("list %s: %w", list, err)
		}
	}
	for _, key := range []string{"k", "k/1", "k/2", "l"} {
		if err := m.get(key); err != nil {
			return err
		}
	}
	return nil
}
