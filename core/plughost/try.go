package plughost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

// Try launches a program once, as a daemon would, and holds it against its
// contract: the handshake, the conformance suite, and its manners as a process.
// The declaration needs no checksum. Of the options RuntimeDir is used, which
// Try makes, and Log, which takes what the plugin writes. The error says that
// it could not be tried; what is wrong with the plugin is in the report.
func Try(ctx context.Context, d Declaration, suite sdktest.Options, opts Options) (report sdktest.Report, err error) {
	opts.Declared, opts.Builtins, opts.AllowUnverified = []Declaration{d}, nil, true
	if opts, err = opts.withDefaults(); err != nil {
		return report, err
	}
	if err := errors.Join(opts.validate(), prepareRuntimeDir(opts.RuntimeDir)); err != nil {
		return report, err
	}
	launcher := newLauncher()
	go launcher.run()
	defer launcher.close()
	s := newSupervisor(d, opts, launcher, newMetrics())
	inst, err := s.launch(ctx)
	if err != nil {
		report.Results = []sdktest.Result{startResult(err)}
		s.maskReport(&report)
		return report, ctx.Err()
	}
	s.learn(inst.schema, suite.Config)
	report = sdktest.Check(ctx, inst.conn, suite)
	report.Results = append([]sdktest.Result{startResult(nil)}, report.Results...)
	for _, look := range []func() sdktest.Result{ // in this order
		func() sdktest.Result { return inst.aliveResult(ctx, opts.HealthTimeout) },
		func() sdktest.Result { return inst.endResult(opts.StopGrace) },
		inst.strayResult,
	} {
		report.Results = append(report.Results, look())
	}
	s.maskReport(&report)
	return report, ctx.Err()
}

// startResult says whether the program started as a plugin, and if not, what
// usually is to be done about it.
func startResult(err error) sdktest.Result {
	r := sdktest.Result{Name: "starts and shakes hands"}
	if err == nil {
		return r
	}
	r.Problem = err.Error()
	switch {
	case errors.Is(err, ErrIncompatible):
		r.Fix = "set Name, Version, Kind and ConfigSchema of sdk.Plugin to what the plugin is, and build it with the SDK of this release"
	case errors.Is(err, context.DeadlineExceeded):
		r.Fix = "print the handshake line as soon as the socket listens, and answer Describe without asking anybody else"
	case strings.Contains(r.Problem, "not in its folder"):
		r.Fix = "listen on a unix socket in the folder that PLUGIN_UNIX_SOCKET_DIR names"
	case strings.Contains(r.Problem, "x509:"), strings.Contains(r.Problem, "tls:"):
		r.Fix = "answer PLUGIN_CLIENT_CERT with a certificate of your own for \"localhost\", as the sixth field of the handshake line in unpadded base64, and demand the client's"
	default:
		r.Fix = "a plugin prints nothing on standard output before sdk.Serve, finds no environment but the declared one, and no standard input; its log lines above may say more"
	}
	return r
}

// aliveResult tells a plugin that survived the suite from one that did not.
func (i *instance) aliveResult(ctx context.Context, patience time.Duration) sdktest.Result {
	r := sdktest.Result{Name: "is still running after all that"}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := sdk.Health(ctx, i.conn)
	if err == nil {
		return r
	}
	r.Problem = fmt.Sprintf("it does not answer: %v", err)
	r.Fix = "its log lines above may say why: a panic outside of a handler, a lock that is never given back, or more memory, files or processors than the limits allow"
	select {
	case <-i.proc.exited: // the connection breaks a moment earlier
		r.Problem = fmt.Sprintf("the process ended: %v", exitError(i.proc.err))
	case <-ctx.Done():
	}
	return r
}

// endResult ends the process and tells whether it had to be killed.
func (i *instance) endResult(grace time.Duration) sdktest.Result {
	r := sdktest.Result{Name: "ends when it is asked to"}
	select {
	case <-i.proc.exited:
		i.end(0)
		r.Skipped = "it ended before"
		return r
	default:
	}
	i.end(grace)
	if i.proc.killed() {
		r.Problem = "it had to be killed"
		r.Fix = "answer Shutdown of plugin.GRPCController, which sdk.Serve does, and end the process within two seconds"
	}
	return r
}

// strayResult tells whether other processes were left to clean up.
func (i *instance) strayResult() sdktest.Result {
	r := sdktest.Result{Name: "leaves no processes behind"}
	if i.proc.left > 0 {
		r.Problem = fmt.Sprintf("%d of its child processes were running when it ended", i.proc.left)
		r.Fix = "wait for children before the process ends, or do without them"
	}
	return r
}
