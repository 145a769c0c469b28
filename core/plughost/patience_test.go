package plughost

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	registryv1 "github.com/muster-sec/muster/plugins/proto/registry/v1"
	"github.com/muster-sec/muster/plugins/sdk"
)

func TestPatience(t *testing.T) {
	t.Parallel()
	const limit = time.Minute
	tests := map[string]struct {
		do    func(p *patience)
		spent bool
	}{
		"nobody waits":              {func(*patience) { time.Sleep(time.Hour) }, false},
		"waited for too long":       {func(p *patience) { p.begin(); time.Sleep(limit) }, true},
		"in time":                   {func(p *patience) { p.begin(); time.Sleep(limit - 1); p.end(true); time.Sleep(time.Hour) }, false},
		"each wait has its own":     {func(p *patience) { within(p, 10, limit-1, true) }, false},
		"but not after nothing":     {func(p *patience) { within(p, 2, limit/2, false) }, true},
		"progress during a wait":    {func(p *patience) { p.begin(); time.Sleep(limit - 1); p.progress(); time.Sleep(limit - 1) }, false},
		"two wait, one is answered": {func(p *patience) { p.begin(); within(p, 1, limit-1, true); time.Sleep(limit) }, true},
		"it is over":                {func(p *patience) { p.begin(); p.over(); p.end(false); p.begin(); time.Sleep(time.Hour) }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				spent := 0
				p := newPatience(limit, func() { spent++ })
				tt.do(p)
				synctest.Wait()
				if (spent == 1) != tt.spent || spent > 1 {
					t.Errorf("it ran out %d times", spent)
				}
				p.over()
			})
		})
	}
}

// within waits several times.
func within(p *patience, times int, each time.Duration, progress bool) {
	for range times {
		p.begin()
		time.Sleep(each)
		p.end(progress)
	}
}

// slowStream answers every minute until its context ends.
type slowStream struct {
	grpc.ClientStream
	ctx context.Context
	n   int
}

func (s *slowStream) RecvMsg(m any) error {
	page := m.(*registryv1.ListRepositoriesResponse)
	if s.n--; s.n < 0 {
		return io.EOF
	}
	select {
	case <-time.After(time.Minute):
		page.Names = []string{"x"}
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// TestSlowListing: a listing that takes hours, of plugin and consumer alike,
// is none of the call timeout's business; the bound of all streams is.
func TestSlowListing(t *testing.T) {
	t.Parallel()
	for pages, want := range map[int]error{60: io.EOF, 600: context.DeadlineExceeded} {
		synctest.Test(t, func(t *testing.T) {
			s := &supervisor{decl: Declaration{Limits: Limits{CallTimeout: 2 * time.Minute}}, opts: Options{maxStream: maxStream}}
			b := s.bind(t.Context(), &grpc.StreamDesc{ServerStreams: true})
			b.ClientStream = &slowStream{ctx: b.life, n: pages}
			var err error
			for err == nil {
				if err = b.RecvMsg(new(registryv1.ListRepositoriesResponse)); err == nil {
					time.Sleep(5 * time.Minute) // the consumer
				}
			}
			if !errors.Is(err, want) {
				t.Errorf("%d pages: %v", pages, err)
			}
		})
	}
}

// cancelledStream ends as gRPC's streams do when their connection is closed.
type cancelledStream struct{ grpc.ClientStream }

func (cancelledStream) RecvMsg(any) error { return status.Error(codes.Canceled, "closing") }

// TestTheProcessEndedUnderAStream: what nobody cancelled is not called cancelled.
func TestTheProcessEndedUnderAStream(t *testing.T) {
	t.Parallel()
	s := &supervisor{decl: Declaration{Limits: DefaultLimits()}}
	bound := s.bind(t.Context(), &grpc.StreamDesc{ServerStreams: true})
	bound.ClientStream = cancelledStream{}
	for _, stream := range []grpc.ClientStream{bound, longStream{cancelledStream{}, t.Context()}} {
		if err := stream.RecvMsg(nil); status.Code(err) != codes.Unavailable {
			t.Errorf("%T ends with %v", stream, err)
		}
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	bound = s.bind(left, &grpc.StreamDesc{ServerStreams: true})
	bound.ClientStream = cancelledStream{}
	for _, stream := range []grpc.ClientStream{bound, longStream{cancelledStream{}, left}} {
		if err := stream.RecvMsg(nil); status.Code(err) != codes.Canceled {
			t.Errorf("%T that the caller left ends with %v", stream, err)
		}
	}
}

// TestSlowConsumer takes its time with the names of a real process, for longer
// than its call timeout.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	h := startHost(t, func(o *Options) {
		o.Declared = []Declaration{{Name: "puppet", Kind: sdk.KindRegistry, Limits: Limits{CallTimeout: timeout}}}
	})
	r, err := h.Registry("puppet")
	if err != nil {
		t.Fatal(err)
	}
	const all = 60_000 // more than gRPC keeps for a reader
	n := 0
	for _, err := range r.Repositories(t.Context(), sdk.Config(`{"arg":"60000"}`)) {
		if err != nil {
			t.Fatalf("after %d names: %v", n, err)
		}
		if n++; n == 1 {
			<-time.After(timeout + timeout/2)
		}
	}
	if n != all {
		t.Errorf("%d names", n)
	}
}

// TestStreamBound: the bound of all streams ends one whose consumer never comes back.
func TestStreamBound(t *testing.T) {
	t.Parallel()
	const bound = time.Second
	h := startHost(t, func(o *Options) {
		o.maxStream = bound
		o.Declared = []Declaration{{Name: "puppet", Kind: sdk.KindRegistry, Limits: Limits{CallTimeout: bound}}}
	})
	// As long as a stream may take, but not the start of the process.
	h.supervisor(t, sdk.KindRegistry, "puppet").want()
	h.await(t, sdk.KindRegistry, "puppet", func(s Status) bool { return s.State == StateReady })
	r, err := h.Registry("puppet")
	if err != nil {
		t.Fatal(err)
	}
	first := true
	for _, err = range r.Repositories(t.Context(), sdk.Config(`{"arg":"200000"}`)) {
		if first {
			<-time.After(bound + bound/2)
			first = false
		}
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the stream ended with %v", err)
	}
}
