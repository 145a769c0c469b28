package plughost

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/plugins/sdk"
)

func TestFirstOf(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	type plugin struct {
		after time.Duration
		yes   bool
		err   error
	}
	const never = 100 * time.Hour
	tests := map[string]struct {
		asked []plugin
		want  int
		took  time.Duration
		err   error
	}{
		"nobody is there":            {nil, -1, 0, nil},
		"nobody knows it":            {[]plugin{{after: 1}, {after: 2}}, -1, 2, nil},
		"all at once":                {[]plugin{{after: 1}, {after: 2}, {after: 3, yes: true}}, 2, 3, nil},
		"the order decides":          {[]plugin{{after: 5, yes: true}, {after: 1, yes: true}}, 0, 5, nil},
		"and does not wait for more": {[]plugin{{after: 5, yes: true}, {after: never}}, 0, 5, nil},
		"a no is waited for":         {[]plugin{{after: 7}, {after: 1, yes: true}}, 1, 7, nil},
		"but not for long":           {[]plugin{{after: never}, {after: 1, yes: true}}, 1, time.Second + 1, nil},
		"grace counts from the first": {
			[]plugin{{after: never}, {after: time.Second, yes: true}, {after: 1, yes: true}}, 1, time.Second + 1, nil,
		},
		"an error is passed over": {[]plugin{{after: 1, err: broken}, {after: 2, yes: true}}, 1, 2, nil},
		"unless nobody knows it":  {[]plugin{{after: 1, err: broken}, {after: 2}}, -1, 2, broken},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				got, err := firstOf(t.Context(), len(tt.asked), time.Second, func(ctx context.Context, i int) (bool, error) {
					select {
					case <-time.After(tt.asked[i].after):
						return tt.asked[i].yes, tt.asked[i].err
					case <-ctx.Done():
						return false, ctx.Err()
					}
				})
				if took := time.Since(start); got != tt.want || !errors.Is(err, tt.err) || took != tt.took {
					t.Errorf("%d after %s, %v; want %d after %s, %v", got, took, err, tt.want, tt.took, tt.err)
				}
			})
		})
	}
}

// TestRecognizeBesideTheIll: the plugins that are asked first start and say
// nothing, hang, and crash. The deadlines are so long that the test would not
// end if one of them were waited for.
func TestRecognizeBesideTheIll(t *testing.T) {
	t.Parallel()
	path, sum := self(t)
	h := startHost(t, func(o *Options) {
		o.StartTimeout = time.Hour
		o.recognition = recognition{start: time.Hour, answer: time.Hour, grace: time.Millisecond}
		o.Builtins = []Builtin{{sdk.KindIngest, "trivy"}}
		for _, name := range []string{"silent", "hanging", "no-handshake"} {
			o.Declared = append(o.Declared, Declaration{
				Name: name, Kind: sdk.KindIngest, Path: path, SHA256: sum, Args: []string{"plugin", "serve", "ingest", name},
			})
		}
	})
	d := h.Documents()
	for range 3 {
		format, err := d.Recognize(t.Context(), []byte(trivyDocument))
		if err != nil || format != "trivy" {
			t.Errorf("recognized as %q, %v", format, err)
		}
	}
	h.await(t, sdk.KindIngest, "silent", func(s Status) bool { return s.State == StateStarting })
	h.await(t, sdk.KindIngest, "hanging", func(s Status) bool { return s.State == StateReady })
}

// TestRecognizeAsksNobodyWhoIsDown: with nobody else to ask, a plugin that
// ends again and again is an error at once, and one that hangs at its deadline.
func TestRecognizeAsksNobodyWhoIsDown(t *testing.T) {
	t.Parallel()
	down := startHost(t, func(o *Options) {
		o.recognition = recognition{start: time.Hour, answer: time.Hour, grace: time.Hour}
		o.Builtins = []Builtin{{sdk.KindIngest, "no-handshake"}}
	})
	_, err := down.Documents().Recognize(t.Context(), []byte("{}"))
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "hello, I am no plugin") {
		t.Errorf("a plugin that is down gives %v", err)
	}
	hung := startHost(t, func(o *Options) {
		o.recognition.start, o.recognition.answer = time.Hour, 10*time.Millisecond
		o.Builtins = []Builtin{{sdk.KindIngest, "hanging"}}
	})
	_, err = hung.Documents().Recognize(t.Context(), []byte("{}"))
	if fault.KindOf(err) != fault.Unavailable || !errors.Is(err, context.DeadlineExceeded) || fault.HintOf(err) == "" {
		t.Errorf("a plugin that hangs gives %v, hint %q", err, fault.HintOf(err))
	}
}
