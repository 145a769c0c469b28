package policy

import (
	"cmp"
	"slices"
)

// The ids of the built-in rules.
const (
	SystemNamespacesID = 1
	OwnNamespaceID     = 2
)

// BuiltInRules are the exceptions that keep a cluster able to heal itself: its
// system namespaces and the one that muster runs in (empty when it runs outside).
func BuiltInRules(ownNamespace string) []Rule {
	rules := []Rule{builtIn(SystemNamespacesID, "system namespaces are never judged", "kube-system,kube-public")}
	if ownNamespace != "" {
		rules = append(rules, builtIn(OwnNamespaceID, "muster's own namespace is never judged", ownNamespace))
	}
	return rules
}

func builtIn(id uint32, comment, namespaces string) Rule {
	return Rule{
		ID: id, Category: Category, Comment: comment, CfgType: BuiltIn, RuleType: Exception,
		Criteria: []Criterion{{Name: "namespace", Op: opContainsAny, Value: namespaces}},
	}
}

// Set is compiled rules in the order of their evaluation. It is immutable and
// safe for concurrent use.
type Set struct {
	rules     []compiled
	builtIn   int // how many of the rules are built-in; they come first
	needsCVEs bool
}

type compiled struct {
	Rule
	groups []group
	partly bool // some criterion cannot be read by this version
}

// group is the criteria of one name.
type group struct{ conditions []condition }

// Compile prepares rules for evaluation. What cannot be compiled, a criterion
// of a newer version perhaps, becomes Unknown with the reason.
func Compile(rules []Rule) *Set {
	s := &Set{}
	for _, r := range rules {
		c := compiled{Rule: r}
		c.groups, c.partly = compileGroups(r)
		s.rules = append(s.rules, c)
		s.needsCVEs = s.needsCVEs || !r.Disable && slices.ContainsFunc(r.Criteria, func(c Criterion) bool { return c.Name == cveNames })
		if r.CfgType == BuiltIn {
			s.builtIn++
		}
	}
	slices.SortStableFunc(s.rules, func(a, b compiled) int {
		return cmp.Or(cmp.Compare(a.turn(), b.turn()), cmp.Compare(a.ID, b.ID))
	})
	return s
}

// turn is the place of a rule's group in the order of evaluation.
func (r Rule) turn() int {
	turn := map[CfgType]int{BuiltIn: 0, Federal: 1, UserCreated: 2}[r.CfgType] * 2
	if r.RuleType != Exception {
		turn++
	}
	return turn
}

// compileGroups also says whether some criterion cannot be read.
func compileGroups(r Rule) (groups []group, partly bool) {
	if r.Unreadable != "" {
		return []group{{[]condition{{text: "rule", test: unreadableTest{r.Unreadable}}}}}, true
	}
	byName := map[string]int{}
	for _, c := range r.Criteria {
		cond, err := compileCriterion(r.RuleType, c)
		if err != nil {
			partly = true
			cond = condition{text: criterionText(c), test: unreadableTest{err.Error()}}
			if r.RuleType == Exception {
				// Not an alternative to others of its name: with a negative operator of
				// a newer version it would be one more condition.
				groups = append(groups, group{[]condition{cond}})
				continue
			}
		}
		i, ok := byName[c.Name]
		if !ok {
			i = len(groups)
			byName[c.Name] = i
			groups = append(groups, group{})
		}
		groups[i].conditions = append(groups[i].conditions, cond)
	}
	return groups, partly
}

// NeedsCVEs says whether some enabled rule looks at the names of
// vulnerabilities, so that Facts.CVEs must be filled.
func (s *Set) NeedsCVEs() bool { return s.needsCVEs }

// Len is the number of rules.
func (s *Set) Len() int { return len(s.rules) }

// holds combines the conditions of one name.
func (g group) holds(s *Subject, f *Facts) Truth {
	negatives, positives, anyNegative := Yes, No, false
	for _, c := range g.conditions {
		t := c.holds(s, f)
		if c.negative {
			negatives, anyNegative = and(negatives, t), true
		} else {
			positives = or(positives, t)
		}
	}
	if !anyNegative {
		return positives
	}
	return or(negatives, positives)
}

// holds says whether the rule's criteria are met by one candidate.
func (c compiled) holds(s *Subject, f *Facts) Truth {
	if len(c.groups) == 0 {
		return No
	}
	t := Yes
	for _, g := range c.groups {
		if t = and(t, g.holds(s, f)); t == No {
			return No
		}
	}
	return t
}
