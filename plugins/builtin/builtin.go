// Package builtin is the list of the plugins that the program serves itself.
// They are plugins like any other: the host starts the program once more as
// "plugin serve KIND NAME", which calls Serve.
package builtin

import (
	"fmt"

	"github.com/muster-sec/muster/plugins/ingest/cyclonedx"
	"github.com/muster-sec/muster/plugins/ingest/grype"
	"github.com/muster-sec/muster/plugins/ingest/neuvector"
	"github.com/muster-sec/muster/plugins/ingest/sarif"
	"github.com/muster-sec/muster/plugins/ingest/trivy"
	"github.com/muster-sec/muster/plugins/registry/dockerhub"
	"github.com/muster-sec/muster/plugins/registry/ecr"
	"github.com/muster-sec/muster/plugins/registry/gitlab"
	"github.com/muster-sec/muster/plugins/registry/harbor"
	"github.com/muster-sec/muster/plugins/registry/oci"
	"github.com/muster-sec/muster/plugins/registry/quay"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/transport/direct"
)

// Plugin is one entry of the list.
type Plugin struct {
	Kind sdk.Kind
	Name string
	// New makes the plugin; version is the program's.
	New func(version string) sdk.Plugin
}

// Plugins returns the list, ordered by kind. Ingest plugins are in the order in
// which they are asked whether they know a document, the likeliest first: each is
// a process that is started when it is asked.
func Plugins() []Plugin {
	return []Plugin{
		{sdk.KindRegistry, dockerhub.Name, dockerhub.Plugin},
		{sdk.KindRegistry, ecr.Name, ecr.Plugin},
		{sdk.KindRegistry, gitlab.Name, gitlab.Plugin},
		{sdk.KindRegistry, harbor.Name, harbor.Plugin},
		{sdk.KindRegistry, oci.Name, oci.Plugin},
		{sdk.KindRegistry, quay.Name, quay.Plugin},
		{sdk.KindIngest, trivy.Name, trivy.Plugin},
		{sdk.KindIngest, grype.Name, grype.Plugin},
		{sdk.KindIngest, cyclonedx.Name, cyclonedx.Plugin},
		{sdk.KindIngest, sarif.Name, sarif.Plugin},
		{sdk.KindIngest, neuvector.Name, neuvector.Plugin},
		{sdk.KindTransport, direct.Name, direct.Plugin},
	}
}

// Serve serves a built-in plugin to the host that started the process. It
// returns when the host is done with it, at once with an error if there is no
// such plugin, and otherwise behaves as sdk.Serve does.
func Serve(kind sdk.Kind, name, version string) error {
	for _, p := range Plugins() {
		if p.Kind == kind && p.Name == name {
			sdk.Serve(p.New(version))
			return nil
		}
	}
	return fmt.Errorf("builtin: no %s plugin %q is built in", kind, name)
}
