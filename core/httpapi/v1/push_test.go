package v1_test

import (
	"strings"
	"testing"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// The call that needs no login has limits of its own.
func TestPushesAreLimited(t *testing.T) {
	t.Parallel()
	h := newHouse()
	s := serve(t, h)
	for size, want := range map[int]int{256<<10 - 2: 204, 256<<10 + 1: 413} {
		body := `"` + strings.Repeat("x", size) + `"`
		before := h.last()
		status, _, answer := s.ask(t, question{method: "POST", path: "/registries/shop/push/K3Y", body: body})
		if status != want {
			t.Errorf("%d bytes: %d %s", size, status, answer)
		}
		if want != 204 && (h.last() != before || decode[api.Error](t, answer).Message == "") {
			t.Errorf("what is too large was handed on: %.100s", h.last())
		}
	}
}
