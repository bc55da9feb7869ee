package client

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

type exportServer struct {
	loddv1.UnimplementedExportServiceServer
	pieces []*loddv1.DownloadExportResponse
	err    error
}

func (s exportServer) DownloadExport(_ *loddv1.DownloadExportRequest, stream grpc.ServerStreamingServer[loddv1.DownloadExportResponse]) error {
	for _, p := range s.pieces {
		if err := stream.Send(p); err != nil {
			return err
		}
	}
	return s.err
}

// A download is whole or an error.
func TestDownloadExport(t *testing.T) {
	piece := func(name string, size int64, chunk string) *loddv1.DownloadExportResponse {
		return &loddv1.DownloadExportResponse{FileName: name, SizeBytes: size, Chunk: []byte(chunk)}
	}
	for _, tt := range []struct {
		name   string
		server exportServer
		want   string
		err    string
	}{
		{"whole", exportServer{pieces: []*loddv1.DownloadExportResponse{piece("a.zip", 6, "abc"), piece("", 0, "def")}}, "abcdef", ""},
		{"cut off", exportServer{pieces: []*loddv1.DownloadExportResponse{piece("a.zip", 6, "abc")}}, "abc", "cut off after 3 bytes of 6"},
		{"nothing", exportServer{}, "", "cut off after 0 bytes of 0"},
		{"too much", exportServer{pieces: []*loddv1.DownloadExportResponse{piece("a.zip", 2, "abc")}}, "abc", "more than the 2 bytes"},
		{"refused", exportServer{err: status.Error(codes.PermissionDenied, "blinded")}, "", "blinded"},
		{"broken in the middle", exportServer{pieces: []*loddv1.DownloadExportResponse{piece("a.zip", 6, "abc")}, err: status.Error(codes.Unavailable, "gone")}, "abc", "not reached"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := connect(t, func(g *grpc.Server) { loddv1.RegisterExportServiceServer(g, tt.server) }, nil)
			var w strings.Builder
			d, err := c.DownloadExport(t.Context(), &loddv1.DownloadExportRequest{Lock: 1}, &w, nil)
			if tt.err == "" {
				if err != nil || d != (Download{"a.zip", 6}) {
					t.Errorf("got %+v, %v", d, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error is %v, want %q", err, tt.err)
			}
			if w.String() != tt.want {
				t.Errorf("wrote %q, want %q", w.String(), tt.want)
			}
		})
	}
}
