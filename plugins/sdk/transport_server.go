package sdk

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"google.golang.org/grpc"

	transportv1 "github.com/muster-sec/muster/plugins/proto/transport/v1"
)

// maxBacklog is how many announced byte streams wait for the host to take them.
const maxBacklog = 256

// streamServer serves an author's StreamTransport.
type streamServer struct {
	transportv1.UnimplementedStreamServiceServer
	streams StreamTransport

	mu      sync.Mutex
	waiting map[string]net.Conn // announced, not yet taken
}

func (s *streamServer) Listen(req *transportv1.ListenRequest, stream grpc.ServerStreamingServer[transportv1.ListenResponse]) error {
	ctx := stream.Context()
	l, err := s.streams.Listen(ctx, req.GetConfig(), req.GetAddress())
	if err != nil {
		return err
	}
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	bound := &transportv1.ListenResponse_Bound{Address: l.Addr().String()}
	if err := stream.Send(&transportv1.ListenResponse{Event: &transportv1.ListenResponse_Bound_{Bound: bound}}); err != nil {
		return err
	}
	var announced []string
	defer func() {
		for _, id := range announced {
			if conn, ok := s.take(id); ok {
				conn.Close()
			}
		}
	}()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		announced = s.stillWaiting(announced)
		if len(announced) >= maxBacklog {
			conn.Close()
			continue
		}
		id := s.wait(conn)
		announced = append(announced, id)
		incoming := &transportv1.ListenResponse_Incoming{Id: id, RemoteAddress: conn.RemoteAddr().String()}
		if err := stream.Send(&transportv1.ListenResponse{Event: &transportv1.ListenResponse_Incoming_{Incoming: incoming}}); err != nil {
			return err
		}
	}
}

func (s *streamServer) wait(conn net.Conn) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id = rand.Text()
	s.waiting[id] = conn
	return id
}

func (s *streamServer) take(id string) (net.Conn, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, ok := s.waiting[id]
	delete(s.waiting, id)
	return conn, ok
}

func (s *streamServer) stillWaiting(ids []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := ids[:0]
	for _, id := range ids {
		if _, ok := s.waiting[id]; ok {
			kept = append(kept, id)
		}
	}
	return kept
}

func (s *streamServer) Accept(stream grpc.BidiStreamingServer[transportv1.AcceptRequest, transportv1.AcceptResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	conn, ok := s.take(first.GetId())
	if !ok {
		return fmt.Errorf("%w: no byte stream waits under this id", ErrNotFound)
	}
	defer conn.Close()
	if err := stream.Send(&transportv1.AcceptResponse{Frame: &transportv1.AcceptResponse_Opened{Opened: opened(conn)}}); err != nil {
		return err
	}
	return carry(conn, frames{
		send: func(data []byte) error {
			return stream.Send(&transportv1.AcceptResponse{Frame: &transportv1.AcceptResponse_Data{Data: data}})
		},
		recv: func() ([]byte, error) {
			req, err := stream.Recv()
			return req.GetData(), err
		},
	})
}

func (s *streamServer) Dial(stream grpc.BidiStreamingServer[transportv1.DialRequest, transportv1.DialResponse]) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if first.GetTarget() == nil {
		return fmt.Errorf("%w: the first frame of a dial names its target", ErrInvalid)
	}
	conn, err := s.streams.Dial(stream.Context(), first.GetTarget().GetConfig(), first.GetTarget().GetAddress())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := stream.Send(&transportv1.DialResponse{Frame: &transportv1.DialResponse_Opened{Opened: opened(conn)}}); err != nil {
		return err
	}
	return carry(conn, frames{
		send: func(data []byte) error {
			return stream.Send(&transportv1.DialResponse{Frame: &transportv1.DialResponse_Data{Data: data}})
		},
		recv: func() ([]byte, error) {
			req, err := stream.Recv()
			return req.GetData(), err
		},
	})
}

func opened(conn net.Conn) *transportv1.Opened {
	return &transportv1.Opened{LocalAddress: conn.LocalAddr().String(), RemoteAddress: conn.RemoteAddr().String()}
}

// carry moves bytes between a connection and a call until both directions have
// ended, the host has closed its end, or one of the two broke.
func carry(conn net.Conn, f frames) error {
	up := make(chan error, 1)
	go func() { // ends with the call at the latest
		err := carryUp(conn, f.recv)
		conn.Close()
		up <- err
	}()
	buf := make([]byte, MaxChunk)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			if err := f.send(bytes.Clone(buf[:n])); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, net.ErrClosed):
			return <-up
		case errors.Is(err, io.EOF):
			if err := f.send(nil); err != nil {
				return err
			}
			return <-up
		case err != nil:
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// carryUp writes what the host sends. It returns nil when the host closed.
func carryUp(conn net.Conn, recv func() ([]byte, error)) error {
	for {
		data, err := recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case len(data) > 0:
			if _, err := conn.Write(data); err != nil {
				return fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
		default:
			if half, ok := conn.(interface{ CloseWrite() error }); ok {
				if err := half.CloseWrite(); err != nil {
					return fmt.Errorf("%w: %w", ErrUnavailable, err)
				}
			}
		}
	}
}
