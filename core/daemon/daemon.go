package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/muster-sec/muster/core/config"
	"github.com/muster-sec/muster/core/feed"
)

// auditKept is how long the audit trail reaches back.
const auditKept = 365 * 24 * time.Hour

// stopGrace is how long one service may take to stop.
const stopGrace = 30 * time.Second

// Options are what a daemon is started with.
type Options struct {
	Config  config.Config
	Version string
	Log     *slog.Logger
	// SelfExec is the command that serves a built-in plugin, to which kind and
	// name are appended; this program's own when nil.
	SelfExec []string
	Now      func() time.Time // time.Now when nil
	// Load reads the configuration again, from where Config came from, whenever
	// something arrives on Reload. Without Load nothing is ever read again.
	Load   func() (config.Config, error)
	Reload <-chan os.Signal
}

// Run runs a daemon until ctx ends. The data directory is taken for this
// process first, so that two daemons never share one.
func Run(ctx context.Context, o Options) (err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	lock, err := lockDataDir(o.Config.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	h, err := build(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.prepare(ctx); err != nil {
		return err
	}
	servers, err := h.servers()
	if err != nil {
		return err
	}
	o.Log.Info("muster starts", "version", o.Version, "data_dir", o.Config.DataDir)
	services := append(h.services(), servers...)
	if o.Load != nil {
		services = append(services, service{"configuration", h.reloader(o).Run})
	}
	err = supervise(ctx, o.Log, stopGrace, services)
	o.Log.Info("muster has stopped")
	return err
}

// services are everything that runs, in the order of their start.
func (h *house) services() []service {
	services := []service{
		{"plugins", h.plugins.Run},
		{"vulnerability database", h.database.Run},
		{"scans", h.scans.Run},
		{"registries", h.registries.Run},
		{"CI results", h.intake.Run},
		{"federation", h.federation.Run},
		{"audit retention", h.trimAudit},
	}
	if u := h.database.updates; u != nil {
		services = append(services, service{"vulnerability database updates", u.Run})
	}
	return services
}

// trimAudit forgets old lines of the audit trail, at the start and once a day.
func (h *house) trimAudit(ctx context.Context) error {
	tick := time.NewTicker(24 * time.Hour)
	defer tick.Stop()
	for {
		if err := h.store.TrimAudit(ctx, h.now().Add(-auditKept)); err != nil && ctx.Err() == nil {
			h.log.Warn("old audit lines are kept for now", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// prepare does what must be done before anybody is served.
func (h *house) prepare(ctx context.Context) error {
	if err := h.database.Open(); err != nil {
		return err
	}
	generated, err := h.identity.EnsureAdmin(ctx, h.config.AdminPasswordFile)
	if err != nil {
		return fmt.Errorf("daemon: first administrator: %w", err)
	}
	if generated != "" {
		h.log.Info("the first administrator's password was generated", "username", "admin", "file", generated)
	}
	if err := h.admission.Reload(ctx); err != nil {
		return fmt.Errorf("daemon: admission rules: %w", err)
	}
	return nil
}

// applied lets what the feed has changed take effect.
func (h *house) applied(kinds []feed.Kind) {
	for _, k := range kinds {
		if k == feed.KindRule {
			h.reloadRules()
			return
		}
	}
	if len(kinds) == 0 {
		h.reloadRules()
	}
}

func (h *house) reloadRules() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.admission.Reload(ctx); err != nil {
		h.log.Error("new admission rules are not in force; the old ones stay", "error", err)
	}
}

// ready says why the daemon cannot serve yet.
func (h *house) ready(ctx context.Context) error {
	_, err := h.federation.Membership(ctx)
	return err
}

func (h *house) path(name string) string { return filepath.Join(h.config.DataDir, name) }
