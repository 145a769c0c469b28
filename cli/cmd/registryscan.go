package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/model"
)

// pollEvery is how often a run is looked at; polling costs the daemon one row.
const pollEvery = time.Second

// maxMisses is how many polls in a row may go unanswered: a daemon that is
// being restarted comes back, and the run with it.
const maxMisses = 30

func (a *App) registryScanCommand() *cli.Command {
	return &cli.Command{
		Name: "scan", Usage: "scan a registry now", ArgsUsage: "NAME",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "wait", Usage: "wait for the end; exit code 6 when the run fails"},
			&cli.BoolFlag{Name: "stop", Usage: "stop the scan that is running"},
		},
		Action: a.remote(scanRegistry),
	}
}

func scanRegistry(ctx context.Context, in *invocation, c *client.Client) error {
	name := in.arg(0)
	if in.flags.Bool("stop") {
		if err := c.StopScan(ctx, name); err != nil {
			return err
		}
		in.hint("the scan of %s is stopped", name)
		return nil
	}
	run, err := c.ScanRegistry(ctx, name)
	if err != nil {
		return err
	}
	if !in.flags.Bool("wait") {
		if err := in.printRun(run); err != nil {
			return err
		}
		in.hint("run %d of %s has started; see: muster registry show %s", run.ID, name, name)
		return nil
	}
	if run, err = in.follow(ctx, c, run); err != nil {
		return err
	}
	if err := in.printRun(run); err != nil {
		return err
	}
	return in.runOutcome(run)
}

// follow polls a run till it is over.
func (in *invocation) follow(ctx context.Context, c *client.Client, run api.Run) (api.Run, error) {
	p := in.progress()
	defer p.end()
	misses := 0
	for !model.RunState(run.State).Final() {
		p.update(run.Scanned+run.Unchanged+run.Unsupported+run.Failed, run.Listed, run.Registry+": "+in.prospect(run))
		if err := in.Wait(ctx, pollEvery); err != nil {
			return run, failf("interrupted; run %d goes on in the daemon", run.ID).withTry("muster registry scan %s --stop", run.Registry)
		}
		next, err := c.Run(ctx, run.Registry, run.ID)
		if _, lost := errors.AsType[*client.Unreachable](err); lost && misses < maxMisses {
			misses++
			continue
		}
		if err != nil {
			return run, err
		}
		run, misses = next, 0
	}
	return run, nil
}

// printRun ends with the sum that accounts for every image listed.
func (in *invocation) printRun(r api.Run) error {
	err := in.print(r, func(t *output.Table) {
		t.Field("Run", r.ID)
		t.Field("Registry", r.Registry)
		t.Field("State", r.State)
		t.Field("Error", r.Error)
		t.Field("Warning", r.Warning)
		in.outlook(t, r)
		if !r.FinishedAt.IsZero() {
			t.Field("Took", r.FinishedAt.Sub(r.StartedAt).Round(time.Second))
			t.Line("%s", sum(r))
		}
	})
	if err == nil && in.format != output.Text && !r.FinishedAt.IsZero() {
		in.hint("%s", sum(r))
	}
	return err
}

// prospect is what a run does, and how long that will take.
func (in *invocation) prospect(r api.Run) string {
	text := r.State
	if !r.WaitingUntil.IsZero() {
		text += ", waits until " + stamp(r.WaitingUntil) + " (" + r.WaitingFor + ")"
	}
	if !r.ExpectedAt.IsZero() {
		text += ", done " + in.ago(r.ExpectedAt)
	}
	return text
}

// outlook shows what a run that is under way waits for, and when it will be done.
func (in *invocation) outlook(t *output.Table, r api.Run) {
	if !r.WaitingUntil.IsZero() {
		t.Row("Waits until:", stamp(r.WaitingUntil)+", "+r.WaitingFor)
	}
	if !r.ExpectedAt.IsZero() {
		t.Row("Expected:", in.ago(r.ExpectedAt))
	}
}

// sum accounts for every image that a run listed.
func sum(r api.Run) string {
	return fmt.Sprintf("listed %d = scanned %d + unchanged %d + unsupported %d + failed %d",
		r.Listed, r.Scanned, r.Unchanged, r.Unsupported, r.Failed)
}

func (in *invocation) runOutcome(r api.Run) error {
	if model.RunState(r.State) != model.RunDone {
		cause := r.Error
		if cause == "" {
			cause = "no reason given"
		}
		return failf("run %d of %s is %s: %s", r.ID, r.Registry, r.State, cause).withTry("muster registry test %s", r.Registry)
	}
	if r.Warning != "" {
		in.hint("warning: %s", r.Warning)
	}
	if r.Failed > 0 {
		in.hint("%s could not be scanned; see: muster image list --registry %s --status failed", plural(r.Failed, "image"), r.Registry)
	}
	return nil
}
