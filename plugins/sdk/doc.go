// Package sdk is what a plugin author imports: small Go interfaces for the
// three kinds of plugins, the values they speak in, and Serve, which is all
// that a plugin's main function calls. Protocol buffers stay behind it.
//
//	func main() {
//		sdk.Serve(sdk.Plugin{
//			Name: "example", Version: "1.0.0", Kind: sdk.KindRegistry,
//			Registry: myRegistry{},
//		})
//	}
//
// The host side of the same contracts, NewRegistryClient and its siblings,
// lives here too: a client fulfils the interface that the author wrote, so
// the same conformance suite (package sdktest) runs against a value, against
// a connection in memory, and against a finished binary.
//
// Plugins hold no state of the host's. Every call carries the configuration it
// is about; one process serves many registries, tenants or peers at once, and
// every method may be called from several goroutines.
package sdk
