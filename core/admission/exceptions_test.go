package admission

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// exception needs all of its criteria, written "name=values" or "name!=values".
func exception(id uint32, criteria ...string) policy.Rule {
	r := policy.Rule{ID: id, CfgType: policy.UserCreated, RuleType: policy.Exception}
	if id >= policy.FirstFederatedID {
		r.CfgType = policy.Federal
	}
	for _, c := range criteria {
		name, value, _ := strings.Cut(c, "=")
		op := "containsAny"
		if cut, ok := strings.CutSuffix(name, "!"); ok {
			name, op = cut, "notContainsAny"
		}
		r.Criteria = append(r.Criteria, policy.Criterion{Name: name, Op: op, Value: value})
	}
	return r
}

// TestExceptionsDoNotAddUp denies everything and then makes exceptions: what is
// admitted is what some exception admits as a whole, container by container.
func TestExceptionsDoNotAddUp(t *testing.T) {
	t.Parallel()
	const a, b, c = "reg.example/a:1", "reg.example/b:1", "reg.example/c:1"
	only := func(r policy.Rule, kinds ...policy.ContainerKind) policy.Rule {
		r.Containers = kinds
		return r
	}
	forImageA, forNamespaceDev := exception(1000, "image=reg.example/a"), exception(1001, "namespace=dev")
	tests := []struct {
		name  string
		rules []policy.Rule
		// want is by namespace and containers, "dev a init:c".
		want map[string]bool
	}{
		{"an image and a namespace", []policy.Rule{forImageA, forNamespaceDev}, map[string]bool{
			"prod a": true, "prod c": false, "dev c": true, "prod a c": false, "prod c a": false, "dev a c": true,
			"prod a init:c": false, "prod a ephemeral:c": false, "prod c init:a": false,
		}},
		{"an image in one namespace, another in another", []policy.Rule{
			exception(1000, "image=reg.example/a", "namespace=dev"), exception(1001, "image=reg.example/b", "namespace=prod"),
		}, map[string]bool{
			"dev a": true, "prod b": true, "dev b": false, "prod a": false, "dev a b": false, "prod a b": false, "test a": false,
		}},
		{"an image by name and a host", []policy.Rule{exception(1000, "image=reg.example/a", "imageRegistry=other.example"), exception(1001, "imageRegistry=reg.example", "namespace=dev")},
			map[string]bool{"prod a": false, "dev a": true, "prod b": false}},
		{"init containers here, others there", []policy.Rule{
			only(exception(1000, "image=reg.example/a"), policy.InitContainers), only(exception(1001, "namespace=dev"), policy.EphemeralContainers),
		}, map[string]bool{
			"prod init:a": true, "prod a": false, "prod init:a a": false, "dev a": false, "dev ephemeral:a": true, "prod ephemeral:a": false,
			"dev init:c": false, "dev init:a ephemeral:c": true, "dev init:a ephemeral:c c": false,
		}},
		{"two that exclude each other's image", []policy.Rule{
			exception(1000, "image!=reg.example/c", "namespace=dev"), exception(1001, "image!=reg.example/a", "namespace=prod"),
		}, map[string]bool{"dev c": false, "prod c": true, "dev a": true, "prod a": false, "dev a c": false}},
		{"one that is disabled", []policy.Rule{func() policy.Rule { r := forImageA; r.Disable = true; return r }(), forNamespaceDev},
			map[string]bool{"prod a": false, "dev a": true}},
		{"one that needs a result, one that needs none", []policy.Rule{
			exception(1000, "image=reg.example/b", "cveNames!=CVE-2024-1"), exception(1001, "namespace=dev", "image=reg.example/a"),
		}, map[string]bool{"prod b": false, "dev b": false, "dev a": true}},
		{"an accepted vulnerability here, another there", []policy.Rule{
			exception(1000, "cveNames=CVE-2024-1", "namespace=dev"), exception(1001, "cveNames=CVE-2024-2", "namespace=prod"),
		}, map[string]bool{"dev b": true, "prod b": false, "dev c": false, "prod c": true, "dev b c": false}},
		{"one of a newer version", []policy.Rule{exception(1000, "image=reg.example/a", "signedBy=me"), forNamespaceDev},
			map[string]bool{"prod a": false, "dev a": true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.rules = append([]policy.Rule{denial(1999, "namespace", "containsAny", "*")}, tt.rules...)
			w.rules[0].RuleMode = policy.Protect
			w.image(a, digest("a"), model.Counts{})
			w.image(b, digest("b"), model.Counts{High: 1}, high("CVE-2024-1")...)
			w.image(c, digest("c"), model.Counts{High: 1}, high("CVE-2024-2")...)
			s := w.service(t)
			got := map[string]bool{}
			for what := range tt.want {
				got[what] = review(t, s, requestOf(what)).Allowed
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("allowed (-want +got):\n%s", diff)
			}
		})
	}
}

