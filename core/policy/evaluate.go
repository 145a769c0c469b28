package policy

import (
	"fmt"
	"slices"
)

// Hit is a rule that matched a container.
type Hit struct {
	Rule    Rule
	Mode    Mode     // in effect; empty for exceptions
	Because []string // one line per criterion, with the values seen
	CVEs    []string // some of the vulnerabilities behind it, worst first
}

// Step is one rule as it was looked at.
type Step struct {
	ID      uint32
	Outcome string // "match", "no match", "unknown", "disabled"
	Why     []string
}

// Outcome is what the rules say of one container.
type Outcome struct {
	Allowed    bool
	Decisive   *Hit  // nil when no rule was decisive, which allows
	Violations []Hit // denials in monitor mode, in order
	Trace      []Step
}

// Evaluate judges a container. The mode is the cluster's, for denials without
// one of their own.
func (s *Set) Evaluate(sub *Subject, mode Mode) Outcome {
	return evaluate(s.rules, sub, mode)
}

// EvaluateBuiltIn judges a container by the built-in rules alone, which need no
// results. It says whether one of them was decisive.
func (s *Set) EvaluateBuiltIn(sub *Subject) (Outcome, bool) {
	out := evaluate(s.rules[:s.builtIn], sub, Protect)
	return out, out.Decisive != nil
}

func evaluate(rules []compiled, sub *Subject, mode Mode) Outcome {
	out := Outcome{Allowed: true, Trace: make([]Step, 0, len(rules))}
	for i := range rules {
		r := &rules[i]
		step, facts, matched := r.look(sub)
		out.Trace = append(out.Trace, step)
		if !matched {
			continue
		}
		hit := Hit{Rule: r.Rule, Because: step.Why, CVEs: r.named(facts)}
		if r.RuleType == Exception {
			out.Decisive = &hit
			return out
		}
		hit.Mode = r.RuleMode
		if hit.Mode == "" {
			hit.Mode = mode
		}
		if hit.Mode == Protect {
			out.Allowed, out.Decisive = false, &hit
			return out
		}
		out.Violations = append(out.Violations, hit)
	}
	return out
}

// look evaluates one rule and explains it. The facts are those of the candidate
// that settled it.
func (c *compiled) look(sub *Subject) (Step, *Facts, bool) {
	switch {
	case c.Disable:
		return Step{ID: c.ID, Outcome: "disabled"}, nil, false
	case len(c.Containers) > 0 && !slices.Contains(c.Containers, sub.Kind):
		return Step{ID: c.ID, Outcome: No.String(), Why: []string{"the rule is not for " + string(sub.Kind)}}, nil, false
	}
	t, which := c.settle(sub)
	facts, assumed := &sub.Candidates[which], t == Unknown && c.assumes()
	if assumed {
		t = Yes
	}
	step := Step{ID: c.ID, Outcome: t.String(), Why: c.explain(sub, facts, t)}
	if len(sub.Candidates) > 1 {
		step.Why = append(step.Why, fmt.Sprintf("seen at %s, one of %d images behind the name", facts.Digest, len(sub.Candidates)))
	}
	switch {
	case assumed:
		step.Why = append(step.Why, "on_missing is match: what is unknown counts as a match")
	case t == Unknown && c.OnMissing == OnMissingMatch:
		step.Why = append(step.Why, "on_missing is for data, not for what this version cannot read: the rule is not applied")
	case t == Unknown:
		step.Why = append(step.Why, "on_missing is ignore: the rule is not applied")
	}
	return step, facts, t == Yes
}

// assumes says whether the rule counts what is unknown as a match. Its author
// decided that for data that has not arrived, not for a version that cannot read
// the rule: nothing follows from such a rule, and a criterion that cannot be read
// never opens an exception.
func (c *compiled) assumes() bool {
	return c.OnMissing == OnMissingMatch && c.Unreadable == "" && (c.RuleType != Exception || !c.partly)
}

// settle asks all candidates: any of them meets a denial, all of them together
// an exception. It gives the first candidate with that truth.
func (c *compiled) settle(sub *Subject) (Truth, int) {
	result, which := c.holds(sub, &sub.Candidates[0]), 0
	for i := 1; i < len(sub.Candidates); i++ {
		t := c.holds(sub, &sub.Candidates[i])
		if c.RuleType == Exception && t < result || c.RuleType != Exception && t > result {
			result, which = t, i
		}
	}
	return result, which
}

// explain gives the lines behind a truth: all of a match, else those that kept
// the rule from matching.
func (c *compiled) explain(sub *Subject, f *Facts, t Truth) []string {
	var lines []string
	for _, g := range c.groups {
		if t != Yes && g.holds(sub, f) != t {
			continue
		}
		for _, cond := range g.conditions {
			lines = append(lines, cond.explain(sub, f))
		}
	}
	return lines
}

// named collects the vulnerabilities behind a match.
func (c *compiled) named(f *Facts) []string {
	var ids []string
	for _, g := range c.groups {
		for _, cond := range g.conditions {
			n, ok := cond.test.(namer)
			if !ok || cond.negative {
				continue
			}
			for _, id := range n.named(f) {
				if len(ids) < maxNamed && !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
		}
	}
	return ids
}
