package client

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// listServer shows lists and nothing of them.
type listServer struct {
	loddv1.UnimplementedAuditServiceServer
	lists []string
}

func (s *listServer) ListCompartments(context.Context, *loddv1.ListCompartmentsRequest) (*loddv1.ListCompartmentsResponse, error) {
	return &loddv1.ListCompartmentsResponse{Lists: s.lists}, nil
}

// A server can't hide a list that every trial has, or one that was seen from
// here. What was seen of another trial or server plays no part.
func TestCompartments(t *testing.T) {
	all := []string{"IPS/conduct", "IPS/outcome", "IPS/delivery", "system"}
	for _, tt := range []struct {
		name  string
		seen  []string
		other []string // seen of another server
		shows []string
		want  string // the list of the LogError; "" if there is none
	}{
		{"nothing seen", nil, nil, all, ""},
		{"seen and shown", all, nil, all, ""},
		{"no conduct", nil, nil, all[1:], "IPS/conduct"},
		{"nothing", all, nil, nil, "IPS/conduct"},
		{"only conduct", []string{"IPS/outcome"}, nil, all[:1], "IPS/outcome"},
		{"of another trial", []string{"TAU/outcome", "OLD-IPS/outcome", "IPS-2/outcome"}, nil, all[:1], ""},
		{"of another server", nil, []string{"IPS/outcome"}, all[:1], ""},
		{"of no trial", []string{"system"}, nil, all[:1], ""},
		{"one that no trial has", nil, nil, append([]string{"IPS/shadow"}, all...), "IPS/shadow"},
		{"one of another trial", nil, nil, append([]string{"TAU/conduct"}, all...), "TAU/conduct"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := &listServer{lists: tt.shows}
			c := connect(t, func(g *grpc.Server) { loddv1.RegisterAuditServiceServer(g, s) }, func(c *Config) { c.Checkpoints = dir + "/none/yet" })
			for _, list := range tt.seen {
				m := c.memory
				if err := writePrivate(m.path(list), []byte("lodd.test/"+list+"\n5\nroot\n")); err != nil {
					t.Fatal(err)
				}
			}
			for _, list := range tt.other {
				m := memory{c.config.Checkpoints, "another"}
				if err := writePrivate(m.path(list), []byte("lodd.test/"+list+"\n5\nroot\n")); err != nil {
					t.Fatal(err)
				}
			}
			got, err := c.Compartments(t.Context(), "IPS")
			if tt.want == "" {
				if diff := cmp.Diff(tt.shows, got); err != nil || diff != "" {
					t.Error(err, diff)
				}
				return
			}
			if wrong, ok := errors.AsType[*LogError](err); !ok || wrong.List != tt.want || strings.Contains(wrong.Problem, "doesn't show this list") == slices.Contains(tt.shows, tt.want) {
				t.Errorf("error is %v, want a LogError about %s", err, tt.want)
			}
		})
	}
}

// An auditor may verify the accounts and all of the trial from the first day on. A
// list that was never shown isn't missed by the memory, but by the role.
func TestAuditorsCompartments(t *testing.T) {
	all := []string{"IPS/conduct", "IPS/outcome", "IPS/delivery", "IPS/allocation", "system"}
	for _, tt := range []struct {
		name     string
		assesses bool
		hides    []string
		want     string // the list of the LogError; "" if there is none
	}{
		{"all", false, nil, ""},
		{"no conduct", false, all[:1], "IPS/conduct"},
		{"no outcome", false, all[1:2], "IPS/outcome"},
		{"no delivery", false, all[2:3], "IPS/delivery"},
		{"no allocation", false, all[3:4], "IPS/allocation"},
		{"no accounts", false, all[4:], "system"},
		{"one who assesses", true, all[2:4], ""},
		{"one who assesses, no outcome", true, all[1:4], "IPS/outcome"},
		{"one who assesses, no accounts", true, all[2:], "system"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &listServer{lists: slices.DeleteFunc(slices.Clone(all), func(l string) bool { return slices.Contains(tt.hides, l) })}
			c := connect(t, func(g *grpc.Server) { loddv1.RegisterAuditServiceServer(g, s) }, func(c *Config) { c.Checkpoints = t.TempDir() })
			got, err := c.AuditorsCompartments(t.Context(), "IPS", tt.assesses)
			wrong, found := errors.AsType[*LogError](err)
			if found != (tt.want != "") || found && wrong.List != tt.want {
				t.Errorf("error is %v, want one about %q", err, tt.want)
			}
			if !found && !slices.Equal(got, s.lists) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}