// requestOf reads "namespace kind:image …".
func requestOf(what string) Request {
	words := strings.Fields(what)
	req := Request{UID: "u1", Operation: "CREATE", Kind: "Pod", Namespace: words[0], Name: "web"}
	for _, w := range words[1:] {
		kind := policy.Containers
		if rest, ok := strings.CutPrefix(w, "init:"); ok {
			kind, w = policy.InitContainers, rest
		} else if rest, ok := strings.CutPrefix(w, "ephemeral:"); ok {
			kind, w = policy.EphemeralContainers, rest
		}
		req.Containers = append(req.Containers, Container{Name: w, Kind: kind, Image: "reg.example/" + w + ":1"})
	}
	return req
}

// TestExceptionsDoNotAddUpOverImagesBehindATag has a tag that stands for two
// images, each of which meets another exception.
func TestExceptionsDoNotAddUpOverImagesBehindATag(t *testing.T) {
	t.Parallel()
	const name = "reg.example/app:1"
	first, second := exception(1000, "cveNames=CVE-2024-1"), exception(1001, "cveNames=CVE-2024-2")
	for what, tt := range map[string]struct {
		rules []policy.Rule
		want  bool
	}{
		"one each":        {[]policy.Rule{first, second}, false},
		"one for both":    {[]policy.Rule{exception(1000, "cveNames=CVE-2024-1,CVE-2024-2")}, true},
		"one for one":     {[]policy.Rule{first}, false},
		"of two clusters": {[]policy.Rule{first, exception(100001, "cveNames=CVE-2024-2")}, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.rules = append(tt.rules, denial(1999, "imageScanned", "=", "true"))
			w.rules[len(w.rules)-1].RuleMode = policy.Protect
			w.image(name, digest("a"), model.Counts{High: 1}, high("CVE-2024-1")...)
			w.image(name, digest("b"), model.Counts{High: 1}, high("CVE-2024-2")...)
			if d := review(t, w.service(t), pod(name)); d.Allowed != tt.want {
				t.Errorf("allowed %v: %s", d.Allowed, d.Message)
			}
		})
	}
}

// TestLocalExceptionsDoNotReachFederatedDenials and the other way round.
func TestLocalExceptionsDoNotReachFederatedDenials(t *testing.T) {
	t.Parallel()
	local, federated := exception(1000, "image=reg.example/a"), exception(100000+2, "namespace=dev")
	for what, tt := range map[string]struct {
		deny uint32
		want map[string]bool
	}{
		"a federated denial": {100001, map[string]bool{"prod a": false, "dev a": true, "dev c": true, "prod c": false}},
		"a local denial":     {1999, map[string]bool{"prod a": true, "dev a": true, "dev c": true, "prod c": false, "prod a c": false}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			deny := denial(tt.deny, "namespace", "containsAny", "*")
			deny.RuleMode = policy.Protect
			w.rules = []policy.Rule{local, federated, deny}
			s := w.service(t)
			got := map[string]bool{}
			for what := range tt.want {
				got[what] = review(t, s, requestOf(what)).Allowed
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("allowed (-want +got):\n%s", diff)
			}
		})
	}
}
