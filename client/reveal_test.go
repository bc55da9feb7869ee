package client

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

type revealServer struct {
	loddv1.UnimplementedUnsealingServiceServer
	pieces []*loddv1.DownloadRevealResponse
	err    error
}

func (s revealServer) DownloadReveal(_ *loddv1.DownloadRevealRequest, stream grpc.ServerStreamingServer[loddv1.DownloadRevealResponse]) error {
	for _, p := range s.pieces {
		if err := stream.Send(p); err != nil {
			return err
		}
	}
	return s.err
}

// A reveal is whole or an error too.
func TestDownloadReveal(t *testing.T) {
	pieces := []*loddv1.DownloadRevealResponse{
		{FileName: "a.zip", SizeBytes: 6, Chunk: []byte("abc")}, {Chunk: []byte("def")}, {Chunk: []byte("ghi")},
	}
	for name, tt := range map[string]struct {
		server revealServer
		want   Download
		err    string
	}{
		"whole":    {revealServer{pieces: pieces[:2]}, Download{"a.zip", 6}, ""},
		"cut off":  {revealServer{pieces: pieces[:1]}, Download{}, "cut off after 3 bytes of 6"},
		"too much": {revealServer{pieces: pieces}, Download{}, "more than the 6 bytes"},
		"refused":  {revealServer{err: status.Error(codes.PermissionDenied, "blinded")}, Download{}, "blinded"},
	} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, func(g *grpc.Server) { loddv1.RegisterUnsealingServiceServer(g, tt.server) }, nil)
			var w strings.Builder
			last := int64(0)
			d, err := c.DownloadReveal(t.Context(), &loddv1.DownloadRevealRequest{}, &w, func(done, _ int64) { last = done })
			if d != tt.want || (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %+v, %v; want %+v and %q", d, err, tt.want, tt.err)
			}
			if tt.err == "" && (w.String() != "abcdef" || last != 6) {
				t.Errorf("wrote %q and told of %d bytes", w.String(), last)
			}
		})
	}
}
