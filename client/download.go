package client

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	loddv1 "github.com/lodd-rct/lodd/proto/lodd/v1"
)

// A Download is what DownloadExport or DownloadReveal wrote.
type Download struct {
	// FileName is the server's name for the bundle. It is the server's word:
	// check it before making a file of it.
	FileName string

	// Bytes is the size.
	Bytes int64
}

// DownloadExport writes the bundle of a lock to w, as the server sends it: the
// caller verifies it before believing any of it. Progress, which may be nil, is
// told how many bytes of how many were written. If there is an error, w holds a
// part of the bundle.
func (c *Client) DownloadExport(ctx context.Context, req *loddv1.DownloadExportRequest, w io.Writer, progress func(done, total int64)) (Download, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the stream if we return early
	defer cancel()
	stream, err := c.Exports().DownloadExport(ctx, req)
	if err != nil {
		return Download{}, err
	}
	return receive(stream, w, progress)
}

// DownloadReveal writes the bundle of an unsealed trial, which tells every arm,
// as DownloadExport does.
func (c *Client) DownloadReveal(ctx context.Context, req *loddv1.DownloadRevealRequest, w io.Writer, progress func(done, total int64)) (Download, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.Unsealing().DownloadReveal(ctx, req)
	if err != nil {
		return Download{}, err
	}
	return receive(stream, w, progress)
}

// A piece is one of those that a bundle is sent in. The first one tells its name
// and size.
type piece interface {
	GetFileName() string
	GetSizeBytes() int64
	GetChunk() []byte
}

// receive writes a stream of pieces, whole or with an error.
func receive[M any, P interface {
	*M
	piece
}](stream grpc.ServerStreamingClient[M], w io.Writer, progress func(done, total int64)) (Download, error) {
	var d Download
	size := int64(-1)
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Download{}, err
		}
		p := P(m)
		if size < 0 {
			d.FileName, size = p.GetFileName(), p.GetSizeBytes()
		}
		n, err := w.Write(p.GetChunk())
		d.Bytes += int64(n)
		if err != nil {
			return Download{}, fmt.Errorf("client: write download: %w", err)
		}
		if d.Bytes > size {
			return Download{}, fmt.Errorf("client: the server sent more than the %d bytes that it announced", size)
		}
		if progress != nil {
			progress(d.Bytes, size)
		}
	}
	if d.Bytes != size {
		return Download{}, fmt.Errorf("client: the download was cut off after %d bytes of %d: repeat it", d.Bytes, max(size, 0))
	}
	return d, nil
}
