package plughost

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/plugins/sdk"
)

// Options say what a Host runs and how. Zero fields have the defaults that
// their comments name.
type Options struct {
	// Declared are the plugins of the configuration.
	Declared []Declaration
	// Builtins are the plugins that this program serves itself.
	Builtins []Builtin
	// PluginDir is the folder that the executables of declared plugins lie in;
	// links that lead out of it are not followed. Empty: anywhere.
	PluginDir string
	// SelfExec is the command that serves a built-in, to which kind and name are
	// appended. Default: this program with "plugin serve".
	SelfExec []string
	// RuntimeDir, which is made, holds the sockets, mode 0700. Its path is short, for a socket's
	// path has at most 107 bytes. It belongs to this host alone: what a crash
	// left in it is swept away.
	RuntimeDir string
	// AllowUnverified allows declarations without a checksum: for trying a
	// plugin out, never for a daemon.
	AllowUnverified bool
	// Log takes the host's own log and the plugins' lines. Default: nothing.
	Log *slog.Logger
	// Now is the clock of back-off and circuit breaker. Default: time.Now.
	Now func() time.Time

	StartTimeout  time.Duration // launch to first answer; default 30 s
	HealthEvery   time.Duration // default 10 s
	HealthTimeout time.Duration // default 2 s
	HealthMisses  int           // in a row before a process is killed; default 3
	DrainTimeout  time.Duration // for calls in flight at the end; default 5 s
	StopGrace     time.Duration // for a polite end before SIGKILL; default 3 s

	protocol  int           // the present version of the contract; a test's host is of another time
	maxStream time.Duration // see the constant; a test's is shorter

	recognition recognition
}

// Builtin names one plugin that this program serves itself.
type Builtin struct {
	Kind sdk.Kind
	Name string
}

// maxRuntimeDir leaves room in a socket's path for the library's names.
const maxRuntimeDir = 107 - len("/plugin-dir0123456789/plugin0123456789")

func (o Options) withDefaults() (Options, error) {
	var err error
	if len(o.SelfExec) == 0 {
		o.SelfExec, err = selfExec()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	for field, value := range map[*time.Duration]time.Duration{
		&o.StartTimeout: 30 * time.Second, &o.HealthEvery: 10 * time.Second, &o.HealthTimeout: 2 * time.Second,
		&o.DrainTimeout: 5 * time.Second, &o.StopGrace: 3 * time.Second,
	} {
		if *field == 0 {
			*field = value
		}
	}
	if o.HealthMisses == 0 {
		o.HealthMisses = 3
	}
	if o.recognition == (recognition{}) {
		o.recognition = defaultRecognition()
	}
	if o.maxStream == 0 {
		o.maxStream = maxStream
	}
	if o.protocol == 0 {
		o.protocol = sdk.ProtocolVersion
	}
	return o, err
}

func (o Options) validate() error {
	var errs []error
	if !filepath.IsAbs(o.RuntimeDir) || len(o.RuntimeDir) > maxRuntimeDir {
		errs = append(errs, fmt.Errorf("runtime folder %q: give a path from the root of at most %d bytes", o.RuntimeDir, maxRuntimeDir))
	}
	if o.PluginDir != "" && !filepath.IsAbs(o.PluginDir) {
		errs = append(errs, fmt.Errorf("plugin folder %q: give a path from the root", o.PluginDir))
	}
	seen := map[slotKey]bool{}
	for _, d := range o.Declared {
		errs = append(errs, d.Validate(o.AllowUnverified))
		if o.PluginDir != "" && d.Path != "" && !inside(o.PluginDir, d.Path) {
			errs = append(errs, fmt.Errorf("plugin %s/%s: %s is not in the plugin folder %s", d.Kind, d.Name, d.Path, o.PluginDir))
		}
		k := slotKey{d.Kind, d.Name}
		if seen[k] {
			errs = append(errs, fmt.Errorf("plugin %s/%s is declared twice", d.Kind, d.Name))
		}
		seen[k] = true
		if d.Path == "" && !slices.Contains(o.Builtins, Builtin{Kind: d.Kind, Name: d.Name}) {
			errs = append(errs, o.notBuiltin(d))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("plughost: %w", err)
	}
	return nil
}

// notBuiltin says what a declaration without a path may name.
func (o Options) notBuiltin(d Declaration) error {
	var names []string
	for _, b := range o.Builtins {
		if b.Kind == d.Kind {
			names = append(names, b.Name)
		}
	}
	return fault.New(fault.Invalid, "plugin %s/%s has no path, and no built-in of that name runs as a process", d.Kind, d.Name).
		WithHint("give path and sha256 of its executable, or, to set env and limits of a built-in, its name; of kind %s there are %v", d.Kind, names)
}

// declarations are the declared plugins and the built-ins nobody redeclared.
func (o Options) declarations() []Declaration {
	all := slices.Clone(o.Declared)
	for _, b := range o.Builtins {
		if !slices.ContainsFunc(o.Declared, func(d Declaration) bool { return d.Kind == b.Kind && d.Name == b.Name }) {
			all = append(all, Declaration{Kind: b.Kind, Name: b.Name})
		}
	}
	return all
}

// prepareRuntimeDir makes the folder of the sockets, private to this user, and
// sweeps away what a host that was killed left there, processes included.
func prepareRuntimeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("plughost: making the runtime folder: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil { // a folder of somebody else's
		return fmt.Errorf("plughost: securing the runtime folder: %w", err)
	}
	killStrays(dir)
	left, err := filepath.Glob(filepath.Join(dir, "plugin-dir*"))
	if err != nil {
		return fmt.Errorf("plughost: sweeping the runtime folder: %w", err)
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("plughost: sweeping the runtime folder: %w", err)
		}
	}
	return nil
}
