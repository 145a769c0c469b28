package policy

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/muster-sec/muster/core/fault"
)

// Limits of a rule that somebody writes here.
const (
	MaxCriteria = 64
	MaxValue    = 64 << 10  // bytes of one criterion's value
	MaxValues   = 256 << 10 // bytes of all values of a rule
	MaxPattern  = 1024      // bytes of a value with wildcards; no name is longer
	MaxPatterns = 1000      // values with wildcards of a rule: each is tried on its own
	MaxComment  = 1000      // bytes
)

// Validate checks a rule that is about to be kept. Its error is fault.Invalid
// and names the field. Ids are the store's business and not looked at.
func Validate(r Rule) error {
	switch {
	case r.Category != "" && r.Category != Category:
		return invalid("category", "is %q; the only one is %q", r.Category, Category)
	case r.CfgType != Federal && r.CfgType != UserCreated:
		return invalid("cfg_type", "is %q; it is %q or %q", r.CfgType, Federal, UserCreated)
	case r.RuleType != Exception && r.RuleType != Deny:
		return invalid("rule_type", "is %q; it is %q or %q", r.RuleType, Exception, Deny)
	case r.RuleType == Exception && r.RuleMode != "":
		return invalid("rule_mode", "is for rules of type %q only", Deny)
	case r.RuleMode != "" && !r.RuleMode.Valid():
		return invalid("rule_mode", "is %q; it is empty, %q or %q", r.RuleMode, Monitor, Protect)
	case r.OnMissing != "" && r.OnMissing != OnMissingIgnore && r.OnMissing != OnMissingMatch:
		return invalid("on_missing", "is %q; it is empty, %q or %q", r.OnMissing, OnMissingIgnore, OnMissingMatch)
	case len(r.Comment) > MaxComment || !printable(r.Comment):
		return invalid("comment", "is longer than %d bytes or has control characters", MaxComment)
	case len(r.Criteria) == 0:
		return invalid("criteria", "is empty: such a rule never matches")
	case len(r.Criteria) > MaxCriteria:
		return invalid("criteria", "has %d entries; %d are allowed", len(r.Criteria), MaxCriteria)
	}
	for i, k := range r.Containers {
		if !k.Valid() || slices.Contains(r.Containers[:i], k) {
			return invalid("containers", "has %q, which is no kind of container or there twice", k)
		}
	}
	if err := validateSize(r.Criteria); err != nil {
		return err
	}
	for i, c := range r.Criteria {
		if len(c.Value) > MaxValue || !printable(c.Value) {
			return fault.New(fault.Invalid, "policy: criterion %d: the value is longer than %d bytes or has control characters", i+1, MaxValue)
		}
		if _, err := compileCriterion(r.RuleType, c); err != nil {
			return fault.New(fault.Invalid, "policy: criterion %d: %w", i+1, err)
		}
	}
	return nil
}

// validateSize bounds what looking at a rule may cost.
func validateSize(criteria []Criterion) error {
	size, patterns := 0, 0
	for i, c := range criteria {
		if size += len(c.Value); size > MaxValues {
			return invalid("criteria", "have values of more than %d bytes together", MaxValues)
		}
		for _, v := range splitValues(c.Value) {
			switch {
			case !isWild(v):
				continue
			case len(v) > MaxPattern:
				return fault.New(fault.Invalid, "policy: criterion %d: a value with wildcards is longer than %d bytes", i+1, MaxPattern)
			}
			patterns++
		}
	}
	if patterns > MaxPatterns {
		return invalid("criteria", "have %d values with wildcards; %d are allowed", patterns, MaxPatterns)
	}
	return nil
}

// Category is the only category of rules.
const Category = "Kubernetes"

// Valid says whether the mode exists; the empty mode does not.
func (m Mode) Valid() bool { return m == Monitor || m == Protect }

// Valid says whether the kind exists.
func (k ContainerKind) Valid() bool {
	return k == InitContainers || k == Containers || k == EphemeralContainers
}

func invalid(field, format string, args ...any) error {
	return fault.New(fault.Invalid, "policy: "+field+" "+format, args...)
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}
