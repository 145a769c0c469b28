package plughost

import (
	"context"
	"sync"

	"github.com/muster-sec/muster/plugins/sdk"
)

// Host runs all plugins of a daemon. Its methods may be called from several
// goroutines; calls on plugins wait until Run has begun.
type Host struct {
	opts     Options
	launcher *launcher
	metrics  *metrics
	begin    chan *supervisor // to be run
	changing sync.Mutex       // held by Reconfigure

	mu       sync.Mutex
	slots    map[slotKey]*slot // all that ever were declared
	reported map[string]bool   // files of the plugin folder that were warned of
	order    []*slot           // those that are, as they are declared, built-ins last
}

type slotKey struct {
	kind sdk.Kind
	name string
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
	h := &Host{
		opts: opts, launcher: newLauncher(), metrics: newMetrics(),
		begin: make(chan *supervisor), slots: map[slotKey]*slot{}, reported: map[string]bool{},
	}
	var first []*supervisor
	for _, d := range opts.declarations() {
		first = append(first, newSupervisor(d, opts, h.launcher, h.metrics))
	}
	h.place(first)
	return h, nil
}

// Run verifies what is declared, starts what is needed, and keeps it running,
// until ctx ends. It returns when no plugin process is left. It runs once.
func (h *Host) Run(ctx context.Context) error {
	if err := prepareRuntimeDir(h.opts.RuntimeDir); err != nil {
		return err
	}
	h.reportUndeclared()
	go h.launcher.run()
	defer h.launcher.close()
	var plugins sync.WaitGroup
	defer plugins.Wait()
	for _, s := range h.placed() {
		plugins.Go(func() { s.run(ctx) })
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-h.begin:
			plugins.Go(func() { s.run(ctx) })
		}
	}
}

// place fills the slots, and empties those that are not among them.
func (h *Host) place(all []*supervisor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := map[*slot]bool{}
	h.order = h.order[:0:0]
	for _, s := range all {
		key := slotKey{s.decl.Kind, s.decl.Name}
		place, known := h.slots[key]
		if !known {
			place = &slot{kind: key.kind, name: key.name}
			h.slots[key] = place
		}
		place.current.Store(s)
		kept[place] = true
		h.order = append(h.order, place)
	}
	for _, place := range h.slots {
		if !kept[place] {
			place.current.Store(nil)
		}
	}
}

// placed returns what fills the slots, in order.
func (h *Host) placed() []*supervisor {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*supervisor, 0, len(h.order))
	for _, place := range h.order {
		all = append(all, place.current.Load())
	}
	return all
}

// Plugins returns the status of every plugin, built-ins last.
func (h *Host) Plugins() []Status {
	all := h.placed()
	list := make([]Status, 0, len(all))
	for _, s := range all {
		list = append(list, s.snapshot())
	}
	return list
}

// Describe returns what a plugin says of itself. It starts the plugin if need be.
func (h *Host) Describe(ctx context.Context, kind sdk.Kind, name string) (about sdk.Description, err error) {
	place, err := h.find(kind, name)
	if err != nil {
		return sdk.Description{}, err
	}
	err = place.with(func(s *supervisor) (err error) {
		about, err = s.describe(ctx)
		return err
	})
	return about, err
}

// Registry returns a client of a registry plugin, good for the life of the
// host: it starts the plugin when it is used, and follows its declaration when
// that changes.
func (h *Host) Registry(name string) (*sdk.RegistryClient, error) {
	place, err := h.find(sdk.KindRegistry, name)
	if err != nil {
		return nil, err
	}
	return sdk.NewRegistryClient(place), nil
}

// Ingester returns a client of an ingest plugin, as Registry does.
func (h *Host) Ingester(name string) (*sdk.IngestClient, error) {
	place, err := h.find(sdk.KindIngest, name)
	if err != nil {
		return nil, err
	}
	return sdk.NewIngestClient(place), nil
}

// Streams returns a client of a transport plugin that carries byte streams, as
// Registry does.
func (h *Host) Streams(name string) (*sdk.StreamClient, error) {
	place, err := h.find(sdk.KindTransport, name)
	if err != nil {
		return nil, err
	}
	return sdk.NewStreamClient(place), nil
}

// Objects returns a client of a transport plugin that carries objects, as
// Registry does.
func (h *Host) Objects(name string) (*sdk.ObjectClient, error) {
	place, err := h.find(sdk.KindTransport, name)
	if err != nil {
		return nil, err
	}
	return sdk.NewObjectClient(place), nil
}

func (h *Host) find(kind sdk.Kind, name string) (*slot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	place, known := h.slots[slotKey{kind, name}]
	if !known || place.current.Load() == nil {
		return nil, unknown(kind, name)
	}
	return place, nil
}

func (h *Host) names(kind sdk.Kind) []string {
	var names []string
	for _, s := range h.placed() {
		if s.decl.Kind == kind {
			names = append(names, s.decl.Name)
		}
	}
	return names
}
