package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/fault"
)

func TestKindAndHintSurviveWrapping(t *testing.T) {
	t.Parallel()
	inner := fault.New(fault.NotFound, "registry %q: %w", "fed.prod", io.EOF).WithHint("see muster registry list")
	tests := []struct {
		name string
		err  error
		kind fault.Kind
		hint string
	}{
		{"plain error", io.EOF, fault.Internal, ""},
		{"nil", nil, fault.Internal, ""},
		{"fault itself", inner, fault.NotFound, "see muster registry list"},
		{"wrapped by fmt", fmt.Errorf("scan: %w", inner), fault.NotFound, "see muster registry list"},
		{"outer fault wins, inner hint stays", fault.New(fault.Conflict, "scan: %w", inner), fault.Conflict, "see muster registry list"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := fault.KindOf(tt.err); got != tt.kind {
				t.Errorf("KindOf = %v, want %v", got, tt.kind)
			}
			if got := fault.HintOf(tt.err); got != tt.hint {
				t.Errorf("HintOf = %q, want %q", got, tt.hint)
			}
		})
	}
	if !errors.Is(inner, io.EOF) {
		t.Error("the cause is lost")
	}
	if got, want := inner.Error(), `registry "fed.prod": EOF`; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestRetryAfterSurvivesWrapping(t *testing.T) {
	t.Parallel()
	inner := fault.New(fault.Unavailable, "HTTP 429").WithRetryAfter(time.Minute)
	tests := map[string]struct {
		err   error
		after time.Duration
		ok    bool
	}{
		"nil":               {nil, 0, false},
		"plain":             {io.EOF, 0, false},
		"does not say":      {fault.New(fault.Unavailable, "reset"), 0, false},
		"says":              {inner, time.Minute, true},
		"at once":           {fault.New(fault.Unavailable, "x").WithRetryAfter(0), 0, true},
		"wrapped":           {fmt.Errorf("list: %w", inner), time.Minute, true},
		"within a fault":    {fault.New(fault.Unavailable, "list: %w", inner), time.Minute, true},
		"the outer decides": {fault.New(fault.Unavailable, "list: %w", inner).WithRetryAfter(time.Second), time.Second, true},
	}
	for name, tt := range tests {
		if after, ok := fault.RetryAfterOf(tt.err); after != tt.after || ok != tt.ok {
			t.Errorf("%s: %s, %v", name, after, ok)
		}
	}
}
