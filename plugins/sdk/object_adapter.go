package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"regexp"

	"google.golang.org/grpc"

	transportv1 "github.com/muster-sec/muster/plugins/proto/transport/v1"
)

var objectSyntax = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,512}$`)

// ValidObjectName reports whether s may name an object: a clean relative path
// that does not leave its root.
func ValidObjectName(s string) bool {
	return objectSyntax.MatchString(s) && path.Clean("/"+s) == "/"+s && s != "/"
}

// objectServer serves an author's ObjectTransport.
type objectServer struct {
	transportv1.UnimplementedObjectServiceServer
	objects ObjectTransport
}

func (s *objectServer) Publish(stream grpc.ClientStreamingServer[transportv1.PublishRequest, transportv1.PublishResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	name := first.GetHeader().GetName()
	if !ValidObjectName(name) {
		return fmt.Errorf("%w: object name %.80q", ErrInvalid, name)
	}
	object := &chunkReader{limit: MaxObject, next: func() ([]byte, error) {
		req, err := stream.Recv()
		return req.GetChunk(), err
	}}
	if err := s.objects.Publish(stream.Context(), first.GetHeader().GetConfig(), name, object); err != nil {
		return err
	}
	return stream.SendAndClose(&transportv1.PublishResponse{})
}

func (s *objectServer) Fetch(req *transportv1.FetchRequest, stream grpc.ServerStreamingServer[transportv1.FetchResponse]) error {
	if !ValidObjectName(req.GetName()) {
		return fmt.Errorf("%w: object name %.80q", ErrInvalid, req.GetName())
	}
	object, err := s.objects.Fetch(stream.Context(), req.GetConfig(), req.GetName())
	if err != nil {
		return err
	}
	defer object.Close()
	return eachChunk(object, func(chunk []byte) error {
		return stream.Send(&transportv1.FetchResponse{Chunk: chunk})
	})
}

func (s *objectServer) List(req *transportv1.ListRequest, stream grpc.ServerStreamingServer[transportv1.ListResponse]) error {
	return sendPages(s.objects.List(stream.Context(), req.GetConfig(), req.GetPrefix()), func(names []string) error {
		return stream.Send(&transportv1.ListResponse{Names: names})
	})
}

// ObjectClient speaks to a transport plugin that carries objects.
type ObjectClient struct {
	rpc transportv1.ObjectServiceClient
}

var _ ObjectTransport = (*ObjectClient)(nil)

// NewObjectClient returns a client over conn, which it does not close. It is
// safe for concurrent use.
func NewObjectClient(conn grpc.ClientConnInterface) *ObjectClient {
	return &ObjectClient{rpc: transportv1.NewObjectServiceClient(conn)}
}

// Publish stores an object whole or not at all. When reading it fails the call
// is cancelled, which the plugin sees before the object's end.
func (c *ObjectClient) Publish(ctx context.Context, cfg Config, name string, object io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.rpc.Publish(ctx)
	if err != nil {
		return fromWire(err)
	}
	header := &transportv1.PublishRequest_Header{Config: cfg, Name: name}
	err = stream.Send(&transportv1.PublishRequest{Part: &transportv1.PublishRequest_Header_{Header: header}})
	if err == nil {
		err = eachChunk(object, func(chunk []byte) error {
			return stream.Send(&transportv1.PublishRequest{Part: &transportv1.PublishRequest_Chunk{Chunk: chunk}})
		})
	}
	if err != nil && !errors.Is(err, errPeerEnded) && !errors.Is(err, io.EOF) {
		return fromWire(err)
	}
	_, err = stream.CloseAndRecv()
	return fromWire(err)
}

// Fetch opens an object. The caller closes it.
func (c *ObjectClient) Fetch(ctx context.Context, cfg Config, name string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.rpc.Fetch(ctx, &transportv1.FetchRequest{Config: cfg, Name: name})
	if err != nil {
		cancel()
		return nil, fromWire(err)
	}
	object := &fetched{cancel: cancel}
	object.limit = MaxObject
	object.next = func() ([]byte, error) {
		r, err := stream.Recv()
		return r.GetChunk(), err
	}
	return object, nil
}

// fetched is an object being read; Close ends the call.
type fetched struct {
	chunkReader
	cancel context.CancelFunc
}

func (f *fetched) Close() error {
	f.cancel()
	return nil
}

// List yields the names that begin with prefix, in order.
func (c *ObjectClient) List(ctx context.Context, cfg Config, prefix string) iter.Seq2[string, error] {
	return receivePages(func() (func() ([]string, error), func(), error) {
		ctx, cancel := context.WithCancel(ctx)
		stream, err := c.rpc.List(ctx, &transportv1.ListRequest{Config: cfg, Prefix: prefix})
		if err != nil {
			cancel()
			return nil, nil, err
		}
		return func() ([]string, error) {
			page, err := stream.Recv()
			return page.GetNames(), err
		}, cancel, nil
	})
}
