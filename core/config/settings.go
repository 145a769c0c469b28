package config

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Setting is one key of the configuration with its other two names. The
// command line builds the flags of "muster serve" from the table.
type Setting struct {
	Key   string // path in the file: "scan.workers"
	Flag  string // without dashes: "scan-workers"
	Env   string // "MUSTER_SCAN_WORKERS"
	Help  string
	field func(*Config) any
}

// Settings is the table of everything that can be set, in the order of the
// file. A value given by flag or environment is one string: lists of words are
// comma separated, plugins are YAML.
func Settings() []Setting {
	table := []struct {
		key, help string
		field     func(*Config) any
	}{
		{"cluster_name", "name of this cluster, as its federation will show it", func(c *Config) any { return &c.ClusterName }},
		{"data_dir", "folder of the database, keys and queue", func(c *Config) any { return &c.DataDir }},
		{"listen", "address of the REST API and console", func(c *Config) any { return &c.Listen }},
		{"fed_listen", "address for managed clusters, open on a primary only", func(c *Config) any { return &c.FedListen }},
		{"admission_listen", "address of the admission webhook", func(c *Config) any { return &c.AdmissionListen }},
		{"ops_listen", "address of health, readiness and metrics (plain HTTP)", func(c *Config) any { return &c.OpsListen }},
		{"admin_password_file", "file with the first administrator's password; generated when empty", func(c *Config) any { return &c.AdminPasswordFile }},
		{"vulndb.file", "vulnerability database file, for use without a download", func(c *Config) any { return &c.VulnDB.File }},
		{"vulndb.update", "when to pull a newer database where no file is given, a cron expression or @every 6h; never", func(c *Config) any { return &c.VulnDB.Update }},
		{"vulndb.repositories", "where to pull it from, [http://]HOST/REPOSITORY[:TAG], in order; the public ones when empty", func(c *Config) any { return &c.VulnDB.Repositories }},
		{"vulndb.max_age", "age at which the database is said to be stale, such as 168h", func(c *Config) any { return &c.VulnDB.MaxAge }},
		{"javadb.file", "index of Java archives (trivy-java-db), for jars that do not name themselves", func(c *Config) any { return &c.JavaDB.File }},
		{"log.level", "debug, info, warn or error", func(c *Config) any { return &c.Log.Level }},
		{"log.format", "text or json", func(c *Config) any { return &c.Log.Format }},
		{"scan.workers", "images scanned at a time", func(c *Config) any { return &c.Scan.Workers }},
		{"scan.layer_parallel", "layers of one image read at a time", func(c *Config) any { return &c.Scan.LayerParallel }},
		{"scan.secrets", "true: look for credentials in the files of images too; scans take longer", func(c *Config) any { return &c.Scan.Secrets }},
		{"plugin_dir", "folder that declared plugins must lie in", func(c *Config) any { return &c.PluginDir }},
		{"plugins", "plugins declared beside the built-in ones, and env and limits of those, a YAML list", func(c *Config) any { return &c.Plugins }},
		{"transport.proxy", "HTTP proxy (http://HOST:PORT) on the way to the primary", func(c *Config) any { return &c.Transport.Proxy }},
		{"tls.cert_file", "certificate chain of the API and webhook ports; self-signed when empty", func(c *Config) any { return &c.TLS.CertFile }},
		{"tls.key_file", "private key of that certificate", func(c *Config) any { return &c.TLS.KeyFile }},
		{"tls.hosts", "names and addresses for the self-signed certificate", func(c *Config) any { return &c.TLS.Hosts }},
		{"admission.namespace", "namespace of muster itself, which is always admitted", func(c *Config) any { return &c.Admission.Namespace }},
	}
	settings := make([]Setting, 0, len(table))
	for _, row := range table {
		words := strings.NewReplacer(".", "_", "-", "_").Replace(row.key)
		// --vulndb and --javadb, as where other commands take the same file
		flag := strings.NewReplacer(".", "-", "_", "-").Replace(strings.TrimSuffix(row.key, ".file"))
		settings = append(settings, Setting{
			Key:   row.key,
			Flag:  flag,
			Env:   envPrefix + strings.ToUpper(words),
			Help:  row.help,
			field: row.field,
		})
	}
	return settings
}

// envPrefix begins the name of every environment variable that is read.
const envPrefix = "MUSTER_"

// assign parses text into the field behind the pointer.
func assign(field any, text string) error {
	switch field := field.(type) {
	case *string:
		*field = text
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		*field = n
	case *[]string:
		*field = nil
		for word := range strings.SplitSeq(text, ",") {
			if word = strings.TrimSpace(word); word != "" {
				*field = append(*field, word)
			}
		}
	default:
		return assignYAML(field, text)
	}
	return nil
}

func assignYAML(field any, text string) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return err
	}
	if err := checkKeys(&doc, field); err != nil {
		return err
	}
	return doc.Decode(field)
}
