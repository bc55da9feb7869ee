package client

import (
	"context"
	"maps"
	"strings"
	"sync"
)

// sizes are the sizes of lists that were remembered before the client, by itself,
// has remembered larger ones.
type sizes struct {
	mu    sync.Mutex // guards the map
	lists map[string]int64
}

// note keeps the size of a list, unless one is kept.
func (s *sizes) note(list string, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lists == nil {
		s.lists = map[string]int64{}
	}
	if _, ok := s.lists[list]; !ok {
		s.lists[list] = size
	}
}

// take returns the size that is kept of a list, else the one given, and keeps it
// no longer.
func (s *sizes) take(list string, otherwise int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	size, ok := s.lists[list]
	if !ok {
		return otherwise
	}
	delete(s.lists, list)
	return size
}

// drop keeps nothing of a trial, nor of the list of accounts, any longer.
func (s *sizes) drop(trial string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.lists, func(list string, _ int64) bool { return list == "system" || strings.HasPrefix(list, trial+"/") })
}

// refollow does what [Client.Follow] does, for a check that nobody asked for.
func (c *Client) refollow(ctx context.Context, trial, list string) error {
	f, err := c.follow(ctx, trial, list)
	if err != nil {
		return err
	}
	return c.remember(ctx, f)
}
