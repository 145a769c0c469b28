package client

import (
	"maps"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// RegistryPatch is a change of a registry: nil leaves a field as it is, empty
// empties it. The keys are those of api.Registry. A secret is kept when empty.
type RegistryPatch struct {
	URL          *string   `json:"url,omitempty"`
	Repositories *[]string `json:"repositories,omitempty"`
	Filters      *[]string `json:"filters,omitempty"`
	Platforms    *[]string `json:"platforms,omitempty"`
	Schedule     *string   `json:"schedule,omitempty"`
	Username     *string   `json:"username,omitempty"`
	Password     string    `json:"password,omitempty"`
	Token        string    `json:"token,omitempty"`
	CACert       *string   `json:"ca_cert,omitempty"`
	// Settings are laid over those there are; nil takes one away.
	Settings            map[string]any `json:"settings,omitempty"`
	RescanAfterDBUpdate *bool          `json:"rescan_after_db_update,omitempty"`
}

// Apply gives the registry with the change.
func (p RegistryPatch) Apply(r api.Registry) api.Registry {
	replace(&r.URL, p.URL)
	replace(&r.Repositories, p.Repositories)
	replace(&r.Filters, p.Filters)
	replace(&r.Platforms, p.Platforms)
	replace(&r.Schedule, p.Schedule)
	replace(&r.Username, p.Username)
	replace(&r.CACert, p.CACert)
	if len(p.Settings) > 0 {
		r.Settings = maps.Clone(r.Settings)
		if r.Settings == nil {
			r.Settings = map[string]any{}
		}
		maps.Copy(r.Settings, p.Settings)
	}
	if p.RescanAfterDBUpdate != nil {
		r.RescanAfterDBUpdate = p.RescanAfterDBUpdate
	}
	if p.Password != "" {
		r.Password = p.Password
	}
	if p.Token != "" {
		r.Token = p.Token
	}
	return r
}

// replace takes over a value that is given.
func replace[T any](field, with *T) {
	if with != nil {
		*field = *with
	}
}
