package v1_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/fleet"
	"github.com/muster-sec/muster/core/httpapi/api"
	v1 "github.com/muster-sec/muster/core/httpapi/v1"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// poisoned answers with the payload in every text of a rule, an image and a
// finding, and in its errors.
type poisoned struct {
	*house
	payload string
	asked   string
}

func (p *poisoned) Rules(context.Context) ([]policy.Rule, error) {
	return []policy.Rule{{
		ID: 1000, Comment: p.payload, CfgType: policy.UserCreated, RuleType: policy.Deny,
		Criteria: []policy.Criterion{{Name: "image", Op: "containsAny", Value: p.payload}},
	}}, nil
}

func (p *poisoned) Rule(context.Context, uint32) (policy.Rule, error) {
	return policy.Rule{}, fault.New(fault.NotFound, "rule %s is not there", p.payload).WithHint("look for %s", p.payload)
}

func (p *poisoned) Images(_ context.Context, q fleet.Query) ([]model.ImageSummary, string, error) {
	p.asked = q.Text
	s := imageSummary()
	s.Tags[0].Tag = p.payload
	return []model.ImageSummary{s}, "", nil
}

func (p *poisoned) Image(_ context.Context, d model.Digest) (model.ImageReport, error) {
	f := model.Finding{ID: p.payload, Package: p.payload, Installed: p.payload, Title: p.payload, Severity: model.High, Published: noon()}
	return model.ImageReport{ImageSummary: imageSummary(), Findings: []model.ReportedFinding{{Finding: f, Source: model.SourceScan}}}, nil
}

// TestPayloadsAreDataInAnswers shows what somebody wrote to a browser: as JSON
// that says so, escaped, and with headers that let nothing run.
func TestPayloadsAreDataInAnswers(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		"<script>alert(document.cookie)</script>", `"><img src=x onerror=alert(1)>`, "</script><svg/onload=alert(1)>", "<!--", "javascript:alert(1)",
		"' OR 1=1 --", "a&b", "\u2028alert(1)", "{{constructor.constructor('alert(1)')()}}", "%3Cscript%3E", "100%_'\"\\",
	} {
		p := &poisoned{house: newHouse(), payload: payload}
		o := options(p.house)
		o.Rules, o.Images = p, p
		handler, err := v1.New(o)
		if err != nil {
			t.Fatal(err)
		}
		s := serveAPI(t, handler)
		for _, tt := range []struct {
			path   string
			status int
			texts  func(body []byte) []string
		}{
			{"/rules", 200, func(b []byte) []string {
				r := decode[api.List[api.Rule]](t, b).Items[0]
				return []string{r.Comment, r.Criteria[0].Value}
			}},
			{"/rules/1000", 404, func(b []byte) []string {
				e := decode[api.Error](t, b)
				return []string{strings.TrimSuffix(strings.TrimPrefix(e.Message, "rule "), " is not there"), strings.TrimPrefix(e.Hint, "look for ")}
			}},
			{"/images?q=" + url.QueryEscape(payload), 200, func(b []byte) []string {
				return []string{p.asked, strings.TrimPrefix(decode[api.List[api.Image]](t, b).Items[0].Names[0], "hub.example/app:")}
			}},
			{"/images/" + string(digest), 200, func(b []byte) []string {
				f := decode[api.ImageReport](t, b).Findings[0]
				return []string{f.ID, f.Package, f.Installed, f.Title}
			}},
			{"/nothing/" + url.PathEscape(payload), 404, func(b []byte) []string {
				return []string{payload} // as text of the message, which is checked below
			}},
		} {
			status, header, body := s.ask(t, question{method: http.MethodGet, path: tt.path, as: "admin", wild: true})
			if status != tt.status {
				t.Errorf("%s: status %d, want %d: %s", tt.path, status, tt.status, body)
				continue
			}
			for _, text := range tt.texts(body) {
				if text != payload {
					t.Errorf("%s: %q became %q", tt.path, payload, text)
				}
			}
			if bytes.ContainsAny(body, "<>&\u2028") {
				t.Errorf("%s: not escaped: %s", tt.path, body)
			}
			got := map[string]string{}
			for _, name := range []string{"Content-Type", "X-Content-Type-Options", "Content-Security-Policy", "X-Frame-Options", "Location"} {
				got[name] = header.Get(name)
			}
			want := map[string]string{
				"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
				"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Location": "",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: headers (-want +got):\n%s", tt.path, diff)
			}
		}
	}
}

// TestNoRedirectLeavesTheServer asks for addresses that read like other hosts.
func TestNoRedirectLeavesTheServer(t *testing.T) {
	t.Parallel()
	s := serve(t, newHouse())
	client := &http.Client{Transport: s.client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{
		"//evil.example", "//evil.example/..", "/%2f%2fevil.example", "/\\evil.example", "/v1//evil.example/..", v1.Prefix + "/..//evil.example",
		v1.Prefix + "/rules/?next=//evil.example", "/?url=https://evil.example",
	} {
		resp, err := client.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		location := resp.Header.Get("Location")
		if u, err := url.Parse(location); err != nil || u.Host != "" || strings.HasPrefix(location, "//") || strings.HasPrefix(location, "/\\") {
			t.Errorf("%s leads to %s", path, location)
		}
	}
}
