package policy

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/muster-sec/muster/core/model"
)

// Rule is one admission rule. It is stored and federated as its JSON.
type Rule struct {
	ID       uint32      `json:"id"`
	Category string      `json:"category,omitempty"` // "Kubernetes" or empty
	Comment  string      `json:"comment,omitempty"`
	Criteria []Criterion `json:"criteria"`
	Disable  bool        `json:"disable,omitempty"`
	CfgType  CfgType     `json:"cfg_type"`
	RuleType RuleType    `json:"rule_type"`
	// RuleMode is for denials only; empty follows the cluster's mode.
	RuleMode Mode `json:"rule_mode,omitempty"`
	// Containers are the kinds of containers the rule is for; empty means all.
	Containers []ContainerKind `json:"containers,omitempty"`
	// OnMissing says what an unknown criterion means for the rule; empty is OnMissingIgnore.
	OnMissing OnMissing `json:"on_missing,omitempty"`
	// Unreadable is why this version cannot evaluate a stored rule, which then
	// is Unknown as a whole. It is found when reading and never stored.
	Unreadable string `json:"-"`
}

// Criterion is one condition; several values are comma separated.
type Criterion struct {
	Name  string `json:"name"`
	Op    string `json:"op"`
	Value string `json:"value"`
}

// CfgType says who owns a rule.
type CfgType string

// The owners.
const (
	Federal     CfgType = "federal"        // the primary, for every cluster
	UserCreated CfgType = "user_created"   // this cluster
	BuiltIn     CfgType = "system_defined" // muster itself; cannot be changed
)

// RuleType says what a match means.
type RuleType string

// The rule types.
const (
	Exception RuleType = "exception" // allow
	Deny      RuleType = "deny"
)

// Mode says what a matching denial does.
type Mode string

// The modes.
const (
	Monitor Mode = "monitor" // record a violation
	Protect Mode = "protect" // deny
)

// OnMissing is a rule's choice for data that has not arrived.
type OnMissing string

// The choices.
const (
	OnMissingIgnore OnMissing = "ignore" // the rule does not match
	OnMissingMatch  OnMissing = "match"  // the rule matches
)

// ContainerKind is where in a pod a container stands.
type ContainerKind string

// The kinds, in the order in which a pod runs them.
const (
	InitContainers      ContainerKind = "init_containers"
	Containers          ContainerKind = "containers"
	EphemeralContainers ContainerKind = "ephemeral_containers"
)

// State is a cluster's admission control switch. It is not federated.
type State struct {
	Enable bool `json:"enable"`
	Mode   Mode `json:"mode"` // of denials without a mode of their own
}

// DefaultState watches and denies nothing.
func DefaultState() State { return State{Enable: true, Mode: Monitor} }

// The ranges of rule ids. Ids are given once and never again.
const (
	FirstLocalID     = 1000
	LastLocalID      = 99999
	FirstFederatedID = 100001
	LastFederatedID  = 109999
)

// Origin is where a rule of this type comes from; built-in rules are local.
func (c CfgType) Origin() model.Origin {
	if c == Federal {
		return model.Federated
	}
	return model.Local
}

// Parse reads a stored or federated rule. The id and the origin under which it
// was kept win over what the body claims. It never fails: a body that this
// version does not wholly understand (a newer primary's) gives a rule that says
// so in Unreadable, because half a rule would be another rule.
func Parse(origin model.Origin, id uint32, body []byte) Rule {
	var r Rule
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		reason := fmt.Sprintf("this version cannot read the rule: %v", err)
		r = Rule{RuleType: Deny}
		if json.Unmarshal(body, &r) != nil {
			r = Rule{RuleType: Deny}
		}
		r.Unreadable = reason
	}
	r.ID, r.CfgType = id, UserCreated
	if origin == model.Federated {
		r.CfgType = Federal
	}
	return r
}
