package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// numbered is so many different patterns.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "app%d*,", i)
	}
	return b.String()
}

func TestValidate(t *testing.T) {
	t.Parallel()
	deny := func(change func(*Rule)) Rule {
		r := rule(0, UserCreated, Deny, crit("namespace", "containsAny", "prod"))
		change(&r)
		return r
	}
	with := func(kind RuleType, c ...Criterion) Rule { return rule(0, UserCreated, kind, c...) }
	many := make([]Criterion, MaxCriteria+1)
	tests := []struct {
		name string
		rule Rule
		want string // part of the error; empty: valid
	}{
		{"plain", deny(func(*Rule) {}), ""},
		{"everything", deny(func(r *Rule) {
			r.Category, r.Comment, r.Disable, r.CfgType, r.RuleMode = "Kubernetes", "é", true, Federal, Protect
			r.Containers, r.OnMissing = []ContainerKind{InitContainers, Containers, EphemeralContainers}, OnMissingMatch
		}), ""},
		{"category", deny(func(r *Rule) { r.Category = "Docker" }), `category is "Docker"`},
		{"owner", deny(func(r *Rule) { r.CfgType = "ground" }), `cfg_type is "ground"`},
		{"built-in", deny(func(r *Rule) { r.CfgType = BuiltIn }), "cfg_type"},
		{"type", deny(func(r *Rule) { r.RuleType = "allow" }), `rule_type is "allow"`},
		{"mode", deny(func(r *Rule) { r.RuleMode = "enforce" }), `rule_mode is "enforce"`},
		{"mode of an exception", deny(func(r *Rule) { r.RuleType, r.RuleMode = Exception, Monitor }), "rule_mode is for rules of type"},
		{"missing", deny(func(r *Rule) { r.OnMissing = "deny" }), `on_missing is "deny"`},
		{"comment", deny(func(r *Rule) { r.Comment = strings.Repeat("x", MaxComment+1) }), "comment"},
		{"comment of two lines", deny(func(r *Rule) { r.Comment = "a\nb" }), "comment"},
		{"comment that is no text", deny(func(r *Rule) { r.Comment = "\xff" }), "comment"},
		{"containers", deny(func(r *Rule) { r.Containers = []ContainerKind{"sidecars"} }), `"sidecars"`},
		{"containers twice", deny(func(r *Rule) { r.Containers = []ContainerKind{Containers, Containers} }), "twice"},
		{"no criteria", with(Deny), "criteria is empty"},
		{"many criteria", with(Deny, many...), "criteria has 65"},
		{"unknown name", with(Deny, crit("imageSigned", "=", "true")), `criterion 1: this version knows no criterion "imageSigned"`},
		{"the second one", with(Deny, crit("namespace", "containsAny", "a"), crit("namespace", "=", "a")), `criterion 2: namespace takes containsAny and notContainsAny in rules of type deny, not "="`},
		{"at most denies", with(Deny, crit("cveHighCount", "<=", "1")), `cveHighCount takes >=`},
		{"at most allows", with(Exception, crit("cveHighCount", "<=", "1"), crit("cveCriticalCount", ">=", "0"), crit("cveMediumCount", "<=", "0")), ""},
		{"a fraction", with(Deny, crit("cveHighCount", ">=", "1.5")), "whole number"},
		{"a negative number", with(Deny, crit("cveHighCount", ">=", "-1")), "whole number"},
		{"two numbers", with(Deny, crit("cveHighCount", ">=", "1,2")), "whole number"},
		{"a huge number", with(Deny, crit("cveHighCount", ">=", "99999999999")), "whole number"},
		{"scanned", with(Deny, crit("imageScanned", "=", "own"), crit("imageScanned", "=", "ci")), ""},
		{"scanned maybe", with(Deny, crit("imageScanned", "=", "maybe")), "one of true, false, own, ci"},
		{"no value", with(Deny, crit("image", "containsAny", " , ")), "image has no value"},
		{"a value of two lines", with(Deny, crit("image", "containsAny", "a\nb")), "control characters"},
		{"a long value", with(Deny, crit("image", "containsAny", strings.Repeat("x", MaxValue+1))), "longer than"},
		{"long values", with(Deny, slices.Repeat([]Criterion{crit("image", "containsAny", strings.Repeat("x", MaxValue))}, 5)...), "bytes together"},
		{"a long pattern", with(Deny, crit("image", "containsAny", strings.Repeat("a*", MaxPattern/2)+"a")), "longer than 1024 bytes"},
		{"a long name", with(Deny, crit("image", "containsAny", strings.Repeat("a", MaxPattern+1))), ""},
		{"many patterns", with(Deny, crit("image", "containsAny", numbered(MaxPatterns)), crit("namespace", "containsAny", "*")), "have 1001 values with wildcards"},
		{"as many patterns as may be", with(Deny, crit("image", "containsAny", numbered(MaxPatterns))), ""},
		{"the same pattern many times", with(Deny, crit("image", "containsAny", strings.Repeat("a*,", 2*MaxPatterns))), ""},
		{"no host", with(Deny, crit("imageRegistry", "containsAny", "https:///")), "names no host"},
		{"half a digest", with(Deny, crit("image", "containsAny", "app@sha256:1")), "not a digest"},
		{"all set operators", with(Exception, crit("cveNames", "containsAll", "a"), crit("cveNames", "containsAny", "a"), crit("cveNames", "notContainsAny", "a"), crit("cveNames", "containsOtherThan", "a")), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := Validate(tt.rule)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != fault.Invalid):
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestParseReadsWhatWasKept(t *testing.T) {
	t.Parallel()
	want := rule(100007, Federal, Deny, crit("cveNames", "containsAny", "CVE-1"))
	want.Comment, want.RuleMode, want.OnMissing, want.Containers = "c", Protect, OnMissingMatch, []ContainerKind{Containers}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, Parse(model.Federated, 100007, body)); diff != "" {
		t.Error(diff)
	}
}

func FuzzRule(f *testing.F) {
	f.Add([]byte(`{"id":1,"rule_type":"deny","cfg_type":"federal","criteria":[{"name":"cveNames","op":"containsAny","value":"CVE-*,GHSA-?"}]}`))
	f.Add([]byte(`{"rule_type":"exception","on_missing":"match","containers":["init_containers"],"criteria":[{"name":"image","op":"notContainsAny","value":"https://reg:5000/*@sha256:1"}]}`))
	f.Add([]byte(`{"rule_type":7}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := Parse(model.Local, 1000, body)
		for _, facts := range []Facts{{}, own(model.Counts{High: 2}, "CVE-1"), coming(model.Counts{High: 2})} {
			out := Compile([]Rule{r}).Evaluate(subject(t, "reg:5000/app:1", facts), Protect)
			if len(out.Trace) != 1 || out.Allowed == (out.Decisive != nil && r.RuleType != Exception) {
				t.Fatalf("%+v", out)
			}
		}
		if r.Unreadable == "" && Validate(r) == nil {
			for _, g := range Compile([]Rule{r}).rules[0].groups {
				for _, c := range g.conditions {
					if _, ok := c.test.(unreadableTest); ok {
						t.Fatalf("a valid rule has a criterion that cannot be compiled: %s", c.text)
					}
				}
			}
		}
	})
}
