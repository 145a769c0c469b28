package cmd

import (
	"context"
	"os"

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
			"defaults, in this order.",
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
	return daemon.Run(ctx, daemon.Options{Config: c, Version: in.Version, Log: log})
}
