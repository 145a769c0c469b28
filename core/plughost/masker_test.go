package plughost

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/model"
	ingestv1 "github.com/muster-sec/muster/plugins/proto/ingest/v1"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/schema"
)

func TestMasker(t *testing.T) {
	t.Parallel()
	base64Of := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	const pem = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\nab\n-----END KEY-----\n"
	tests := map[string]struct{ secret, text, want string }{
		"as it is":          {"hunter2", "pass hunter2.", "pass ****."},
		"four characters":   {"pa55", "pass pa55.", "pass ****."},
		"three are a word":  {"the", "the end", "the end"},
		"none":              {"", "the end", "the end"},
		"in a query":        {"a b/c=?", "?p=a+b%2Fc%3D%3F", "?p=****"},
		"in a path":         {"a b/c=?", "/a%20b%2Fc=%3F", "/****"},
		"lower hexadecimal": {"a b/c=?", "/a%20b%2fc=%3f", "/****"},
		"in JSON":           {"a\"<b", `{"p":"a\"<b","q":"a\"\u003cb"}`, `{"p":"****","q":"****"}`},
		"in base64":         {"hunter2", "token " + base64Of("hunter2"), "token ****"},
		"without padding":   {"hunter2", "token " + strings.TrimRight(base64Of("hunter2"), "="), "token ****"},
		"for a URL":         {"\xfb\xff\xfe?>>", "token " + base64.URLEncoding.EncodeToString([]byte("\xfb\xff\xfe?>>")), "token ****"},
		"with the user":     {"hunter2", "Basic " + base64Of("me:hunter2"), "Basic ****"},
		"all of a key":      {pem, "key " + pem, "key ****"},
		"a line of a key":   {pem, "hkiG9w0BAQEFAASC", "****"},
		"a short line":      {pem, "ab", "ab"},
		"a line of Windows": {"first line\r\nsecond line\r\n", "second line", "****"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var m masker
			m.add(tt.secret)
			m.addLogin("me", tt.secret)
			if diff := cmp.Diff(tt.want, m.mask(tt.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestBase64BesideASecret: whoever else's name stands in front of a secret, no
// more of it is readable than the neighbours of its first and last character.
func TestBase64BesideASecret(t *testing.T) {
	t.Parallel()
	const secret = "correct horse battery"
	var m masker
	m.add(secret)
	for _, before := range []string{"", "a", "ab", "abc", "robot$team+ci:"} {
		for _, after := range []string{"", "x", "xy", "xyz"} {
			text := m.mask(base64.StdEncoding.EncodeToString([]byte(before + secret + after)))
			start, end, ok := strings.Cut(text, mask)
			if !ok || len(start) > (len(before)*8+5)/6 || len(end) > 8 {
				t.Errorf("%q and %q: %s", before, after, text)
			}
		}
	}
}

func TestManySecrets(t *testing.T) {
	t.Parallel()
	var m masker
	for i := range maxSecrets + 10 {
		m.add(fmt.Sprintf("secret-%05d", i))
	}
	if got := m.mask("secret-00000 secret-01000"); got != "secret-00000 ****" {
		t.Errorf("%s", got)
	}
}

// TestWhatIsLearned: which values of a configuration and an environment count
// as secrets, and what is said of those that are too short.
func TestWhatIsLearned(t *testing.T) {
	t.Parallel()
	log := &syncBuffer{}
	s := newSupervisor(Declaration{Name: "p", Kind: sdk.KindRegistry, Env: map[string]model.Secret{
		"HTTPS_PROXY": "http://proxyuser:proxypw@proxy:3128", "LEVEL": "debug", "API_TOKEN": "t0ken", "PIN": "123",
	}}, Options{Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now}, nil, newMetrics())
	marks, err := schema.Compile(`{"type":"object","properties":{"key":{"type":"string","writeOnly":true},"password":{"type":"string"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), "too short") {
		t.Errorf("a variable that may be anything is complained of:\n%s", log)
	}
	s.learn(marks, sdk.Config(`{"username":"me","password":"unmarked","key":"marked","token":17}`))
	s.learn(marks, sdk.Config(`{"key":"abc"}`))
	s.learn(marks, sdk.Config(`{"key":"xy"}`))
	got := s.secrets.mask("proxypw debug t0ken 123 me unmarked marked abc bWU6dW5tYXJrZWQ=")
	if want := "**** debug **** 123 me **** **** abc ****"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := strings.Count(log.String(), "too short to be masked"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, log)
	}
}

// TestAnswersAreMasked: what is said to people, not what is told to the host.
func TestAnswersAreMasked(t *testing.T) {
	t.Parallel()
	h := startHost(t, nil)
	r, err := h.Registry("puppet")
	if err != nil {
		t.Fatal(err)
	}
	steps, err := r.Diagnose(t.Context(), sdk.Config(`{"do":"leak","password":"repo"}`))
	want := []sdk.Step{{Name: "log in as ****", Detail: "Authorization: Basic bWU6****", Fix: "not ****"}} // me:
	if diff := cmp.Diff(want, steps); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for name, err := range r.Repositories(context.Background(), sdk.Config(`{"arg":"1","password":"repo"}`)) {
		if name != "repo-00000" || err != nil {
			t.Errorf("%s, %v", name, err)
		}
	}
	var s supervisor
	s.secrets.add("hunter2")
	warning := &ingestv1.ParseResponse{Part: &ingestv1.ParseResponse_Warning{Warning: &ingestv1.Warning{Message: "hunter2 is wrong"}}}
	if s.maskAnswer(warning); warning.GetWarning().GetMessage() != "**** is wrong" {
		t.Errorf("a warning: %s", warning)
	}
	finding := &ingestv1.Finding{Id: "hunter2", Title: "hunter2", Description: "hunter2"}
	s.maskAnswer(&ingestv1.ParseResponse{Part: &ingestv1.ParseResponse_Findings{Findings: &ingestv1.Findings{Findings: []*ingestv1.Finding{finding}}}})
	if finding.GetId() != "hunter2" || finding.GetTitle() != mask || finding.GetDescription() != mask {
		t.Errorf("a finding: %s", finding)
	}
}
