package cmd

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/core/config"
	"github.com/muster-sec/muster/core/daemon"
	"github.com/muster-sec/muster/core/telemetry"
)

// serveCommand runs the daemon. Its flags are the table of settings.
func (a *App) serveCommand() *cli.Command {
	flags := []cli.Flag{&cli.StringFlag{Name: "config", Usage: "read settings from the YAML `FILE` (also MUSTER_CONFIG)"}}
	for _, s := range config.Settings() {
		flags = append(flags, &cli.StringFlag{Name: s.Flag, Usage: s.Help + " (also " + s.Env + ")"})
	}
	return &cli.Command{
		Name: "serve", Category: groupDaemon, Usage: "run the daemon",
		Description: "Settings come from flags, environment variables, the configuration file and\n" +
			"defaults, in this order. On SIGHUP they are read again: changed plugins take\n" +
			"effect at once, other settings at the next start.",
		Flags: flags, Action: a.local(serve),
	}
}

func serve(ctx context.Context, in *invocation) error {
	sources := config.Sources{File: in.setting("config", "MUSTER_CONFIG"), Environ: os.Environ(), Flags: map[string]string{}}
	for _, s := range config.Settings() {
		if in.flags.IsSet(s.Flag) {
			sources.Flags[s.Flag] = in.text(s.Flag)
		}
	}
	c, err := config.Load(sources)
	if err != nil {
		return usagef("%w", err)
	}
	log, err := telemetry.NewLogger(in.Stderr, c.Log.Level, c.Log.Format)
	if err != nil {
		return err
	}
	for _, w := range config.Lint(c, sources.Environ) {
		log.Warn("configuration", "setting", w.Path, "warning", w.Message)
	}
	reload := make(chan os.Signal, 1) // one that waits stands for all that follow
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	load := func() (config.Config, error) { return config.Load(sources) }
	return daemon.Run(ctx, daemon.Options{Config: c, Version: in.Version, Log: log, Load: load, Reload: reload})
}
