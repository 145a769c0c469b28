// Package config is what an operator sets: read strictly from one YAML file,
// the environment and flags, all described by one table. It knows nothing of
// what the values are used for. Validate finds what cannot work; Lint finds
// what works but is probably not meant.
package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/muster-sec/muster/core/model"
)

// Config is a complete configuration. It is plain data.
type Config struct {
	ClusterName       string    `yaml:"cluster_name"`
	DataDir           string    `yaml:"data_dir"`
	Listen            string    `yaml:"listen"`           // REST and console
	FedListen         string    `yaml:"fed_listen"`       // fed port, open on a primary only
	AdmissionListen   string    `yaml:"admission_listen"` // admission webhook
	OpsListen         string    `yaml:"ops_listen"`       // health and metrics, plain HTTP
	AdminPasswordFile string    `yaml:"admin_password_file"`
	VulnDB            VulnDB    `yaml:"vulndb"`
	JavaDB            JavaDB    `yaml:"javadb"`
	Log               Log       `yaml:"log"`
	Scan              Scan      `yaml:"scan"`
	PluginDir         string    `yaml:"plugin_dir"` // where declared plugins must lie; anywhere when empty
	Plugins           []Plugin  `yaml:"plugins"`
	Transport         Transport `yaml:"transport"`
	TLS               TLS       `yaml:"tls"`
	Admission         Admission `yaml:"admission"`
}

// JavaDB names an index of Java archives, trivy-java-db of schema 1.
type JavaDB struct {
	File string `yaml:"file"`
}

// VulnDB says where the vulnerability database comes from: out of a file that
// somebody else keeps, or pulled on a schedule.
type VulnDB struct {
	File         string        `yaml:"file"`         // an offline database; nothing is pulled then
	Update       string        `yaml:"update"`       // schedule of pulls, or "never"
	Repositories []string      `yaml:"repositories"` // asked in order; the public ones when empty
	MaxAge       time.Duration `yaml:"max_age"`      // older databases are said to be stale
}

// Pulled says whether the daemon keeps the database up to date itself.
func (v VulnDB) Pulled() bool { return v.File == "" && v.Update != "" && v.Update != Never }

// Never is the schedule of what is not done.
const Never = "never"

// Log says how the daemon logs to stderr.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text, json
}

// Scan bounds the scanning of this daemon.
type Scan struct {
	Workers       int `yaml:"workers"`        // images at a time
	LayerParallel int `yaml:"layer_parallel"` // layers of one image at a time
	// Secrets looks for credentials in the files of images too, which reads most of
	// an image instead of a few files.
	Secrets bool `yaml:"secrets"`
}

// Plugin declares one plugin, or, without a path, sets the environment and the
// limits of the built-in of that kind and name. Nothing else runs.
type Plugin struct {
	Name   string                  `yaml:"name"`
	Kind   string                  `yaml:"kind"` // registry, ingest, transport
	Path   string                  `yaml:"path"` // absolute; empty means the built-in
	SHA256 string                  `yaml:"sha256"`
	Args   []string                `yaml:"args"`
	Env    map[string]model.Secret `yaml:"env"` // all it gets; often credentials
	Limits Limits                  `yaml:"limits"`
}

// Limits bound a plugin's process; zero means the host's default.
type Limits struct {
	Memory      Size          `yaml:"memory"`
	CPU         int           `yaml:"cpu"`
	OpenFiles   int           `yaml:"open_files"`
	CallTimeout time.Duration `yaml:"call_timeout"`
}

// Transport says how a member reaches its primary.
type Transport struct {
	Proxy string `yaml:"proxy"` // http://HOST:PORT, used with CONNECT
}

// TLS is the certificate of the REST and webhook ports; without one the daemon
// makes its own for Hosts.
type TLS struct {
	CertFile string   `yaml:"cert_file"`
	KeyFile  string   `yaml:"key_file"`
	Hosts    []string `yaml:"hosts"` // names and addresses beside localhost
}

// Admission sets admission control.
type Admission struct {
	Namespace string `yaml:"namespace"` // where muster runs; always admitted
}

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		ClusterName:     "local",
		DataDir:         "/var/lib/muster",
		Listen:          ":10443",
		FedListen:       ":11443",
		AdmissionListen: ":20443",
		OpsListen:       "127.0.0.1:9443",
		VulnDB:          VulnDB{Update: "@every 6h", MaxAge: 7 * 24 * time.Hour},
		Log:             Log{Level: "info", Format: "text"},
		Scan:            Scan{Workers: 2, LayerParallel: 4},
		Admission:       Admission{Namespace: "muster"},
	}
}

// Size is a number of bytes, written as a plain number or with KiB, MiB or GiB.
type Size int64

// UnmarshalYAML reads either form.
func (s *Size) UnmarshalYAML(node *yaml.Node) error {
	size, err := parseSize(node.Value)
	if err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	*s = size
	return nil
}

func parseSize(text string) (Size, error) {
	digits, shift := text, 0
	for suffix, by := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			digits, shift = strings.TrimSpace(number), by
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > (1<<62)>>shift {
		return 0, fmt.Errorf("%q is not a size such as 512MiB", text)
	}
	return Size(n << shift), nil
}
