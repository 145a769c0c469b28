package plughost

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/plugins/sdk"
)

// Declaration says which plugin to run and how. Only what is declared, or
// built in, is ever started.
type Declaration struct {
	// Name is what the plugin is called in configuration and status.
	Name string
	Kind sdk.Kind
	// Path of the executable, absolute. Empty changes the environment and the
	// limits of the built-in of that kind and name.
	Path string
	// SHA256 of the executable in hexadecimal; mandatory with Path. Empty is
	// allowed only if Options.AllowUnverified is set.
	SHA256 string
	Args   []string
	// Env is the whole environment of the process, beside what the handshake
	// and the limits need.
	Env    map[string]model.Secret
	Limits Limits
}

// Limits bound what one plugin may consume. A zero field means the default.
type Limits struct {
	// Memory in bytes: nine tenths of it become Go's soft limit (GOMEMLIMIT),
	// and with some room for the runtime itself it is the kernel's hard limit.
	Memory int64
	// CPU is on how many processors the process may run; GOMAXPROCS is set to
	// match.
	CPU int
	// OpenFiles is how many descriptors the process may hold.
	OpenFiles uint64
	// CallTimeout bounds every call with one answer, and in a stream of answers
	// the wait for each of them. A whole stream is bounded to 12 hours. What
	// carries byte streams is not bounded.
	CallTimeout time.Duration
}

// DefaultLimits are the limits of a plugin whose declaration has none.
func DefaultLimits() Limits {
	return Limits{Memory: 512 << 20, CPU: 2, OpenFiles: 1024, CallTimeout: 5 * time.Minute}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.Memory == 0 {
		l.Memory = d.Memory
	}
	if l.CPU == 0 {
		l.CPU = d.CPU
	}
	if l.OpenFiles == 0 {
		l.OpenFiles = d.OpenFiles
	}
	if l.CallTimeout == 0 {
		l.CallTimeout = d.CallTimeout
	}
	return l
}

func (l Limits) validate() error {
	switch {
	case l.Memory != 0 && l.Memory < 32<<20:
		return fmt.Errorf("limits.memory is %d bytes: 32 MiB is the least a plugin starts with", l.Memory)
	case l.CPU < 0:
		return fmt.Errorf("limits.cpu is %d: it counts processors", l.CPU)
	case l.OpenFiles != 0 && l.OpenFiles < 32:
		return fmt.Errorf("limits.open_files is %d: 32 is the least a plugin starts with", l.OpenFiles)
	case l.CallTimeout < 0:
		return fmt.Errorf("limits.call_timeout is %s: it is a positive duration", l.CallTimeout)
	default:
		return nil
	}
}

var envSyntax = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// reservedEnv are variables that belong to the handshake and to the limits.
func reservedEnv(name string) bool {
	return strings.HasPrefix(name, "PLUGIN_") || name == sdk.CookieKey ||
		name == "GOMEMLIMIT" || name == "GOMAXPROCS"
}

// Validate returns all that is wrong with a declaration.
func (d Declaration) Validate(allowUnverified bool) error {
	var errs []error
	if !sdk.ValidName(d.Name) {
		errs = append(errs, fmt.Errorf("name %q: use lower case letters, digits and dashes", d.Name))
	}
	switch d.Kind {
	case sdk.KindRegistry, sdk.KindIngest, sdk.KindTransport:
	default:
		errs = append(errs, fmt.Errorf("kind %q: it is one of %v", d.Kind, sdk.Kinds()))
	}
	errs = append(errs, d.validateImage(allowUnverified), d.Limits.validate())
	for name, value := range d.Env {
		switch {
		case !envSyntax.MatchString(name) || strings.ContainsRune(value.Reveal(), 0):
			errs = append(errs, fmt.Errorf("env %q: not a name and value of an environment variable", name))
		case reservedEnv(name):
			errs = append(errs, fmt.Errorf("env %s: set by the host; use limits for memory and cpu", name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("plugin %s/%s: %w", d.Kind, d.Name, err)
	}
	return nil
}

func (d Declaration) validateImage(allowUnverified bool) error {
	switch sum, err := hex.DecodeString(d.SHA256); {
	case d.Path == "" && (d.SHA256 != "" || len(d.Args) > 0):
		return errors.New("sha256 and args need a path")
	case d.Path == "":
		return nil
	case !filepath.IsAbs(d.Path):
		return fmt.Errorf("path %q: give it from the root", d.Path)
	case d.SHA256 == "" && allowUnverified:
		return nil
	case d.SHA256 == "":
		return fmt.Errorf("sha256 is missing: put there what `sha256sum %s` prints", d.Path)
	case err != nil || len(sum) != 32:
		return fmt.Errorf("sha256 %q: 64 hexadecimal digits are expected", d.SHA256)
	default:
		return nil
	}
}
