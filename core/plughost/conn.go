package plughost

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/muster-sec/muster/plugins/sdk"
)

var _ grpc.ClientConnInterface = (*supervisor)(nil)

// Invoke makes a call on the plugin, which it starts if need be, within the
// plugin's call timeout.
func (s *supervisor) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, s.decl.Limits.CallTimeout)
	defer cancel()
	conn, release, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	err = conn.Invoke(ctx, method, args, reply, opts...)
	return ended(ctx.Err(), err)
}

// NewStream opens a stream on the plugin, which it starts if need be. The call
// timeout bounds every wait for the plugin's next message, and maxStream the
// whole, unless the stream carries bytes for others.
func (s *supervisor) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	opening, opened := ctx, func() {}
	if !sdk.LongLived(method) {
		opening, opened = context.WithTimeout(ctx, s.decl.Limits.CallTimeout)
	}
	conn, release, err := s.acquire(opening)
	opened()
	if err != nil {
		return nil, err
	}
	defer release() // an open stream is counted as a call
	if sdk.LongLived(method) {
		stream, err := conn.NewStream(ctx, desc, method, opts...)
		return longStream{ClientStream: stream, caller: ctx}, ended(ctx.Err(), err)
	}
	b := s.bind(ctx, desc)
	b.patience.begin()
	b.ClientStream, err = conn.NewStream(b.life, desc, method, opts...)
	b.patience.end(true)
	if err != nil {
		err = b.ended(err)
		b.release()
		return nil, err
	}
	return b, nil
}

// bind returns the bounds of a stream that is to be opened.
func (s *supervisor) bind(ctx context.Context, desc *grpc.StreamDesc) *boundStream {
	limit := s.decl.Limits.CallTimeout
	ctx, done := context.WithTimeout(ctx, max(s.opts.maxStream, limit))
	ctx, cancel := context.WithCancelCause(ctx)
	b := &boundStream{life: ctx, answers: !desc.ServerStreams}
	b.patience = newPatience(limit, func() {
		cancel(status.Errorf(codes.DeadlineExceeded, "the plugin sent nothing for %s, its call timeout", limit))
	})
	b.release = func() {
		b.patience.over()
		cancel(nil)
		done()
	}
	return b
}

// longStream is a stream without bounds.
type longStream struct {
	grpc.ClientStream
	caller context.Context
}

// RecvMsg receives a message; any error is the end of the stream.
func (l longStream) RecvMsg(m any) error {
	return ended(l.caller.Err(), l.ClientStream.RecvMsg(m))
}

// boundStream ends when the plugin keeps its reader waiting for too long, and
// releases its timers when it ends.
type boundStream struct {
	grpc.ClientStream
	life     context.Context
	patience *patience
	release  func()
	answers  bool // only once, after all that is sent: sending is waiting too
}

// SendMsg sends a message. That the plugin takes it is progress.
func (b *boundStream) SendMsg(m any) error {
	if b.answers {
		b.patience.begin()
		err := b.ClientStream.SendMsg(m)
		b.patience.end(err == nil)
		return err
	}
	err := b.ClientStream.SendMsg(m)
	if err == nil {
		b.patience.progress()
	}
	return err
}

// RecvMsg receives a message; any error is the end of the stream. A message
// with nothing in it is no progress.
func (b *boundStream) RecvMsg(m any) error {
	b.patience.begin()
	err := b.ClientStream.RecvMsg(m)
	if err != nil {
		err = b.ended(err)
		b.release()
		return err
	}
	message, ok := m.(proto.Message)
	b.patience.end(!ok || proto.Size(message) > 0)
	return nil
}

// ended says who ended the stream: the caller, our patience, our bound, or the
// plugin's process. gRPC calls most of them cancelled.
func (b *boundStream) ended(err error) error {
	if cause := context.Cause(b.life); status.Code(err) == codes.Canceled && status.Code(cause) == codes.DeadlineExceeded {
		return cause
	}
	return ended(b.life.Err(), err)
}

// ended tells a call that the caller gave up from one whose process was killed
// under it: gRPC calls both cancelled.
func ended(callerErr, err error) error {
	if status.Code(err) == codes.Canceled && callerErr == nil {
		return status.Error(codes.Unavailable, "the plugin's process ended during the call")
	}
	return err
}
