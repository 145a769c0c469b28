package plughost

import (
	"context"
	"fmt"
	"sync"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Host runs all plugins of a daemon. Its methods may be called from several
// goroutines; calls on plugins wait until Run has begun.
type Host struct {
	opts     Options
	launcher *launcher
	plugins  []*supervisor // in the order of declaration, built-ins last
}

// New returns a host for the declared plugins and the built-ins. It starts
// nothing.
func New(opts Options) (*Host, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := opts.validate(); err != nil {
		return nil, err
	}
	h := &Host{opts: opts, launcher: newLauncher()}
	for _, d := range opts.declarations() {
		h.plugins = append(h.plugins, newSupervisor(d, opts, h.launcher))
	}
	return h, nil
}

// Run verifies what is declared, starts what is needed, and keeps it running,
// until ctx ends. It returns when no plugin process is left. It runs once.
func (h *Host) Run(ctx context.Context) error {
	if err := prepareRuntimeDir(h.opts.RuntimeDir); err != nil {
		return err
	}
	go h.launcher.run()
	defer h.launcher.close()
	var plugins sync.WaitGroup
	for _, p := range h.plugins {
		plugins.Go(func() { p.run(ctx) })
	}
	plugins.Wait()
	return nil
}

// Plugins returns the status of every plugin, built-ins last.
func (h *Host) Plugins() []Status {
	all := make([]Status, 0, len(h.plugins))
	for _, p := range h.plugins {
		all = append(all, p.snapshot())
	}
	return all
}

// Describe returns what a plugin says of itself. It starts the plugin if need be.
func (h *Host) Describe(ctx context.Context, kind sdk.Kind, name string) (sdk.Description, error) {
	p, err := h.find(kind, name)
	if err != nil {
		return sdk.Description{}, err
	}
	return p.describe(ctx)
}

// Registry returns a client of a registry plugin, good for the life of the
// host: it starts the plugin when it is used.
func (h *Host) Registry(name string) (*sdk.RegistryClient, error) {
	p, err := h.find(sdk.KindRegistry, name)
	if err != nil {
		return nil, err
	}
	return sdk.NewRegistryClient(p), nil
}

// Ingester returns a client of an ingest plugin, as Registry does.
func (h *Host) Ingester(name string) (*sdk.IngestClient, error) {
	p, err := h.find(sdk.KindIngest, name)
	if err != nil {
		return nil, err
	}
	return sdk.NewIngestClient(p), nil
}

// Streams returns a client of a transport plugin that carries byte streams, as
// Registry does.
func (h *Host) Streams(name string) (*sdk.StreamClient, error) {
	p, err := h.find(sdk.KindTransport, name)
	if err != nil {
		return nil, err
	}
	return sdk.NewStreamClient(p), nil
}

// Objects returns a client of a transport plugin that carries objects, as
// Registry does.
func (h *Host) Objects(name string) (*sdk.ObjectClient, error) {
	p, err := h.find(sdk.KindTransport, name)
	if err != nil {
		return nil, err
	}
	return sdk.NewObjectClient(p), nil
}

func (h *Host) find(kind sdk.Kind, name string) (*supervisor, error) {
	for _, p := range h.plugins {
		if p.decl.Kind == kind && p.decl.Name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%w: %s plugin %q is neither built in nor declared; `muster plugin list` shows what is", ErrUnknown, kind, name)
}
