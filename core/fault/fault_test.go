package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

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
