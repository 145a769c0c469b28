package rulefile_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/cli/rulefile"
	"github.com/muster-sec/muster/core/httpapi/api"
)

func deny(id uint32, comment string, criteria ...api.Criterion) api.Rule {
	return api.Rule{
		ID: id, Comment: comment, RuleType: "deny", Category: "Kubernetes", CfgType: "user_created", OnMissing: "ignore",
		Criteria: append([]api.Criterion{}, criteria...),
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	criterion := api.Criterion{Name: "cveHighCount", Op: ">=", Value: "3"}
	tests := map[string]struct {
		in   string
		want []api.Rule
	}{
		"one rule, a number as value": {
			"comment: a\nrule_type: deny\ncriteria:\n- {name: cveHighCount, op: '>=', value: 3}\n",
			[]api.Rule{deny(0, "a", criterion)},
		},
		"JSON list": {
			`[{"id": 7, "rule_type": "deny", "criteria": [{"name": "cveHighCount", "op": ">=", "value": "3"}]}]`,
			[]api.Rule{deny(7, "", criterion)},
		},
		"items":                            {"items:\n- {rule_type: deny, comment: a}\n", []api.Rule{deny(0, "a")}},
		"documents, an empty one too":      {"---\nrule_type: deny\ncomment: a\n---\n---\nrule_type: deny\ncomment: b\n", []api.Rule{deny(0, "a"), deny(0, "b")}},
		"an anchor":                        {"- &x {rule_type: deny, comment: a}\n- {rule_type: deny, criteria: []}\n", []api.Rule{deny(0, "a"), deny(0, "")}},
		"nothing":                          {"", nil},
		"the same comment in two cfg_type": {"- {rule_type: deny, comment: a}\n- {rule_type: deny, comment: a, id: 9}\n", []api.Rule{deny(0, "a"), deny(9, "a")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := rulefile.Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want string }{
		"a scalar":           {"hello", "line 1: a rule is a mapping"},
		"an unknown key":     {"rule_type: deny\nmodus: x\n", `line 2: "modus" is not known here`},
		"beside items":       {"items: []\nmore: 1\n", `line 2: "more" is not known here`},
		"items no list":      {"items: 3\n", "a list of rules is expected"},
		"in a criterion":     {"rule_type: deny\ncriteria:\n- {nam: x}\n", `line 3: "nam" is not known here`},
		"criterion a scalar": {"rule_type: deny\ncriteria: [x]\n", "a mapping is expected"},
		"a wrong type":       {"rule_type: deny\nid: many\n", "cannot unmarshal"},
		"no type":            {"comment: a\n", "rule_type is missing"},
		"an id twice":        {"- {id: 3, rule_type: deny}\n- {id: 3, rule_type: deny}\n", "two rules are rule 3"},
		"a comment twice":    {"- {comment: a, rule_type: deny}\n- {comment: a, rule_type: deny}\n", `two rules are the user_created rule "a"`},
		"broken":             {"a: [", "rulefile: not a file of rules"},
		"a bomb":             {"a: &a [x,x]\nb: &b [*a,*a]\n", `"a" is not known here`},
		"too large":          {strings.Repeat("#", rulefile.MaxSize+1), "larger than"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := rulefile.Parse([]byte(tt.in))
			if !errors.Is(err, rulefile.ErrSyntax) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse = %v, want a syntax error with %q", err, tt.want)
			}
		})
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	high := api.Criterion{Name: "cveHighCount", Op: ">=", Value: "1"}
	existing := []api.Rule{
		deny(1001, "a", high), deny(1002, "twin"), deny(1003, "twin"), deny(1004, "", high),
		{ID: 100001, Comment: "a", RuleType: "deny", CfgType: "federal"},
	}
	federal := deny(0, "a", high)
	federal.CfgType = "federal"
	tests := map[string]struct {
		wanted api.Rule
		action rulefile.Action
		id     uint32
	}{
		"by comment, the same":             {deny(0, "a", high), rulefile.Unchanged, 1001},
		"by comment, another criterion":    {deny(0, "a"), rulefile.Update, 1001},
		"by comment, in its own cfg_type":  {federal, rulefile.Update, 100001},
		"by id, another comment":           {deny(1002, "new name"), rulefile.Update, 1002},
		"without a name, the same content": {deny(0, "", high), rulefile.Unchanged, 1004},
		"without a name, new content":      {deny(0, ""), rulefile.Create, 0},
		"a new comment":                    {deny(0, "b"), rulefile.Create, 0},
		"an id that is not there":          {deny(4711, "a"), rulefile.Create, 4711},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changes, err := rulefile.Plan([]api.Rule{tt.wanted}, existing)
			if err != nil {
				t.Fatal(err)
			}
			if c := changes[0]; c.Action != tt.action || c.Rule.ID != tt.id {
				t.Errorf("plan = %s of rule %d, want %s of %d", c.Action, c.Rule.ID, tt.action, tt.id)
			}
		})
	}
	if _, err := rulefile.Plan([]api.Rule{deny(0, "twin")}, existing); !errors.Is(err, rulefile.ErrAmbiguous) {
		t.Errorf("an ambiguous comment: %v", err)
	}
}

// TestPlanTakesEachRuleOnce: two wanted rules of equal content are two rules.
func TestPlanTakesEachRuleOnce(t *testing.T) {
	t.Parallel()
	changes, err := rulefile.Plan([]api.Rule{deny(0, ""), deny(0, "")}, []api.Rule{deny(1001, "")})
	if err != nil {
		t.Fatal(err)
	}
	if changes[0].Action != rulefile.Unchanged || changes[1].Action != rulefile.Create {
		t.Errorf("plan = %s, %s", changes[0].Action, changes[1].Action)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	was := deny(1001, "a", api.Criterion{Name: "image", Op: "containsAny", Value: "x"})
	now := was
	now.RuleMode, now.Criteria = "protect", []api.Criterion{{Name: "image", Op: "containsAny", Value: "y"}}
	got := rulefile.Change{Action: rulefile.Update, Rule: now, Was: &was}.Diff()
	want := []string{"- criterion: image containsAny x", "+ rule_mode: protect", "+ criterion: image containsAny y"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("diff (-want +got):\n%s", diff)
	}
}

// FuzzParse: whatever parses is the same again after export and parse.
func FuzzParse(f *testing.F) {
	f.Add([]byte("comment: a\nrule_type: deny\ncriteria:\n- {name: cveHighCount, op: '>=', value: 3}\n"))
	f.Add([]byte(`{"items": [{"rule_type": "exception", "containers": ["containers"]}]}`))
	f.Add([]byte("- &a {rule_type: deny}\n- *a\n---\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, err := rulefile.Parse(data)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := output.Write(&b, output.YAML, api.List[api.Rule]{Items: rules}, nil); err != nil {
			t.Fatal(err)
		}
		again, err := rulefile.Parse(b.Bytes())
		if err != nil {
			t.Fatalf("export of %q does not parse: %v\n%s", data, err, b.String())
		}
		if len(again) != len(rules) {
			t.Fatalf("%d rules became %d:\n%s", len(rules), len(again), b.String())
		}
		for i := range rules {
			if !rulefile.Same(rules[i], again[i]) {
				t.Fatalf("rule %d changed:\n%s", i, cmp.Diff(rules[i], again[i]))
			}
		}
	})
}
