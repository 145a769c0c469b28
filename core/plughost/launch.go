package plughost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/schema"
)

// instance is one running process and the connection to it.
type instance struct {
	client *plugin.Client
	proc   *process
	conn   *grpc.ClientConn
	about  sdk.Description
	schema *schema.Schema
}

// launch starts the process, shakes hands and checks that it is what was
// declared. It takes at most Options.StartTimeout.
func (s *supervisor) launch(ctx context.Context) (*instance, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.StartTimeout)
	defer cancel()
	proc, err := s.prepare()
	if err != nil {
		return nil, err
	}
	if proc.image != nil {
		defer proc.image.Close() // the child has its own by then
	}
	inst := &instance{proc: proc}
	config, err := s.clientConfig(ctx, proc)
	if err != nil {
		return nil, err
	}
	inst.client = plugin.NewClient(config)
	// The library's waits have no deadline; the end of the process ends them.
	stop := context.AfterFunc(ctx, proc.kill)
	defer stop()
	if err := inst.connect(ctx); err != nil {
		inst.end(0)
		return nil, explainLaunch(ctx, err, s.opts.StartTimeout)
	}
	if err := s.recognize(inst); err != nil {
		inst.end(s.opts.StopGrace)
		return nil, err
	}
	return inst, nil
}

// executable is the file that was declared.
func (s *supervisor) executable() executable {
	return executable{dir: s.opts.PluginDir, path: s.decl.Path, sum: s.decl.SHA256}
}

// prepare makes the process, without starting it.
func (s *supervisor) prepare() (*process, error) {
	d := s.decl
	proc := &process{launcher: s.launcher, env: s.environment(), limits: d.Limits, exited: make(chan struct{})}
	if d.Path == "" {
		proc.args = append(slices.Clone(s.opts.SelfExec), string(d.Kind), d.Name)
		proc.path = proc.args[0]
		return proc, nil
	}
	image, err := s.executable().load()
	if err != nil {
		return nil, err
	}
	proc.args = append([]string{d.Path}, d.Args...)
	proc.path = d.Path
	if image != nil {
		proc.path, proc.image = imagePath, image
	}
	return proc, nil
}

// environment is everything a plugin finds in its environment, beside what the
// library adds for the handshake.
func (s *supervisor) environment() []string {
	l := s.decl.Limits
	env := []string{
		"GOMEMLIMIT=" + strconv.FormatInt(l.Memory/10*9, 10),
		"GOMAXPROCS=" + strconv.Itoa(l.CPU),
	}
	for name, value := range s.decl.Env {
		env = append(env, name+"="+value.Reveal())
	}
	slices.Sort(env)
	return env
}

// versions are the versions of the contract that the host speaks: the present
// one, and the one before as long as plugins are still built for it.
func (s *supervisor) versions() map[int]plugin.PluginSet {
	set := map[int]plugin.PluginSet{s.opts.protocol: {}}
	if before := s.opts.protocol - 1; before >= 1 {
		set[before] = plugin.PluginSet{}
	}
	return set
}

func (s *supervisor) clientConfig(ctx context.Context, proc *process) (*plugin.ClientConfig, error) {
	tlsConfig, certificate, err := identity()
	if err != nil {
		return nil, err
	}
	proc.env = append(proc.env, clientCertificateVariable+"="+certificate)
	lines := newLogLines(s.log, s.secrets.mask)
	// What a Go plugin prints arrives over the connection, what its runtime and
	// other languages print over the pipe.
	printed := pacedWriter{newLogLines(s.log, s.secrets.mask), newPace(proc.exited)}
	return &plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: sdk.CookieKey, MagicCookieValue: sdk.CookieValue},
		VersionedPlugins: s.versions(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		TLSConfig:        tlsConfig,
		SkipHostEnv:      true,
		StartTimeout:     s.opts.StartTimeout,
		Stderr:           lines,
		SyncStdout:       printed,
		SyncStderr:       printed,
		// Off, so that the library does not look into what plugins write.
		Logger:           hclog.New(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off}),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: s.opts.RuntimeDir},
		RunnerFunc: func(_ hclog.Logger, given *exec.Cmd, dir string) (runner.Runner, error) {
			proc.dir = dir
			proc.env = append(proc.env, given.Env...)
			return proc, ctx.Err()
		},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(sdk.MaxMessage), grpc.MaxCallSendMsgSize(sdk.MaxMessage)),
			grpc.WithStatsHandler(&s.calls),
			grpc.WithIdleTimeout(0),
		},
	}, nil
}

// connect starts the process and asks it what it is.
func (i *instance) connect(ctx context.Context) error {
	rpc, err := i.client.Client()
	if err != nil {
		return err
	}
	client, ok := rpc.(*plugin.GRPCClient)
	if !ok {
		return fmt.Errorf("%w: it does not speak gRPC", ErrIncompatible)
	}
	i.conn = client.Conn
	i.about, err = sdk.Describe(ctx, i.conn)
	if errors.Is(err, sdk.ErrInvalid) || errors.Is(err, sdk.ErrLimit) || errors.Is(err, sdk.ErrUnsupported) {
		return fmt.Errorf("%w: %w", ErrIncompatible, err)
	}
	return err
}

// recognize compares what a plugin says of itself with its declaration, and
// reads its schema.
func (s *supervisor) recognize(inst *instance) (err error) {
	about := inst.about
	switch {
	case about.Kind != s.decl.Kind:
		return fmt.Errorf("%w: declared as %s, it says that it is a %s plugin", ErrIncompatible, s.decl.Kind, about.Kind)
	case s.decl.Path == "" && about.Name != s.decl.Name:
		return fmt.Errorf("%w: the built-in %s calls itself %s", ErrIncompatible, s.decl.Name, about.Name)
	}
	if inst.schema, err = schema.Compile(about.ConfigSchema); err != nil {
		return fmt.Errorf("%w: its configuration schema: %w", ErrIncompatible, err)
	}
	return nil
}

// end asks the process to end, and makes it end after grace. It returns when
// it is gone.
func (i *instance) end(grace time.Duration) {
	timer := time.AfterFunc(grace, i.proc.kill)
	defer timer.Stop()
	i.client.Kill()
	if i.proc.dir != "" { // the library leaves it behind when nothing was started
		_ = os.RemoveAll(i.proc.dir) // what is left is swept at the next start
	}
}

// explainLaunch gives the library's errors a kind.
func explainLaunch(ctx context.Context, err error, timeout time.Duration) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("not ready within %s: %w", timeout, err)
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.Contains(err.Error(), "incompatible"), strings.Contains(err.Error(), "unsupported plugin protocol"):
		return fmt.Errorf("%w: %w; build the plugin with the SDK of this release", ErrIncompatible, err)
	default:
		return err
	}
}

// selfExec is how built-ins are started: this program, once more.
func selfExec() ([]string, error) {
	if selfPath != "" {
		return []string{selfPath, "plugin", "serve"}, nil
	}
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("plughost: finding this program: %w", err)
	}
	return []string{path, "plugin", "serve"}, nil
}
