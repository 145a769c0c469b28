package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-sec/muster/core/admission"
	"github.com/muster-sec/muster/core/config"
	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/federation"
	"github.com/muster-sec/muster/core/fleet"
	"github.com/muster-sec/muster/core/httpapi/nvapi"
	"github.com/muster-sec/muster/core/identity"
	"github.com/muster-sec/muster/core/intake"
	"github.com/muster-sec/muster/core/plughost"
	"github.com/muster-sec/muster/core/queue"
	"github.com/muster-sec/muster/core/registry"
	"github.com/muster-sec/muster/core/registryhttp"
	"github.com/muster-sec/muster/core/scanjob"
	"github.com/muster-sec/muster/core/secret"
	"github.com/muster-sec/muster/core/store"
	"github.com/muster-sec/muster/core/telemetry"
	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/javadb"
	"github.com/muster-sec/muster/scanner/vulndb/fetch"
)

// house is everything that one daemon is built of.
type house struct {
	config  config.Config
	version string
	log     *slog.Logger
	now     func() time.Time
	started time.Time

	metrics *prometheus.Registry
	keys    *secret.Keyring
	store   *store.Store
	index   *store.VerdictIndex
	queue   *queue.Queue
	javaDB  *javadb.DB // nil without one
	plugins *plughost.Host

	identity   *identity.Service
	federation *federation.Service
	registries *registry.Service
	scans      *scanjob.Service
	intake     *intake.Service
	admission  *admission.Service
	fleet      *fleet.Service
	database   *database
}

