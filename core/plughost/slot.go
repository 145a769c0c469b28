package plughost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	transportv1 "github.com/muster-sec/muster/plugins/proto/transport/v1"
	"github.com/muster-sec/muster/plugins/sdk"
)

// slot is what consumers hold: the place of one plugin, which outlives its
// processes and its declarations. It hands every call to whoever fills the
// place now, holds configurations against the plugin's schema before the
// plugin sees them, and takes their secrets out of what comes back.
type slot struct {
	kind    sdk.Kind
	name    string
	current atomic.Pointer[supervisor] // nil: declared no more
}

var _ grpc.ClientConnInterface = (*slot)(nil)

// Invoke makes a call on the plugin.
func (s *slot) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return s.with(func(p *supervisor) error {
		if cfg, ok := configOf(args); ok {
			if err := p.started(ctx); err != nil {
				return err
			}
			if err := p.admit(cfg); err != nil {
				return err
			}
		}
		err := p.Invoke(ctx, method, args, reply, opts...)
		if err == nil {
			p.maskAnswer(reply)
		}
		return err
	})
}

// NewStream opens a stream on the plugin.
func (s *slot) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (stream grpc.ClientStream, err error) {
	err = s.with(func(p *supervisor) error {
		bound, err := p.NewStream(ctx, desc, method, opts...)
		stream = &checkedStream{ClientStream: bound, plugin: p, unlimited: strings.HasPrefix(method, transportMethods)}
		return err
	})
	return stream, err
}

// with calls f with the supervisor in place, and again with its successor if
// it was replaced before the call began.
func (s *slot) with(f func(*supervisor) error) error {
	for {
		p := s.current.Load()
		if p == nil {
			return unknown(s.kind, s.name)
		}
		err := f(p)
		if errors.Is(err, ErrStopped) && s.current.Load() != p {
			continue
		}
		return p.cleanse(err)
	}
}

func unknown(kind sdk.Kind, name string) error {
	return fmt.Errorf("%w: %s plugin %q is neither built in nor declared; `muster plugin list` shows what is", ErrUnknown, kind, name)
}

// started waits until the plugin has run, for only then it has told its schema.
func (s *supervisor) started(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.decl.Limits.CallTimeout)
	defer cancel()
	_, release, err := s.acquire(ctx)
	if err == nil {
		release()
	}
	return err
}

// admit holds a configuration against the schema of a plugin that has started.
// What does not fit never reaches the plugin.
func (s *supervisor) admit(cfg sdk.Config) error {
	s.mu.Lock()
	schema := s.schema
	s.mu.Unlock()
	if err := schema.Validate(cfg); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	s.learn(schema, cfg)
	return nil
}

// configOf finds the configuration in a message of any contract.
func configOf(message any) (cfg sdk.Config, ok bool) {
	switch m := message.(type) {
	case *transportv1.DialRequest:
		return m.GetTarget().GetConfig(), m.GetTarget() != nil
	case *transportv1.PublishRequest:
		return m.GetHeader().GetConfig(), m.GetHeader() != nil
	case interface{ GetConfig() []byte }:
		return m.GetConfig(), true
	default:
		return nil, false
	}
}

// cleanse takes the secrets out of an error's text.
func (s *supervisor) cleanse(err error) error {
	st, ok := status.FromError(err)
	if err == nil || errors.Is(err, io.EOF) || !ok {
		return err
	}
	text := s.secrets.mask(st.Message())
	if text == st.Message() {
		return err
	}
	clean := st.Proto()
	clean.Message = text
	return status.ErrorProto(clean)
}

const (
	// maxAnswer is the size in bytes of all that a plugin may answer to one
	// call. What a document holds is collected in memory.
	maxAnswer = 256 << 20
	// transportMethods carry bytes for others, which nobody collects.
	transportMethods = "/muster.plugin.transport."
)

// checkedStream is a stream whose messages are admitted, whose answers are
// counted and whose errors are cleansed.
type checkedStream struct {
	grpc.ClientStream
	plugin    *supervisor
	unlimited bool
	received  int // bytes
}

// SendMsg sends a message if the configuration in it fits.
func (c *checkedStream) SendMsg(m any) error {
	if cfg, ok := configOf(m); ok {
		if err := c.plugin.admit(cfg); err != nil {
			return err
		}
	}
	return c.ClientStream.SendMsg(m)
}

// RecvMsg receives a message.
func (c *checkedStream) RecvMsg(m any) error {
	if err := c.ClientStream.RecvMsg(m); err != nil {
		return c.plugin.cleanse(err)
	}
	c.plugin.maskAnswer(m)
	if message, ok := m.(proto.Message); ok && !c.unlimited {
		if c.received += proto.Size(message); c.received > maxAnswer {
			return status.Errorf(codes.ResourceExhausted, "the plugin answers with more than %d bytes", int64(maxAnswer))
		}
	}
	return nil
}
