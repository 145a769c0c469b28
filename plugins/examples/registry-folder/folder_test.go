package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

const config = `{"url":"https://registry.example","username":"me","password":"hunter2"}`

// storage makes a registry's folder with two repositories.
func storage(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"team/app", "base"} {
		link := filepath.Join(root, repositories, name, "_manifests/tags/1.0/current/link")
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(link, []byte("sha256:"+strings.Repeat("0a", 32)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestConforms is the test that every plugin has.
func TestConforms(t *testing.T) {
	t.Parallel()
	conn, err := sdktest.Connect(newPlugin(storage(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if report := sdktest.Check(t.Context(), conn, sdktest.Options{Config: sdk.Config(config)}); !report.OK() {
		t.Errorf("%s", report)
	}
}

func TestListing(t *testing.T) {
	t.Parallel()
	f := &folder{root: storage(t)}
	var found []string
	for repo, err := range f.Repositories(t.Context(), sdk.Config(config)) {
		if err != nil {
			t.Fatal(err)
		}
		for tag, err := range f.Tags(t.Context(), sdk.Config(config), repo) {
			if err != nil || tag.Digest == "" {
				t.Fatal(tag, err)
			}
			found = append(found, repo+":"+tag.Name)
		}
	}
	if got := strings.Join(found, " "); got != "base:1.0 team/app:1.0" {
		t.Errorf("listed %s", got)
	}
}

func TestNothingOutsideTheRoot(t *testing.T) {
	t.Parallel()
	f := &folder{root: storage(t)}
	for _, repo := range []string{"../../../../../etc", "/etc", "absent"} {
		for _, err := range f.Tags(t.Context(), sdk.Config(config), repo) {
			if err == nil {
				t.Errorf("%s is listed", repo)
			}
		}
		if _, err := f.ResolveTag(t.Context(), sdk.Config(config), repo, "1.0"); err == nil {
			t.Errorf("%s is resolved", repo)
		}
	}
}

// TestUnfinishedListing: a folder that is not there is no empty registry.
func TestUnfinishedListing(t *testing.T) {
	t.Parallel()
	f := &folder{root: t.TempDir()}
	var last error
	for _, err := range f.Repositories(t.Context(), sdk.Config(config)) {
		last = err
	}
	if !errors.Is(last, sdk.ErrNotFound) {
		t.Errorf("the listing ends with %v", last)
	}
	steps, err := f.Diagnose(t.Context(), sdk.Config(config))
	if err != nil || len(steps) != 2 || steps[1].OK || steps[1].Fix == "" {
		t.Errorf("diagnosis: %+v, %v", steps, err)
	}
}
