package rulefile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// ErrAmbiguous says that a rule of the file could be several of the cluster's.
var ErrAmbiguous = errors.New("rulefile: the rule is ambiguous")

// Action is what becomes of one rule.
type Action string

// The actions.
const (
	Create    Action = "create"
	Update    Action = "update"
	Unchanged Action = "unchanged"
)

// Change is one rule of a file beside what the cluster has.
type Change struct {
	Action Action    `json:"action"`
	Rule   api.Rule  `json:"rule"`          // as wanted; its id is set unless it is new
	Was    *api.Rule `json:"was,omitempty"` // as the cluster has it
}

// Plan says what must change so that a cluster has the wanted rules. A wanted
// rule is an existing one when their ids are equal; without an id, when exactly
// one of the same cfg_type has the same comment, or the same content. Rules
// that are not wanted are left alone.
func Plan(wanted, existing []api.Rule) ([]Change, error) {
	changes := make([]Change, 0, len(wanted))
	taken := map[uint32]bool{}
	for _, w := range wanted {
		was, err := match(w, existing, taken)
		if err != nil {
			return nil, err
		}
		if was == nil {
			changes = append(changes, Change{Action: Create, Rule: w})
			continue
		}
		taken[was.ID] = true
		w.ID = was.ID
		action := Update
		if Same(w, *was) {
			action = Unchanged
		}
		changes = append(changes, Change{Action: action, Rule: w, Was: was})
	}
	return changes, nil
}

func match(w api.Rule, existing []api.Rule, taken map[uint32]bool) (*api.Rule, error) {
	var found []*api.Rule
	for i := range existing {
		e := &existing[i]
		switch {
		case taken[e.ID]:
		case w.ID != 0:
			if e.ID == w.ID {
				return e, nil
			}
		case e.CfgType == w.CfgType && (w.Comment != "" && e.Comment == w.Comment || w.Comment == "" && Same(w, *e)):
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1 && w.Comment != "":
		return nil, fmt.Errorf("%w: %d rules are %s; give the id", ErrAmbiguous, len(found), place(w))
	}
	return found[0], nil
}

// Same says whether two rules decide alike and look alike; ids and the order of
// criteria do not count.
func Same(a, b api.Rule) bool { return slices.Equal(Lines(a), Lines(b)) }

// Lines describes a rule without its id, one fact a line, in a stable order.
// What an absent value means anyway is not said.
func Lines(r api.Rule) []string {
	r = withDefaults(r)
	var lines []string
	for _, fact := range []struct{ name, value, usual string }{
		{"cfg_type", r.CfgType, ""},
		{"rule_type", r.RuleType, ""},
		{"rule_mode", r.RuleMode, ""},
		{"comment", r.Comment, ""},
		{"category", r.Category, defaultCategory},
		{"on_missing", r.OnMissing, defaultOnMissing},
		{"disable", strconv.FormatBool(r.Disable), "false"},
		{"containers", strings.Join(slices.Sorted(slices.Values(r.Containers)), ", "), ""},
	} {
		if fact.value != fact.usual {
			lines = append(lines, fact.name+": "+fact.value)
		}
	}
	criteria := make([]string, 0, len(r.Criteria))
	for _, c := range r.Criteria {
		criteria = append(criteria, fmt.Sprintf("criterion: %s %s %s", c.Name, c.Op, c.Value))
	}
	slices.Sort(criteria)
	return append(lines, criteria...)
}

// Diff gives the facts that a change removes ("- …") and adds ("+ …"); for a new
// rule all are added.
func (c Change) Diff() []string {
	var was []string
	if c.Was != nil {
		was = Lines(*c.Was)
	}
	now := Lines(c.Rule)
	var diff []string
	for _, l := range was {
		if !slices.Contains(now, l) {
			diff = append(diff, "- "+l)
		}
	}
	for _, l := range now {
		if !slices.Contains(was, l) {
			diff = append(diff, "+ "+l)
		}
	}
	return diff
}