// build makes every part and connects them; nothing works yet. What was opened
// is closed again when it fails.
func build(ctx context.Context, o Options) (h *house, err error) {
	h = &house{config: o.Config, version: o.Version, log: o.Log, now: o.Now, started: o.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	for _, step := range []func(context.Context) error{
		h.buildTools,
		h.buildStore,
		func(context.Context) (err error) {
			if h.plugins, err = newPluginHost(h.config, o.SelfExec, h.log); err != nil {
				return err
			}
			return h.metrics.Register(h.plugins.Collector())
		},
		h.buildIdentity, h.buildAdmission, h.buildFederation, h.buildScans, h.buildIntake,
	} {
		if err := step(ctx); err != nil {
			return h, err
		}
	}
	return h, nil
}

// close gives back what build has opened.
func (h *house) close() error {
	var errs []error
	if h.javaDB != nil {
		errs = append(errs, h.javaDB.Close())
	}
	if h.queue != nil {
		errs = append(errs, h.queue.Close())
	}
	if h.index != nil {
		errs = append(errs, h.index.Close())
	}
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	return errors.Join(errs...)
}

func (h *house) buildTools(context.Context) (err error) {
	if h.metrics, err = telemetry.NewRegistry(telemetry.ReadBuild(h.version)); err != nil {
		return err
	}
	h.keys, err = secret.Load(h.path("secret.key"))
	return err
}

func (h *house) buildStore(ctx context.Context) (err error) {
	h.store, err = store.Open(ctx, store.Options{
		Path: h.path("muster.db"), Now: h.now, Sealer: h.keys.For("registry credentials"),
	})
	if err != nil {
		return err
	}
	if h.index, err = h.store.VerdictIndex(ctx); err != nil {
		return err
	}
	h.queue, err = queue.Open(ctx, queue.Options{Dir: h.path("queue"), Logger: h.log.With("part", "queue")})
	return err
}

func (h *house) buildIdentity(context.Context) (err error) {
	h.identity, err = identity.New(identity.Options{
		Accounts: h.store, Sessions: h.store, Keys: h.store, Audit: h.store, Memberships: h.store,
		DataDir: h.config.DataDir, Log: h.log.With("part", "identity"), Now: h.now,
	})
	return err
}

func (h *house) buildAdmission(context.Context) (err error) {
	h.admission, err = admission.New(admission.Options{
		Rules: h.store, States: h.store, Results: h.index, Memberships: h.store, Auditor: h.store,
		Namespace: h.config.Admission.Namespace, MaxDBAge: h.config.VulnDB.MaxAge, Log: h.log.With("part", "admission"), Now: h.now,
	})
	if err != nil {
		return err
	}
	return h.metrics.Register(newDecisionCounter(h.admission))
}

func (h *house) buildFederation(context.Context) error {
	transport, err := newDirectTransport(h.config.Transport)
	if err != nil {
		return err
	}
	h.federation, err = federation.New(federation.Options{
		Store: federation.Store{
			Memberships: h.store, Secrets: h.store, Tokens: h.store, Members: h.store, MemberKeys: h.store,
			Switches: h.store, Changes: h.store, Summarizer: summarizer{h.store, h.admission}, Feed: h.store.Feed(), Replica: h.store.Replica(),
		},
		Sealer: h.keys.For("federation keys"), Auditor: h.store,
		Transport: transport, ClusterName: h.config.ClusterName, Listen: h.config.FedListen,
		Fallback: nvapi.FedPortHandler(), Applied: h.applied, Version: h.version,
		Now: h.now, Log: h.log.With("part", "federation"),
	})
	return err
}

func (h *house) buildScans(ctx context.Context) error {
	analyzers := all.Analyzers()
	if file := h.config.JavaDB.File; file != "" {
		index, err := javadb.Open(ctx, file)
		if err != nil {
			return fault.New(fault.Invalid, "index of Java archives: %w", err).WithHint("javadb.file must name a trivy-java.db")
		}
		h.javaDB, analyzers = index, all.WithIndex(index)
	}
	analyzers = append(analyzers, all.SetIDs()...)
	analyzers = append(analyzers, all.SBOMs()...)
	if h.config.Scan.Secrets {
		analyzers = append(analyzers, all.Secrets()...)
	}
	fingerprint := analyze.Fingerprint(analyzers)
	sc, err := scanner.New(scanner.Options{
		Analyzers: analyzers, Parallel: h.config.Scan.LayerParallel,
		Cache: scanjob.NewLayerCache(h.store), Logger: h.log.With("part", "scanner"),
	})
	if err != nil {
		return fmt.Errorf("daemon: scanner: %w", err)
	}
	hosts := registryhttp.NewHosts(h.now)
	lister := h.plugins.Registries(hosts)
	h.registries, err = registry.New(registry.Options{
		Lister: lister, Sources: h.store, Runs: h.store, Contents: h.store, Queue: h.queue,
		Memberships: h.store, Auditor: h.store, Logger: h.log.With("part", "registries"), Now: h.now,
		Analyzers: fingerprint,
	})
	if err != nil {
		return err
	}
	h.scans, err = scanjob.New(scanjob.Options{
		Jobs: h.store, Results: h.store, Matched: h.store, Inventories: h.store,
		Scanner: scanjob.NewPuller(sc, fingerprint, hosts), Credentials: lister, Expander: h.registries,
		Queue: h.queue, Auditor: h.store, Logger: h.log.With("part", "scans"), Now: h.now,
		Owner: "daemon", Workers: h.config.Scan.Workers,
	})
	if err != nil {
		return err
	}
	if err := h.buildDatabase(); err != nil {
		return err
	}
	h.fleet, err = fleet.New(h.store, h.store)
	return err
}

func (h *house) buildDatabase() (err error) {
	c, log := h.config.VulnDB, h.log.With("part", "vulnerability database")
	h.database = &database{path: c.File, dir: h.path("vulndb"), maxAge: c.MaxAge, use: h.scans.UseMatcher, log: log, now: h.now}
	if !c.Pulled() {
		return nil
	}
	folder := h.path("vulndb-pulled")
	h.database.path = filepath.Join(folder, fetch.DatabaseFile)
	h.database.updates, err = newDBUpdate(c, folder, h.version, log, h.now)
	return err
}

func (h *house) buildIntake(context.Context) (err error) {
	h.intake, err = intake.New(intake.Options{
		Ingester: h.plugins.Documents(), Results: h.store, Auditor: h.store,
		SpoolDir: filepath.Join(h.config.DataDir, "spool"), Log: h.log.With("part", "intake"), Now: h.now,
	})
	return err
}
