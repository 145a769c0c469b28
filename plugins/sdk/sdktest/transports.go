package sdktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/muster-sec/muster/plugins/sdk"
)

func transportChecks(conn grpc.ClientConnInterface, about sdk.Description, o Options) []check {
	streams, objects := sdk.NewStreamClient(conn), sdk.NewObjectClient(conn)
	need := func(capabilities ...string) error {
		for _, c := range capabilities {
			if !about.Has(c) {
				return skip("it does not have the ability " + c)
			}
		}
		return nil
	}
	both := func(f func(context.Context, sdk.StreamTransport, Options) error) func(context.Context) error {
		return func(ctx context.Context) error {
			if err := need(sdk.CapabilityListen, sdk.CapabilityDial); err != nil {
				return err
			}
			return f(ctx, streams, o)
		}
	}
	return []check{
		{"carries bytes both ways and delivers what was written before a close", both(checkEcho),
			"write everything that was accepted before closing"},
		{"keeps one direction open when the other ends", both(checkHalfClose),
			"give connections a CloseWrite method, or an equivalent in the transport"},
		{"says when nobody answers", both(checkNobody),
			"return an error that is sdk.ErrUnavailable, and heed the context"},
		{"stores, replaces, lists and returns objects", func(ctx context.Context) error {
			if err := need(sdk.CapabilityObjects); err != nil {
				return err
			}
			return checkObjects(ctx, objects, o.Config)
		}, "store objects whole, replace by name, and answer sdk.ErrNotFound for what is not there"},
	}
}

// pair returns both ends of one byte stream through the transport.
func pair(ctx context.Context, t sdk.StreamTransport, o Options) (dialled, accepted net.Conn, err error) {
	l, err := t.Listen(ctx, o.Config, o.Address)
	if err != nil {
		return nil, nil, fmt.Errorf("listening: %w", err)
	}
	defer l.Close()
	type result struct {
		conn net.Conn
		err  error
	}
	waiting := make(chan result, 1)
	go func() {
		conn, err := l.Accept()
		waiting <- result{conn, err}
	}()
	dialled, err = t.Dial(ctx, o.Config, l.Addr().String())
	if err != nil {
		return nil, nil, fmt.Errorf("dialling %s: %w", l.Addr(), err)
	}
	select {
	case r := <-waiting:
		if r.err != nil {
			return nil, nil, fmt.Errorf("accepting: %w", r.err)
		}
		deadline, _ := ctx.Deadline()
		return dialled, r.conn, errors.Join(dialled.SetDeadline(deadline), r.conn.SetDeadline(deadline))
	case <-ctx.Done():
		return nil, nil, errors.New("nobody was accepted")
	}
}

func checkEcho(ctx context.Context, t sdk.StreamTransport, o Options) error {
	for _, reverse := range []bool{false, true} {
		from, to, err := pair(ctx, t, o)
		if err != nil {
			return err
		}
		if reverse {
			from, to = to, from
		}
		sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
		written := make(chan error, 1)
		go func() {
			_, err := from.Write(sent)
			written <- errors.Join(err, from.Close())
		}()
		got, err := io.ReadAll(to)
		if err := errors.Join(err, <-written, to.Close()); err != nil {
			return err
		}
		if !bytes.Equal(got, sent) {
			return fmt.Errorf("%d bytes were written and closed, %d arrived", len(sent), len(got))
		}
	}
	return nil
}

func checkHalfClose(ctx context.Context, t sdk.StreamTransport, o Options) error {
	asking, answering, err := pair(ctx, t, o)
	if err != nil {
		return err
	}
	defer asking.Close()
	defer answering.Close()
	half, ok := asking.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("the stream cannot end one direction")
	}
	if _, err := asking.Write([]byte("question")); err != nil {
		return err
	}
	if err := half.CloseWrite(); err != nil {
		return err
	}
	question, err := io.ReadAll(answering)
	if err != nil {
		return err
	}
	if _, err := answering.Write(append([]byte("answer to "), question...)); err != nil {
		return err
	}
	if err := answering.Close(); err != nil {
		return err
	}
	answer, err := io.ReadAll(asking)
	if err != nil {
		return err
	}
	if string(answer) != "answer to question" {
		return fmt.Errorf("after the question the answer was %q", answer)
	}
	return nil
}

func checkNobody(ctx context.Context, t sdk.StreamTransport, o Options) error {
	l, err := t.Listen(ctx, o.Config, o.Address)
	if err != nil {
		return err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("a closed listener gives %v", err)
	}
	// The listener ends in the plugin a moment after Close has returned here.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := t.Dial(ctx, o.Config, address)
		if errors.Is(err, sdk.ErrUnavailable) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("dialling a closed address gives %w", err)
		}
		conn.Close()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New("an address still answers after its listener was closed")
		}
	}
}

func checkObjects(ctx context.Context, t sdk.ObjectTransport, cfg sdk.Config) error {
	const name = "muster-conformance/object"
	for _, content := range [][]byte{bytes.Repeat([]byte("old"), 1<<18), []byte("new")} {
		if err := t.Publish(ctx, cfg, name, bytes.NewReader(content)); err != nil {
			return err
		}
		r, err := t.Fetch(ctx, cfg, name)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		if !bytes.Equal(got, content) {
			return fmt.Errorf("of an object of %d bytes other %d bytes came back", len(content), len(got))
		}
	}
	listed := false
	for n, err := range t.List(ctx, cfg, "muster-conformance/") {
		if err != nil {
			return err
		}
		listed = listed || n == name
	}
	if !listed {
		return errors.New("the object is not listed")
	}
	r, err := t.Fetch(ctx, cfg, "muster-conformance/absent")
	if err == nil {
		_, err = io.ReadAll(r)
		r.Close()
	}
	if !errors.Is(err, sdk.ErrNotFound) {
		return fmt.Errorf("an object that is not there gives %v", err)
	}
	return nil
}
