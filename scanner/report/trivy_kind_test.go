package report

import (
	"testing"

	"github.com/muster-sec/muster/scanner/inventory"
)

func TestTrivyKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ecosystem            inventory.Ecosystem
		source, kind, target string
	}{
		{inventory.Rust, "usr/bin/x", "rustbinary", "usr/bin/x"},
		{inventory.Rust, "srv/Cargo.lock", "cargo", "srv/Cargo.lock"},
		{inventory.NuGet, "app/x.deps.json", "dotnet-core", "app/x.deps.json"},
		{inventory.NuGet, "src/packages.lock.json", "nuget", "src/packages.lock.json"},
		{inventory.NuGet, "src/packages.config", "nuget", "src/packages.config"},
		{inventory.NuGet, "src/Directory.Packages.props", "packages-props", "src/Directory.Packages.props"},
		{inventory.Julia, "srv/Manifest.toml", "julia", "srv/Manifest.toml"},
		{inventory.Bitnami, "opt/bitnami/redis", "bitnami", "opt/bitnami/redis"},
		{inventory.NPM, "srv/x/package.json", "node-pkg", "Node.js"},
	} {
		class, kind, target := Image{}.trivyKind(c.ecosystem, c.source)
		if class != "lang-pkgs" || kind != c.kind || target != c.target {
			t.Errorf("%s in %s: %s %s %s", c.ecosystem, c.source, class, kind, target)
		}
	}
}
