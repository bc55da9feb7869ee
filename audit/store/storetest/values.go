package storetest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/lodd-rct/lodd/audit/store"
)

func owns(t *testing.T, open Open) {
	s := use(t, open)
	written := part("a", 0, "0")
	mustAppend(t, s, written)
	value := []byte("v")
	if err := s.Put(t.Context(), "k", value); err != nil {
		t.Fatal(err)
	}
	written.Records[0][0], value[0] = 'X', 'X'
	records, err := s.Read(t.Context(), "a", 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	records[0][0] = 'X'
	wantList(t, s, "a", "0")
	got, err := s.Get(t.Context(), "k")
	if err != nil || string(got) != "v" {
		t.Fatalf("Get = %q, %v", got, err)
	}
	got[0] = 'X'
	if got, err := s.Get(t.Context(), "k"); err != nil || string(got) != "v" {
		t.Errorf("Get = %q, %v", got, err)
	}
}

func keys(t *testing.T, open Open) {
	s := use(t, open)
	for _, key := range []string{"b/2", "a", "b/1", "c"} {
		if err := s.Put(t.Context(), key, []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string][]string{"": {"a", "b/1", "b/2"}, "b/": {"b/1", "b/2"}, "x": nil} {
		got, err := s.Keys(t.Context(), prefix)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Keys(%q) = %q, %v; want %q", prefix, got, err, want)
		}
	}
}

func forgets(t *testing.T, open Open) {
	s := use(t, open)
	secret := []byte("wrapped key of participant 17")
	get := func(want string) {
		t.Helper()
		got, err := s.Get(t.Context(), "k")
		if want == "" && !errors.Is(err, store.ErrNotFound) || want != "" && (err != nil || string(got) != want) {
			t.Errorf("Get = %q, %v; want %q", got, err, want)
		}
	}
	get("")
	replaced := []byte("wrapped key of participant 16")
	for _, value := range [][]byte{replaced, secret} {
		if err := s.Put(t.Context(), "k", value); err != nil {
			t.Fatal(err)
		}
		get(string(value))
	}
	if err := s.Put(t.Context(), "l", []byte{}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to delete
		if err := s.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		get("")
	}
	if v, err := s.Get(t.Context(), "l"); err != nil || len(v) != 0 {
		t.Errorf("Get = %q, %v; another key was deleted", v, err)
	}
	var copied bytes.Buffer
	if err := s.Snapshot(t.Context(), &copied); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(copied.Bytes(), secret) || bytes.Contains(copied.Bytes(), replaced) {
		t.Error("a snapshot holds the deleted value or the one before it")
	}
}

func stops(t *testing.T, open Open) {
	s := use(t, open)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range map[string]error{
		"Append": s.Append(ctx, part("a", 0, "0")),
		"Put":    s.Put(ctx, "k", nil),
		"Delete": s.Delete(ctx, "k"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want Canceled", what, err)
		}
	}
	wantList(t, s, "a")
}

func closed(t *testing.T, open Open) {
	s := open(t)
	mustAppend(t, s, part("a", 0, "0"))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	_, lenErr := s.Len(ctx, "a")
	_, readErr := s.Read(ctx, "a", 0, 1)
	_, listsErr := s.Lists(ctx, "")
	_, getErr := s.Get(ctx, "k")
	_, keysErr := s.Keys(ctx, "")
	for what, err := range map[string]error{
		"Append": s.Append(ctx, part("a", 1, "1")), "Len": lenErr, "Read": readErr,
		"Lists": listsErr, "Snapshot": s.Snapshot(ctx, &bytes.Buffer{}), "Get": getErr, "Keys": keysErr,
		"Put": s.Put(ctx, "k", nil), "Delete": s.Delete(ctx, "k"),
	} {
		if err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s of a closed store: %v, want an error", what, err)
		}
	}
}
