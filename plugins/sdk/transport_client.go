package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"google.golang.org/grpc"

	transportv1 "github.com/muster-sec/muster/plugins/proto/transport/v1"
)

// StreamClient speaks to a transport plugin that carries byte streams.
type StreamClient struct {
	rpc transportv1.StreamServiceClient
}

var _ StreamTransport = (*StreamClient)(nil)

// NewStreamClient returns a client over conn, which it does not close. It is
// safe for concurrent use.
func NewStreamClient(conn grpc.ClientConnInterface) *StreamClient {
	return &StreamClient{rpc: transportv1.NewStreamServiceClient(conn)}
}

// LongLived reports whether calls of a gRPC method last as long as what they
// carry (listeners and byte streams), so that no call deadline may bound them.
func LongLived(method string) bool {
	return strings.HasPrefix(method, "/"+transportv1.StreamService_ServiceDesc.ServiceName+"/")
}

// opening is the context of a call that outlives the context it was opened
// under. Calling settle ends the dependence; it is false if ctx ended first.
func opening(ctx context.Context) (life context.Context, cancel context.CancelFunc, settle func() bool) {
	life, cancel = context.WithCancel(context.WithoutCancel(ctx))
	return life, cancel, context.AfterFunc(ctx, cancel)
}

// Listen opens a listener in the plugin.
func (c *StreamClient) Listen(ctx context.Context, cfg Config, address string) (net.Listener, error) {
	life, cancel, settle := opening(ctx)
	stream, err := c.rpc.Listen(life, &transportv1.ListenRequest{Config: cfg, Address: address})
	var first *transportv1.ListenResponse
	if err == nil {
		first, err = stream.Recv()
	}
	if err == nil && first.GetBound() == nil {
		err = fmt.Errorf("%w: the plugin did not say where it listens", ErrInvalid)
	}
	if !settle() {
		err = context.Cause(ctx)
	}
	if err != nil {
		cancel()
		return nil, endOfCall(err)
	}
	return &streamListener{
		next: stream.Recv,
		take: func(id string) (net.Conn, error) {
			return c.accept(context.WithoutCancel(ctx), id)
		},
		close:   cancel,
		address: streamAddr(first.GetBound().GetAddress()),
	}, nil
}

// accept takes an announced byte stream.
func (c *StreamClient) accept(ctx context.Context, id string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.rpc.Accept(ctx)
	if err == nil {
		err = stream.Send(&transportv1.AcceptRequest{Frame: &transportv1.AcceptRequest_Id{Id: id}})
	}
	var first *transportv1.AcceptResponse
	if err == nil || errors.Is(err, io.EOF) {
		first, err = stream.Recv()
	}
	if err == nil && first.GetOpened() == nil {
		err = fmt.Errorf("%w: the plugin did not say that the stream is open", ErrInvalid)
	}
	if err != nil {
		cancel()
		return nil, endOfCall(err)
	}
	return newStreamConn(frames{
		send: func(data []byte) error {
			return stream.Send(&transportv1.AcceptRequest{Frame: &transportv1.AcceptRequest_Data{Data: data}})
		},
		recv: func() ([]byte, error) {
			r, err := stream.Recv()
			return r.GetData(), err
		},
		finish: stream.CloseSend,
		cancel: cancel,
	}, first.GetOpened().GetLocalAddress(), first.GetOpened().GetRemoteAddress()), nil
}

// Dial opens a byte stream through the plugin.
func (c *StreamClient) Dial(ctx context.Context, cfg Config, address string) (net.Conn, error) {
	life, cancel, settle := opening(ctx)
	stream, err := c.rpc.Dial(life)
	if err == nil {
		target := &transportv1.DialRequest_Target{Config: cfg, Address: address}
		err = stream.Send(&transportv1.DialRequest{Frame: &transportv1.DialRequest_Target_{Target: target}})
	}
	var first *transportv1.DialResponse
	if err == nil || errors.Is(err, io.EOF) {
		first, err = stream.Recv()
	}
	if err == nil && first.GetOpened() == nil {
		err = fmt.Errorf("%w: the plugin did not say that the stream is open", ErrInvalid)
	}
	if !settle() {
		err = context.Cause(ctx)
	}
	if err != nil {
		cancel()
		return nil, endOfCall(err)
	}
	return newStreamConn(frames{
		send: func(data []byte) error {
			return stream.Send(&transportv1.DialRequest{Frame: &transportv1.DialRequest_Data{Data: data}})
		},
		recv: func() ([]byte, error) {
			r, err := stream.Recv()
			return r.GetData(), err
		},
		finish: stream.CloseSend,
		cancel: cancel,
	}, first.GetOpened().GetLocalAddress(), first.GetOpened().GetRemoteAddress()), nil
}

// endOfCall explains a call that ended where an answer was due.
func endOfCall(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the plugin ended the call without an answer", ErrUnavailable)
	}
	return fromWire(err)
}

// streamListener is the host's net.Listener over one call.
type streamListener struct {
	next    func() (*transportv1.ListenResponse, error)
	take    func(id string) (net.Conn, error)
	close   context.CancelFunc
	address streamAddr
}

var _ net.Listener = (*streamListener)(nil)

// Accept waits for the next byte stream. Streams that went away before they
// were taken are passed over. Only one goroutine may call it.
func (l *streamListener) Accept() (net.Conn, error) {
	for {
		event, err := l.next()
		switch err = fromWire(err); {
		case errors.Is(err, context.Canceled), errors.Is(err, io.EOF):
			return nil, net.ErrClosed
		case err != nil:
			return nil, err
		}
		if event.GetIncoming() == nil {
			continue // an event of a newer contract
		}
		conn, err := l.take(event.GetIncoming().GetId())
		if errors.Is(err, ErrNotFound) {
			continue
		}
		return conn, err
	}
}

// Close ends the listener; accepted streams live on.
func (l *streamListener) Close() error {
	l.close()
	return nil
}

// Addr returns the address the plugin listens on.
func (l *streamListener) Addr() net.Addr { return l.address }
