package secret_test

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/secret"
)

// token is made here: the test holds no credential.
func token() string { return "ghp_" + "aB3dE5gH7jK9mN1pQ2sT4vW6" + "yZ8xC0bF5nR3" }

func TestRequired(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"root/.netrc": true, "srv/.env": true, "app/config.yaml": true, "etc/ssl/private/key.pem": true, "app/Main.CLASS": false,
		"usr/share/doc/x/README": false, "srv/logo.png": false, "lib/apk/db/installed": false, "usr/lib/libz.so": false,
	} {
		if got := secret.New().Required(analyze.File{Path: path, Size: 1000}); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	for size, want := range map[int64]bool{0: false, 19: false, 20: true, 16 << 20: true, 16<<20 + 1: false} {
		if got := secret.New().Required(analyze.File{Path: "x", Size: size}); got != want {
			t.Errorf("%d bytes: %v", size, got)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	run := secret.New().Begin()
	broken := errors.New("broken")
	if err := run.Read(analyze.File{Path: "a"}, strings.NewReader("\n"+token()+"\n")); err != nil {
		t.Fatal(err)
	}
	if err := run.Read(analyze.File{Path: "b"}, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
	got := run.Result().Sightings
	if len(got) != 1 || got[0].Path != "a" || got[0].Line != 2 || got[0].Rule != "github-token" || strings.Contains(got[0].Evidence, token()) {
		t.Errorf("%+v", got)
	}
}
