package server

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
	"github.com/lodd-rct/lodd/server/authn"
	"github.com/lodd-rct/lodd/server/rpcerr"
)

// endless sends for as long as it may, and tells how it ended.
type endless struct {
	loddv1.UnimplementedExportServiceServer
	ended chan error
}

func (s endless) DownloadExport(_ *loddv1.DownloadExportRequest, out grpc.ServerStreamingServer[loddv1.DownloadExportResponse]) error {
	chunk := &loddv1.DownloadExportResponse{Chunk: bytes.Repeat([]byte{1}, chunkBytes)}
	var err error
	for err == nil {
		err = out.Send(chunk)
	}
	s.ended <- err
	return err
}

// download begins an endless download of kari's under these limits.
func (s endless) download(t *testing.T, l Limits) grpc.ServerStreamingClient[loddv1.DownloadExportResponse] {
	t.Helper()
	l = l.withDefaults()
	kari := func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		return next(srv, contextStream{ss, authn.WithPrincipal(ss.Context(), authn.Principal{User: "kari"})})
	}
	server := grpc.NewServer(grpc.InTapHandle(leashed(l.Message)), grpc.ChainStreamInterceptor(kari, newStreams(l).stream, translateStream))
	loddv1.RegisterExportServiceServer(server, s)
	listener := bufconn.Listen(1 << 10)
	go func() { _ = server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///localhost", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); server.Stop() })
	stream, err := loddv1.NewExportServiceClient(conn).DownloadExport(t.Context(), &loddv1.DownloadExportRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// A client that doesn't take what it asked for is left after a while: it holds
// neither a goroutine nor what an export holds.
func TestSlowReadersAreLeft(t *testing.T) {
	s := endless{ended: make(chan error, 1)}
	stream := s.download(t, Limits{Message: 100 * time.Millisecond})
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.ended:
		if err == nil {
			t.Error("the download has an end")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the server still waits for its client")
	}
}

// However quickly it is read, a stream has an end, and says why it ended.
func TestStreamsHaveALongestLife(t *testing.T) {
	s := endless{ended: make(chan error, 1)}
	stream := s.download(t, Limits{Stream: 100 * time.Millisecond})
	var err error
	for err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.DeadlineExceeded || status.Convert(err).Message() != rpcerr.ErrSlow.Error() {
		t.Errorf("ended with %v", err)
	}
	<-s.ended
}

// Machines that follow take no place of people's, and people none of theirs.
func TestStreamsOfMachinesCountForThemselves(t *testing.T) {
	s := newStreams(Limits{StreamsPerUser: 2, Streams: 3}.withDefaults())
	for i, tt := range []struct {
		who     string
		machine bool
		want    bool
	}{
		{"kari", false, true},
		{"kari", false, true},
		{"kari", false, false},
		{"ola", false, true},
		{"per", false, false},
		{" 10.0.0.1", true, true},
		{" 10.0.0.1", true, true},
		{" 10.0.0.1", true, false},
		{" 10.0.0.2", true, true},
	} {
		if got := s.enter(tt.who, tt.machine); got != tt.want {
			t.Errorf("%d: %s is let in: %v", i, tt.who, got)
		}
	}
	s.leave("kari", false)
	if !s.enter("per", false) || s.enter("ola", false) || s.count() != 6 {
		t.Errorf("%d streams are open", s.count())
	}
}

// A failure of a stream that wasn't cut stays as it is.
func TestOnlyACutStreamIsSaidToBeSlow(t *testing.T) {
	gone := errors.New("gone")
	ctx, cut := context.WithCancelCause(t.Context())
	if err := cutOff(ctx, gone); !errors.Is(err, gone) {
		t.Errorf("error is %v", err)
	}
	cut(rpcerr.ErrSlow)
	if err := cutOff(ctx, gone); status.Code(err) != codes.DeadlineExceeded || cutOff(ctx, nil) != nil {
		t.Errorf("error is %v", err)
	}
}
