package client_test

import (
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/muster-sec/muster/cli/client"
)

func TestTrust(t *testing.T) {
	t.Parallel()
	_, srv := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, client.Credential{})
	right := client.FingerprintOf(srv.Certificate())
	wrong := right
	wrong[0]++
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	tests := map[string]struct {
		trust client.Trust
		ok    bool
	}{
		"the pinned certificate":  {client.Trust{Pin: &right}, true},
		"another certificate":     {client.Trust{Pin: &wrong}, false},
		"its CA":                  {client.Trust{CAPEM: own}, true},
		"the system's roots":      {client.Trust{}, false},
		"a pin wins over a CA":    {client.Trust{Pin: &wrong, CAPEM: own}, false},
		"a pin needs no CA match": {client.Trust{Pin: &right, CAPEM: own}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := client.New(client.Config{Server: srv.URL, Trust: tt.trust})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			err = c.Logout(t.Context())
			if tt.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if u, ok := errors.AsType[*client.Unreachable](err); !ok || u.Check != client.CheckCertificate {
				t.Errorf("Logout = %#v", err)
			}
		})
	}
	if _, err := client.New(client.Config{Server: srv.URL, Trust: client.Trust{CAPEM: []byte("no PEM")}}); err == nil {
		t.Error("a CA without a certificate was accepted")
	}
}

// TestPinErrorShowsBoth: a person must be able to compare.
func TestPinErrorShowsBoth(t *testing.T) {
	t.Parallel()
	_, srv := serve(t, func(http.ResponseWriter, *http.Request) {}, client.Credential{})
	var zero client.Fingerprint
	c, err := client.New(client.Config{Server: srv.URL, Trust: client.Trust{Pin: &zero}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pin, ok := errors.AsType[*client.PinError](c.Logout(t.Context()))
	if !ok || pin.Want != zero || pin.Got != client.FingerprintOf(srv.Certificate()) {
		t.Errorf("pin error %+v", pin)
	}
}

// TestIntroduceSendsNothing: the handshake ends before a request could be made.
func TestIntroduceSendsNothing(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	_, srv := serve(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) }, client.Credential{})
	seen, err := client.Introduce(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if seen.Fingerprint != client.FingerprintOf(srv.Certificate()) {
		t.Errorf("fingerprint %s", seen.Fingerprint)
	}
	if seen.Err == nil {
		t.Error("the system's roots vouch for a test certificate")
	}
	srv.Close()
	if _, err := client.Introduce(t.Context(), srv.URL); err == nil {
		t.Error("a stopped server introduced itself")
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestParseFingerprint(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("ab", 32)
	colons := strings.TrimSuffix(strings.Repeat("AB:", 32), ":")
	for _, in := range []string{hex, strings.ToUpper(hex), colons, "SHA256:" + hex, "sha256 Fingerprint=" + colons, " " + hex + "\n"} {
		got, err := client.ParseFingerprint(in)
		if err != nil || got.String() != colons {
			t.Errorf("ParseFingerprint(%q) = %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", hex[1:], hex + "ab", "zz" + hex[2:], "md5:" + hex} {
		if _, err := client.ParseFingerprint(in); err == nil {
			t.Errorf("ParseFingerprint(%q) succeeded", in)
		}
	}
}

func FuzzParseFingerprint(f *testing.F) {
	f.Add(strings.Repeat("ab", 32))
	f.Add("SHA256 Fingerprint=" + strings.Repeat("AB:", 32))
	f.Add("sha256:")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := client.ParseFingerprint(s)
		if err != nil {
			return
		}
		if again, err := client.ParseFingerprint(got.String()); err != nil || again != got {
			t.Errorf("%q became %s, which became %s, %v", s, got, again, err)
		}
	})
}
