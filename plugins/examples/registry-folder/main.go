// Command registry-folder is an example of a registry plugin by an outside
// author: its own module, and nothing but the SDK. It lists a distribution
// registry (Docker's, Debian's docker-registry) from the folder in which that
// stores its data, which is quick, asks the registry nothing, and works where
// the catalog is switched off. Images are pulled from the registry as usual.
//
//	registry-folder --root /var/lib/docker-registry
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/muster-sec/muster/plugins/sdk"
)

// version is this plugin's own.
const version = "1.0.0"

func main() {
	root := flag.String("root", "/var/lib/docker-registry", "the folder that the registry calls rootdirectory")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "registry-folder takes no arguments but --root FOLDER")
		os.Exit(2)
	}
	sdk.Serve(newPlugin(*root))
}

// newPlugin describes the plugin; a test serves it from memory.
func newPlugin(root string) sdk.Plugin {
	return sdk.Plugin{
		Name: "folder", Version: version, Kind: sdk.KindRegistry,
		ConfigSchema: schema,
		Registry:     &folder{root: root},
	}
}
