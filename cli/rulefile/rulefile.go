// Package rulefile reads admission rules from a file and works out what must
// change so that a cluster has them. It is pure: the commands read the file and
// make the changes.
package rulefile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// ErrSyntax is in the chain of every error about what a file says.
var ErrSyntax = errors.New("rulefile: not a file of rules")

const (
	// MaxSize bounds a file; ten thousand rules are smaller.
	MaxSize = 16 << 20
	// maxDocuments bounds how many YAML documents one file may hold.
	maxDocuments = 10_000
)

// What the API means by an absent value.
const (
	defaultCategory  = "Kubernetes"
	defaultCfgType   = "user_created"
	defaultOnMissing = "ignore"
)

// rule is an api.Rule as YAML reads it: the same keys, and numbers may stand
// where the API wants text ("value: 3").
type rule struct {
	ID         uint32      `yaml:"id"`
	Category   string      `yaml:"category"`
	Comment    string      `yaml:"comment"`
	Criteria   []criterion `yaml:"criteria"`
	Disable    bool        `yaml:"disable"`
	CfgType    string      `yaml:"cfg_type"`
	RuleType   string      `yaml:"rule_type"`
	RuleMode   string      `yaml:"rule_mode"`
	Containers []string    `yaml:"containers"`
	OnMissing  string      `yaml:"on_missing"`
}

type criterion struct {
	Name  string `yaml:"name"`
	Op    string `yaml:"op"`
	Value string `yaml:"value"`
}

// Parse reads YAML or JSON: a rule, a list of rules, or {items: [...]} as
// "rule export" writes it; several YAML documents in a row as well. Unknown keys
// are errors that name their line. The result has the defaults filled in.
func Parse(data []byte) ([]api.Rule, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrSyntax, MaxSize)
	}
	var rules []api.Rule
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for range maxDocuments {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return rules, checkTwins(rules)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
		}
		found, err := document(&doc)
		if err != nil {
			return nil, err
		}
		rules = append(rules, found...)
	}
	return nil, fmt.Errorf("%w: more than %d documents", ErrSyntax, maxDocuments)
}

// document finds the rules of one YAML document.
func document(n *yaml.Node) ([]api.Rule, error) {
	n = resolve(n)
	switch {
	case n.Kind == yaml.DocumentNode && len(n.Content) == 1:
		return document(n.Content[0])
	case isNull(n):
		return nil, nil // an empty document between two lines of dashes
	case n.Kind == yaml.SequenceNode:
		return sequence(n)
	case n.Kind != yaml.MappingNode:
		return nil, syntax(n, "a rule is a mapping")
	}
	if items := value(n, "items"); items != nil {
		if err := checkKeys(n, "items"); err != nil {
			return nil, err
		}
		return sequence(resolve(items))
	}
	one, err := parseRule(n)
	return []api.Rule{one}, err
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func sequence(n *yaml.Node) ([]api.Rule, error) {
	if isNull(n) {
		return nil, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, syntax(n, "a list of rules is expected")
	}
	rules := make([]api.Rule, 0, len(n.Content))
	for _, item := range n.Content {
		r, err := parseRule(resolve(item))
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(n *yaml.Node) (api.Rule, error) {
	if n.Kind != yaml.MappingNode {
		return api.Rule{}, syntax(n, "a rule is a mapping")
	}
	err := checkKeys(n, "id", "category", "comment", "criteria", "disable", "cfg_type", "rule_type", "rule_mode", "containers", "on_missing")
	if err != nil {
		return api.Rule{}, err
	}
	if list := value(n, "criteria"); list != nil {
		for _, c := range resolve(list).Content {
			if err := checkKeys(resolve(c), "name", "op", "value"); err != nil {
				return api.Rule{}, err
			}
		}
	}
	var r rule
	if err := n.Decode(&r); err != nil {
		return api.Rule{}, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	if r.RuleType == "" {
		return api.Rule{}, syntax(n, "rule_type is missing: deny or exception")
	}
	return r.toAPI(), nil
}

func (r rule) toAPI() api.Rule {
	out := api.Rule{
		ID: r.ID, Category: r.Category, Comment: r.Comment, Disable: r.Disable, CfgType: r.CfgType,
		RuleType: r.RuleType, RuleMode: r.RuleMode, Containers: r.Containers, OnMissing: r.OnMissing,
		Criteria: make([]api.Criterion, 0, len(r.Criteria)),
	}
	for _, c := range r.Criteria {
		out.Criteria = append(out.Criteria, api.Criterion(c))
	}
	return withDefaults(out)
}

// withDefaults says aloud what the API means by an absent value, so that a rule
// from a file compares equal to the same rule from a cluster.
func withDefaults(r api.Rule) api.Rule {
	r.Category = cmp.Or(r.Category, defaultCategory)
	r.CfgType = cmp.Or(r.CfgType, defaultCfgType)
	r.OnMissing = cmp.Or(r.OnMissing, defaultOnMissing)
	return r
}

// checkTwins refuses a file in which two rules claim the same place.
func checkTwins(rules []api.Rule) error {
	seen := map[string]bool{}
	for _, r := range rules {
		name := place(r)
		if name != "" && seen[name] {
			return fmt.Errorf("%w: two rules are %s", ErrSyntax, name)
		}
		seen[name] = true
	}
	return nil
}

// place is what makes a rule the same rule as another: its id, or else its
// comment among the rules of its kind; "" when it has neither.
func place(r api.Rule) string {
	switch {
	case r.ID != 0:
		return fmt.Sprintf("rule %d", r.ID)
	case r.Comment != "":
		return fmt.Sprintf("the %s rule %q", r.CfgType, r.Comment)
	}
	return ""
}

func checkKeys(n *yaml.Node, known ...string) error {
	if n.Kind != yaml.MappingNode {
		return syntax(n, "a mapping is expected")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; !slices.Contains(known, key.Value) {
			return syntax(key, "%q is not known here: use %s", key.Value, strings.Join(known, ", "))
		}
	}
	return nil
}

// value is what a mapping holds under a key, or nil.
func value(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// resolve follows an alias; YAML itself allows no alias of an alias.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func syntax(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%w: line %d: %s", ErrSyntax, n.Line, fmt.Sprintf(format, args...))
}
