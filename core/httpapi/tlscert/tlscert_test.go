package tlscert_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/httpapi/tlscert"
)

func now() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func selfSigned(t *testing.T, dir string, at time.Time, hosts ...string) (*tlscert.Source, string) {
	t.Helper()
	s, err := tlscert.SelfSigned(dir, hosts, at)
	if err != nil {
		t.Fatal(err)
	}
	print, err := s.Fingerprint()
	if err != nil || len(print) != 64 {
		t.Fatalf("fingerprint %q, %v", print, err)
	}
	return s, print
}

func leaf(t *testing.T, s *tlscert.Source) *x509.Certificate {
	t.Helper()
	cert, err := s.Config().GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

func TestSelfSignedIsKeptAndRenewed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, first := selfSigned(t, dir, now(), "muster.example", "10.1.2.3")
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "muster.example", "10.1.2.3"} {
		if err := leaf(t, s).VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "api.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, again := selfSigned(t, dir, now().AddDate(1, 0, 0), "muster.example"); again != first {
		t.Error("a restart changes the fingerprint")
	}
	if _, other := selfSigned(t, dir, now(), "new.example"); other == first {
		t.Error("a new host is not covered")
	}
	if _, late := selfSigned(t, dir, now().AddDate(5, 0, 0), "new.example"); late == first {
		t.Error("not renewed before its end")
	}
}

func TestSelfSignedRefusesADamagedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "api.pem"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tlscert.SelfSigned(dir, nil, now()); err == nil {
		t.Error("a damaged file is overwritten in silence")
	}
}

func TestFilesAreFollowed(t *testing.T) {
	t.Parallel()
	_, one := selfSigned(t, dirWith(t, "a"), now(), "one.example")
	dir := dirWith(t, "b")
	_, two := selfSigned(t, dir, now(), "two.example")
	path := filepath.Join(dir, "api.pem")
	s, err := tlscert.FromFiles(path, path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(when, want string) {
		t.Helper()
		if got, err := s.Fingerprint(); err != nil || got != want {
			t.Errorf("%s: %s, %v", when, got, err)
		}
	}
	check("at first", two)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, []byte("half written"), now())
	check("in the middle of a renewal", two)
	put(t, path, good, now().Add(time.Second))
	check("the same again", two)
	_, three := selfSigned(t, dir, now().AddDate(9, 0, 0))
	check("renewed", three)
	if one == two || two == three {
		t.Error("fingerprints repeat")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	check("the file is gone for a moment", three)
}

func dirWith(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// put writes a file with a time of its own, so that the test does not depend
// on how finely the file system keeps time.
func put(t *testing.T, path string, body []byte, at time.Time) {
	t.Helper()
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestFromFilesRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := tlscert.FromFiles(filepath.Join(dir, "none"), filepath.Join(dir, "none"))
	if fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("error %v", err)
	}
}

func TestConfigIsModern(t *testing.T) {
	t.Parallel()
	s, _ := selfSigned(t, t.TempDir(), now())
	if s.Config().MinVersion != tls.VersionTLS13 {
		t.Error("older TLS is accepted")
	}
}
