package federation

import (
	"context"
	"encoding/hex"
	"log/slog"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer/session"
)

// noMembers forgets everything it is told.
type noMembers struct{ Members }

func (noMembers) SaveClusterSummary(context.Context, string, model.ClusterSummary) error { return nil }

func fuzzRegistrar() *registrar {
	return &registrar{
		store: Store{Members: noMembers{}}, now: time.Now, log: slog.New(slog.DiscardHandler), removed: map[string]string{},
	}
}

// FuzzApplication reads what a joiner says of itself: nothing but a name that can
// be shown and an id of our form may pass.
func FuzzApplication(f *testing.F) {
	f.Add("west", []byte(`{"cluster_id":"0123456789abcdef0123456789abcdef","version":"1.0.0"}`))
	f.Add("", []byte(`{"cluster_id":"x"}`))
	f.Add("a\x00b", []byte(`[]`))
	r := fuzzRegistrar()
	f.Fuzz(func(t *testing.T, name string, info []byte) {
		c, err := r.candidate(session.Application{Name: name, Info: info})
		if err != nil {
			return
		}
		if id, err := hex.DecodeString(c.ID); err != nil || len(id) != 16 || checkName(c.Name) != nil || len(c.Version) > 64 {
			t.Errorf("accepted %+v", c)
		}
	})
}

// FuzzSummary reads what a member reports upward.
func FuzzSummary(f *testing.F) {
	f.Add([]byte(`{"summary":{"images":3,"db_updated_at":"2026-01-02T03:04:05Z"}}`))
	f.Add([]byte(`{"summary":[]}`))
	f.Add([]byte(nil))
	r := fuzzRegistrar()
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := r.Summary(t.Context(), "m", body); err == nil && len(body) > maxSummary {
			t.Errorf("accepted %d bytes", len(body))
		}
	})
}
