package store

import (
	"bytes"
	"testing"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
)

// plainSealer seals nothing: these tests look for what travels.
type plainSealer struct{}

func (plainSealer) Seal(plain []byte) ([]byte, error)  { return plain, nil }
func (plainSealer) Open(sealed []byte) ([]byte, error) { return sealed, nil }

// Members learn of a federated registry what it is, and not how it is reached.
func TestSettingsOfARegistryDoNotTravel(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	s.sealer = plainSealer{}
	enter(t, s, model.Primary)
	r := model.Registry{
		Name: "fed.shop", Type: "ecr", URL: "https://h.example", Username: "somebody", CreatedAt: *now,
		Settings: map[string]any{"region": "eu-west"}, SecretSettings: map[string]model.Secret{"webhook_secret": `"hunter2"`},
	}
	if err := s.AddRegistry(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	var payload []byte
	if err := s.reads.QueryRow(`SELECT payload FROM feed_records WHERE kind = ?`, feed.KindRegistry).Scan(&payload); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"somebody", "eu-west", "hunter2"} {
		if bytes.Contains(payload, []byte(word)) {
			t.Errorf("%q travels in %s", word, payload)
		}
	}
	got, err := s.Source(t.Context(), "fed.shop")
	if err != nil || got.Settings["region"] != "eu-west" || got.SecretSettings["webhook_secret"].Reveal() != `"hunter2"` {
		t.Errorf("here it is %+v, %v", got, err)
	}
}
