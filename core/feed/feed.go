// Package feed says what travels in a federation: the kinds of records, their
// keys, their order of importance and their encoding. The store publishes with
// it in the transaction that changes something, and projects with it in the
// transaction that applies a batch. It carries no I/O.
package feed

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/syncer"
)

// Kind is the type of a record.
type Kind string

// The kinds.
const (
	KindSettings   Kind = "settings"   // model.FedSettings, key "settings"
	KindMatched    Kind = "matched"    // model.DBVersion that all verdicts of scans answer to but the outdated ones, key "matched"
	KindRule       Kind = "rule"       // a federated admission rule (JSON of core/policy), key: id
	KindRegistry   Kind = "registry"   // a federated registry without its secrets, key: name
	KindVerdict    Kind = "verdict"    // model.Verdict, key: digest/source/producer
	KindTag        Kind = "tag"        // model.Tag, key: registry/repository:tag
	KindIndex      Kind = "index"      // model.Index, key: digest
	KindFindings   Kind = "findings"   // model.FindingList, key: its hash
	KindImage      Kind = "image"      // model.Image, key: digest
	KindInventory  Kind = "inventory"  // an encoded scanner inventory, key: digest
	KindPackageSet Kind = "packageset" // an encoded scanner package set, key: its hash
)

// The classes, in order of importance: everything of a class reaches a new
// member before anything of the next.
const (
	ClassDecide  syncer.Class = iota // what admission decides with
	ClassExplain                     // what explains a decision
	ClassDetail                      // the rest
)

// Priority ranks the kinds. The primary's ranking counts: a member takes the
// class of a record from what it receives.
func Priority() syncer.Priority {
	return syncer.Priority{
		string(KindSettings): ClassDecide, string(KindMatched): ClassDecide, string(KindRule): ClassDecide, string(KindRegistry): ClassDecide,
		string(KindVerdict): ClassDecide, string(KindTag): ClassDecide, string(KindIndex): ClassDecide,
		string(KindFindings): ClassExplain,
		string(KindImage):    ClassDetail, string(KindInventory): ClassDetail, string(KindPackageSet): ClassDetail,
	}
}

// ScopeAll is the scope that every member receives.
const ScopeAll = "all"

// Record is one thing to publish. A nil payload is a tombstone.
type Record struct {
	Scope   string
	Kind    Kind
	Key     string
	Payload []byte
}

// Put makes a record whose payload is v's JSON. It fails only for a value that
// JSON cannot hold, which is a fault of ours.
func Put(kind Kind, key string, v any) (Record, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return Record{}, fmt.Errorf("feed: encode %s %s: %w", kind, key, err)
	}
	return Record{Scope: ScopeAll, Kind: kind, Key: key, Payload: body}, nil
}

// Delete makes a tombstone.
func Delete(kind Kind, key string) Record {
	return Record{Scope: ScopeAll, Kind: kind, Key: key}
}

// VerdictKey is a verdict's key.
func VerdictKey(v model.Verdict) string {
	return string(v.Digest) + "/" + string(v.Source) + "/" + v.Producer
}

// TagKey is a tag's key.
func TagKey(t model.Tag) string { return t.Registry + "/" + t.Repository + ":" + t.Tag }

// Decode reads a payload of a known kind into v.
func Decode(r Record, v any) error {
	if err := json.Unmarshal(r.Payload, v); err != nil {
		return fault.New(fault.Invalid, "feed: decode %s %s: %w", r.Kind, r.Key, err)
	}
	return nil
}

// ParseVerdictKey takes a key of [VerdictKey] apart, into a verdict that has
// nothing else.
func ParseVerdictKey(key string) (v model.Verdict, ok bool) {
	parts := strings.SplitN(key, "/", 3)
	if len(parts) != 3 {
		return v, false
	}
	return model.Verdict{Digest: model.Digest(parts[0]), Source: model.Source(parts[1]), Producer: parts[2]}, true
}

// ParseTagKey takes a key of [TagKey] apart, into a tag that has nothing else.
func ParseTagKey(key string) (t model.Tag, ok bool) {
	registry, rest, found := strings.Cut(key, "/")
	colon := strings.IndexByte(rest, ':') // repositories have none
	if !found || colon < 0 {
		return t, false
	}
	return model.Tag{Registry: registry, Repository: rest[:colon], Tag: rest[colon+1:]}, true
}
