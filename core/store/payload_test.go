package store

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// payloads are texts that mean something to SQL, to LIKE or to a browser.
func payloads() []string {
	return []string{
		"'", `"`, "''", "%", "_", `\`, `\%`, "%%", "a_b", "100%", "a%b", "[a-z]", "*", "?", "?1", ":name", "$1", "@p",
		"x' OR '1'='1", "'; DROP TABLE images; --", `"; DELETE FROM rules; --`, "') UNION SELECT body FROM registries --",
		"x' ESCAPE '", "/* */", "--", "<script>alert(1)</script>", `<img src=x onerror="alert(1)">`, "javascript:alert(1)", "&lt;b&gt;",
		"{{7*7}}", "${jndi:ldap://x}", "\u202egnp.exe", "\u2028", "a\tb", "a\nb", "naïve", "../../etc/passwd",
	}
}

// TestPayloadsAreDataInSearches has an image under each payload and looks for it.
func TestPayloadsAreDataInSearches(t *testing.T) {
	t.Parallel()
	s, now := clocked(t)
	digests := map[string]model.Digest{}
	for i, p := range payloads() {
		// The name of a registry is checked elsewhere; here it is a text too.
		name := "registry " + p
		if err := s.AddRegistry(t.Context(), model.Registry{Name: name, Type: "oci", URL: "https://h.example", Repositories: []string{p}, CreatedAt: *now}); err != nil {
			t.Fatal(err)
		}
		digests[p] = model.Digest("sha256:" + strings.Repeat("0", 62) + string("0123456789abcdef"[i/16]) + string("0123456789abcdef"[i%16]))
		scanDigest(t, s, name, p, digests[p], "CVE "+p)
	}
	for _, p := range payloads() {
		want := []string{}
		for _, other := range payloads() {
			if strings.Contains("h.example/app:"+strings.ToLower(other), strings.ToLower(p)) {
				want = append(want, other)
			}
		}
		tagsOf := func(q model.ImageQuery) []string {
			q.Limit = 1000
			images, err := s.ImagesAfter(t.Context(), q)
			if err != nil {
				t.Fatalf("%q: %v", p, err)
			}
			tags := []string{}
			for _, im := range images {
				for _, tag := range im.Tags {
					tags = append(tags, tag.Tag)
				}
			}
			return tags
		}
		if diff := cmp.Diff(want, tagsOf(model.ImageQuery{Text: p})); diff != "" {
			t.Errorf("looking for %q (-want +got):\n%s", p, diff)
		}
		if diff := cmp.Diff([]string{p}, tagsOf(model.ImageQuery{Registry: "registry " + p})); diff != "" {
			t.Errorf("in registry %q (-want +got):\n%s", p, diff)
		}
		if got := tagsOf(model.ImageQuery{Status: model.ImageStatus(p)}); len(got) != 0 {
			t.Errorf("with the status %q there are %v", p, got)
		}
		if got := tagsOf(model.ImageQuery{After: model.Digest("z" + p)}); len(got) != 0 {
			t.Errorf("after %q there are %v", p, got)
		}
		known, err := s.Verdicts(t.Context(), digests[p])
		if err != nil || len(known) != 1 {
			t.Fatalf("%d verdicts, error %v", len(known), err)
		}
		list, err := s.FindingList(t.Context(), known[0].Findings)
		if err != nil || len(list.Findings) != 1 || list.Findings[0].ID != "CVE "+p {
			t.Errorf("findings %+v, error %v", list, err)
		}
		r, err := s.Source(t.Context(), "registry "+p)
		if err != nil || r.Repositories[0] != p {
			t.Errorf("registry %+v, error %v", r, err)
		}
	}
}

// TestPayloadsComeBackAsTheyWere keeps each payload in every text that somebody
// may choose.
func TestPayloadsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, p := range payloads() {
		added := addRule(t, s, policy.Rule{
			Comment: p, CfgType: policy.UserCreated, RuleType: policy.Deny,
			Criteria: []policy.Criterion{{Name: "image", Op: "containsAny", Value: p}},
		})
		rules, err := s.Rules(t.Context())
		if err != nil || len(rules) == 0 {
			t.Fatalf("%d rules, error %v", len(rules), err)
		}
		if diff := cmp.Diff(added, rules[len(rules)-1]); diff != "" {
			t.Errorf("rule of %q (-want +got):\n%s", p, diff)
		}
		account := addAccount(t, s, p, model.RoleReader)
		got, hash, err := s.Account(t.Context(), p)
		if err != nil || hash != "hash of "+p || !cmp.Equal(account, got) {
			t.Errorf("account %q is %+v with %q, error %v", p, got, hash, err)
		}
		key := model.APIKey{Name: p, Role: model.RoleCIOps, CreatedBy: p, CreatedAt: noon()}
		if err := s.AddAPIKey(t.Context(), key, p); err != nil {
			t.Fatal(err)
		}
		kept, secret, err := s.APIKey(t.Context(), p)
		if err != nil || secret != p || !cmp.Equal(key, kept) {
			t.Errorf("API key %q is %+v with %q, error %v", p, kept, secret, err)
		}
		event := model.AuditEvent{Time: noon(), Actor: p, Action: p, Target: p, Outcome: p}
		if err := s.Audit(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		events, _, err := s.AuditEvents(t.Context(), "", 1)
		if err != nil || len(events) != 1 || !cmp.Equal(event, events[0]) {
			t.Errorf("audit event of %q is %+v, error %v", p, events, err)
		}
		if _, _, err := s.AuditEvents(t.Context(), p, 1); err == nil {
			t.Errorf("%q is a cursor", p)
		}
	}
	if rules, err := s.Rules(t.Context()); err != nil || len(rules) != len(payloads()) {
		t.Errorf("%d rules at the end, error %v", len(rules), err)
	}
}
