package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/plughost"
	"github.com/muster-sec/muster/core/telemetry"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

func (a *App) testPluginCommand() *cli.Command {
	return &cli.Command{
		Name: "test", ArgsUsage: "PATH [ARGS...]", Usage: "hold a plugin's executable against its contract",
		Description: "Starts the executable as the daemon would and runs the conformance suite. What\n" +
			"needs a configuration or a document is skipped without one. Arguments of the\n" +
			"plugin follow a --. What the plugin logs is shown on standard error.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "kind", Usage: "`KIND` of the plugin: registry, ingest or transport"},
			&cli.StringFlag{Name: "config", Usage: "`FILE` with a configuration that works, JSON"},
			&cli.StringFlag{Name: "document", Usage: "`FILE` with a document that an ingest plugin reads"},
			&cli.StringSliceFlag{Name: "env", Usage: "a variable `NAME=VALUE` of the plugin's environment; repeatable"},
		},
		Action: a.local(testPlugin),
	}
}

// pluginReport is the result of muster plugin test.
type pluginReport struct {
	Path         string        `json:"path"`
	Name         string        `json:"name,omitempty"`
	Version      string        `json:"version,omitempty"`
	Kind         string        `json:"kind"`
	Capabilities []string      `json:"capabilities,omitempty"`
	Passed       bool          `json:"passed"`
	Checks       []pluginCheck `json:"checks"`
}

type pluginCheck struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"` // ok, failed, skipped
	Reason  string `json:"reason,omitempty"`
	Fix     string `json:"fix,omitempty"`
}

func testPlugin(ctx context.Context, in *invocation) error {
	declaration, err := in.triedPlugin()
	if err != nil {
		return err
	}
	suite, err := in.suite()
	if err != nil {
		return err
	}
	log, err := telemetry.NewLogger(in.Stderr, "info", "text")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "muster")
	if err != nil {
		return fmt.Errorf("making a folder for the plugin's socket: %w", err)
	}
	defer os.RemoveAll(dir)
	found, err := plughost.Try(ctx, declaration, suite, plughost.Options{RuntimeDir: filepath.Join(dir, "p"), Log: log})
	if err != nil {
		return err
	}
	report := reportOf(declaration, found)
	if err := in.print(report, report.table); err != nil {
		return err
	}
	if !report.Passed {
		failed := len(slices.DeleteFunc(slices.Clone(report.Checks), func(c pluginCheck) bool { return c.Outcome != "failed" }))
		return policyf("%s does not keep its contract: %s failed", report.Path, plural(failed, "check")).
			withTry("what the report says under each of them")
	}
	return nil
}

// triedPlugin is the declaration that the command line amounts to.
func (in *invocation) triedPlugin() (plughost.Declaration, error) {
	kind, err := in.required("kind")
	if err != nil {
		return plughost.Declaration{}, err
	}
	if !slices.Contains(sdk.Kinds(), sdk.Kind(kind)) {
		return plughost.Declaration{}, usagef("--kind: %q is not one of %v", kind, sdk.Kinds())
	}
	path, err := filepath.Abs(in.arg(0))
	if err != nil {
		return plughost.Declaration{}, usagef("%s: %w", in.arg(0), err)
	}
	d := plughost.Declaration{
		Name: "tried", Kind: sdk.Kind(kind), Path: path, Args: in.flags.Args().Tail(), Env: map[string]model.Secret{},
	}
	for _, pair := range in.flags.StringSlice("env") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return d, usagef("--env: write NAME=VALUE")
		}
		d.Env[name] = model.Secret(value)
	}
	return d, nil
}

// suite is what the conformance suite gets to work with.
func (in *invocation) suite() (sdktest.Options, error) {
	var o sdktest.Options
	if name := in.text("config"); name != "" {
		config, err := in.readAtMost(name, sdk.MaxConfig)
		if err != nil {
			return o, err
		}
		o.Config = config
	}
	if name := in.text("document"); name != "" {
		document, err := in.readFile(name)
		if err != nil {
			return o, err
		}
		o.Document = document
	}
	return o, nil
}

func reportOf(d plughost.Declaration, found sdktest.Report) pluginReport {
	about := found.Plugin
	r := pluginReport{
		Path: d.Path, Name: about.Name, Version: about.Version, Kind: string(d.Kind), Capabilities: about.Capabilities,
		Passed: found.OK(), Checks: []pluginCheck{},
	}
	for _, result := range found.Results {
		c := pluginCheck{Name: result.Name, Outcome: "ok"}
		switch {
		case result.Problem != "":
			c.Outcome, c.Reason, c.Fix = "failed", result.Problem, result.Fix
		case result.Skipped != "":
			c.Outcome, c.Reason = "skipped", result.Skipped
		}
		r.Checks = append(r.Checks, c)
	}
	return r
}

func (r pluginReport) table(t *output.Table) {
	t.Line("%s plugin %s %s, %s", r.Kind, r.Name, r.Version, r.Path)
	for _, c := range r.Checks {
		switch c.Outcome {
		case "ok":
			t.Line("ok       %s", c.Name)
		case "skipped":
			t.Line("skipped  %s: %s", c.Name, c.Reason)
		default:
			t.Line("FAILED   %s: %s", c.Name, c.Reason)
			t.Line("         fix: %s", c.Fix)
		}
	}
}
