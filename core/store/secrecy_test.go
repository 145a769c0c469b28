package store

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/feed"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/secret"
	"github.com/muster-sec/muster/syncer"
)

// spellings are the ways in which a secret may lie around.
func spellings(text string) map[string][]byte {
	all := map[string][]byte{
		"in clear": []byte(text), "in hexadecimal": []byte(hex.EncodeToString([]byte(text))), "in a URL": []byte(url.QueryEscape(text)),
	}
	// Base64 of a part that begins anywhere in the encoded text: without the
	// characters at the ends that others contribute to.
	for shift := range 3 {
		for name, e := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			encoded := e.EncodeToString(append(make([]byte, shift), text...))
			all[name+string(rune('0'+shift))] = []byte(encoded[(shift*8+5)/6 : len(encoded)-2])
		}
	}
	return all
}

// TestNothingThatTravelsHasASecret looks for a registry's password and token in
// every record of the feed and in every file of the database, which is what a
// backup has.
func TestNothingThatTravelsHasASecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys, err := secret.Load(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Path: filepath.Join(dir, "muster.db"), Sealer: keys.For("registry credentials")})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			_ = s.Close()
		}
	})
	const password, token, username = "Pa55 w/rd?+~of the registry", "glpat-T0ken_of.the-registry", "robot$of-the-registry"
	r := model.Registry{
		Name: model.FederatedPrefix + "shop", Type: "oci", URL: "https://registry.example", Username: username, Password: password, Token: token,
		CreatedAt: time.Unix(1, 0).UTC(), UpdatedAt: time.Unix(1, 0).UTC(), Schedule: "@every 10m",
	}
	enter(t, s, model.Primary)
	if err := s.AddRegistry(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	r.Repositories = []string{"app"}
	if err := s.UpdateRegistry(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	local := r
	local.Name = "local"
	if err := s.AddRegistry(t.Context(), local); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.StartRun(t.Context(), r.Name, model.TriggerManual, time.Unix(2, 0)); err != nil {
		t.Fatal(err)
	}
	registries := 0
	for class := feed.ClassDecide; class <= feed.ClassDetail; class++ {
		err := s.Feed().View(t.Context(), syncer.Stream{Scope: feed.ScopeAll, Class: class}, func(v syncer.View) error {
			records, _, err := v.After(0, syncer.Limit{Records: 1000, Bytes: 1 << 20})
			for _, record := range records {
				if record.Kind == string(feed.KindRegistry) {
					registries++
				}
				// A user's name is half of a credential: members have no use for it.
				for _, text := range []string{password, token, username} {
					for how, needle := range spellings(text) {
						if bytes.Contains(record.Payload, needle) || bytes.Contains([]byte(record.Key), needle) {
							t.Errorf("record %s %s has %q %s: %s", record.Kind, record.Key, text, how, record.Payload)
						}
					}
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if registries != 1 {
		t.Errorf("%d registries were published, want 1", registries)
	}
	search := func(when string) {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("files %v, error %v", files, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{password, token} {
				for how, needle := range spellings(text) {
					if bytes.Contains(content, needle) {
						t.Errorf("%s, %s has %q %s", when, filepath.Base(file), text, how)
					}
				}
			}
		}
	}
	search("while it runs")
	got, err := s.Source(t.Context(), r.Name)
	if err != nil || got.Password.Reveal() != password || got.Token.Reveal() != token {
		t.Errorf("the registry itself has lost its secrets: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	closed = true
	search("after it ended")
}

// TestSpellingsAreFound keeps the search above honest.
func TestSpellingsAreFound(t *testing.T) {
	t.Parallel()
	const text = "Pa55 w/rd?+~of the registry"
	for shift := range 5 {
		hidden := base64.StdEncoding.EncodeToString([]byte("user:"[:shift] + text + "@host"))
		found := false
		for _, needle := range spellings(text) {
			found = found || bytes.Contains([]byte(hidden), needle)
		}
		if !found {
			t.Errorf("after %d bytes it is not found in %s", shift, hidden)
		}
	}
}
