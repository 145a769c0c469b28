package daemon

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/muster-sec/muster/core/config"
	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/plughost"
)

// reloadTimeout is how long a new configuration may take to be in force: a
// changed plugin that is in use is started before it takes over.
const reloadTimeout = 2 * time.Minute

// reloader takes a changed configuration into a running daemon: declared
// plugins at once, everything else at the next start. It is the only one that
// knows which plugins were declared last.
type reloader struct {
	started     config.Config   // what the daemon was started with
	plugins     []config.Plugin // what is in force
	load        func() (config.Config, error)
	asked       <-chan os.Signal
	reconfigure func(context.Context, []plughost.Declaration) error
	audit       func(context.Context, model.AuditEvent) error
	now         func() time.Time
	log         *slog.Logger
}

func (h *house) reloader(o Options) *reloader {
	return &reloader{
		started: o.Config, plugins: o.Config.Plugins, load: o.Load, asked: o.Reload,
		reconfigure: h.plugins.Reconfigure, audit: h.store.Audit, now: h.now, log: h.log.With("part", "configuration"),
	}
}

// Run reloads whenever it is asked to, until ctx ends.
func (r *reloader) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.asked:
			r.reload(ctx)
		}
	}
}

// reload takes over what can be, all or nothing, and says what became of it in
// the log and in the audit trail.
func (r *reloader) reload(ctx context.Context) {
	changed, later, err := r.apply(ctx)
	if ctx.Err() != nil {
		return // the daemon ends
	}
	event := model.AuditEvent{Time: r.now(), Actor: model.System().Name, Action: "config.reload", Target: "plugins", Outcome: "ok"}
	if len(changed) > 0 {
		event.Target = strings.Join(changed, "; ")
	}
	if err != nil {
		event.Outcome = err.Error()
		r.log.Error("the new configuration is not used; the daemon goes on with the old one", "error", err, "hint", fault.HintOf(err))
	} else {
		r.log.Info("the configuration was read again", "plugins", changed)
	}
	if len(later) > 0 {
		r.log.Warn("these settings were changed and take effect at the next start", "settings", later)
	}
	if err := r.audit(ctx, event); err != nil {
		r.log.Error("an audit event was not recorded", "action", event.Action, "error", err)
	}
}

// apply returns what differs of the plugins, and which other settings do.
func (r *reloader) apply(ctx context.Context) (changed, later []string, err error) {
	c, err := r.load()
	if err != nil {
		return nil, nil, err
	}
	changed = config.PluginChanges(r.plugins, c.Plugins)
	rest := c
	rest.Plugins = r.started.Plugins
	later = config.Changes(r.started, rest)
	if len(changed) == 0 {
		return nil, later, nil
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	if err := r.reconfigure(ctx, declarations(c.Plugins)); err != nil {
		return changed, later, err
	}
	r.plugins = c.Plugins
	return changed, later, nil
}
