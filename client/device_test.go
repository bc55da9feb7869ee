package client

import (
	"context"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// deviceServer notes the tokens that come and gives one to who brings none.
type deviceServer struct {
	loddv1.UnimplementedSessionServiceServer
	give string
	came []string
}

func (s *deviceServer) Login(ctx context.Context, _ *loddv1.LoginRequest) (*loddv1.LoginResponse, error) {
	came := metadata.ValueFromIncomingContext(ctx, "lodd-device")
	s.came = append(s.came, append(came, "none")[0])
	if len(came) > 0 {
		return &loddv1.LoginResponse{}, nil
	}
	return &loddv1.LoginResponse{}, grpc.SetHeader(ctx, metadata.Pairs("lodd-device", s.give))
}

// The token that the server gave is brought the next time; nonsense isn't.
func TestLoginBringsTheDevice(t *testing.T) {
	s := &deviceServer{give: "token-1"}
	c := connect(t, func(g *grpc.Server) { loddv1.RegisterSessionServiceServer(g, s) }, nil)
	for _, tt := range []struct{ brings, want, keeps string }{
		{"", "none", "token-1"},
		{"token-1", "token-1", "token-1"},
		{"a\nb", "none", "token-1"},
		{"å", "none", "token-1"},
	} {
		_, keeps, err := c.Login(t.Context(), &loddv1.LoginRequest{User: "kari"}, tt.brings)
		if err != nil || keeps != tt.keeps || s.came[len(s.came)-1] != tt.want {
			t.Errorf("with %q came %q, keeps %q, %v; want %q and %q", tt.brings, s.came[len(s.came)-1], keeps, err, tt.want, tt.keeps)
		}
	}
	s.give = "not a token"
	if _, keeps, err := c.Login(t.Context(), &loddv1.LoginRequest{User: "kari"}, ""); err != nil || keeps != "" {
		t.Errorf("keeps %q, %v", keeps, err)
	}
}

// Each user of each server has a token of their own, in a file for its owner
// alone. A file that others can read counts as none.
func TestDevices(t *testing.T) {
	d := Dirs{State: t.TempDir()}
	for _, who := range [][2]string{{"p", "kari"}, {"p", "ola"}, {"q", "kari"}} {
		if err := d.SaveDevice(who[0], who[1], who[0]+"-"+who[1]); err != nil {
			t.Fatal(err)
		}
	}
	got := []string{d.LoadDevice("p", "kari"), d.LoadDevice("p", "ola"), d.LoadDevice("q", "kari"), d.LoadDevice("q", "ola")}
	if diff := cmp.Diff([]string{"p-kari", "p-ola", "q-kari", ""}, got); diff != "" {
		t.Error(diff)
	}
	path := d.devicePath("p", "kari")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := d.LoadDevice("p", "kari"); got != "" {
		t.Errorf("read %q of a file that others can read", got)
	}
	if err := os.WriteFile(d.devicePath("p", "ola"), []byte("two\nlines"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := d.LoadDevice("p", "ola"); got != "" {
		t.Errorf("read %q", got)
	}
}
