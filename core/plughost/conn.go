package plughost

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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
// timeout bounds the whole stream, unless it carries bytes for others.
func (s *supervisor) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	cancel := func() {}
	if !sdk.LongLived(method) {
		ctx, cancel = context.WithTimeout(ctx, s.decl.Limits.CallTimeout)
	}
	conn, release, err := s.acquire(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	defer release() // an open stream is counted as a call
	stream, err := conn.NewStream(ctx, desc, method, opts...)
	if err != nil {
		cancel()
		return nil, ended(ctx.Err(), err)
	}
	return &boundStream{ClientStream: stream, cancel: cancel, callerErr: ctx.Err}, nil
}

// boundStream releases its timer when the stream ends.
type boundStream struct {
	grpc.ClientStream
	cancel    func()
	callerErr func() error // of the caller's context; the stream's own ends with it
}

// RecvMsg receives a message; any error is the end of the stream.
func (b *boundStream) RecvMsg(m any) error {
	err := b.ClientStream.RecvMsg(m)
	if err = ended(b.callerErr(), err); err != nil {
		b.cancel()
	}
	return err
}

// ended tells a call that the caller gave up from one whose process was killed
// under it: gRPC calls both cancelled.
func ended(callerErr, err error) error {
	if status.Code(err) == codes.Canceled && callerErr == nil {
		return status.Error(codes.Unavailable, "the plugin's process ended during the call")
	}
	return err
}
