package cmd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/report"
	"github.com/muster-sec/muster/scanner/vulndb"
)

// oldDB is the age at which a clean result means little.
const oldDB = 3 * 24 * time.Hour

func (a *App) scanCommand() *cli.Command {
	return &cli.Command{
		Name: "scan", Category: groupImages, Usage: "scan an image here, without a daemon", ArgsUsage: "IMAGE",
		Description: `IMAGE is [docker://]HOST/REPOSITORY:TAG, …@DIGEST, or oci:DIR:REF. Without
--username the logins of docker login are used. Nothing is written to disk.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "vulndb", Usage: "vulnerability database `FILE`, trivy.db of schema 2 (also MUSTER_VULNDB_FILE)"},
			&cli.StringFlag{Name: "platform", Usage: "`OS/ARCH` of a multi-platform image, or all", Value: "linux/amd64"},
			&cli.StringFlag{Name: "username", Usage: "`NAME` to log in with at the registry"},
			passwordFlag("password-file"),
			&cli.StringFlag{Name: "ca-cert", Usage: "`FILE` with the registry's certificate authority, PEM"},
			&cli.BoolFlag{Name: "plain-http", Usage: "allow a registry without TLS"},
			&cli.StringFlag{Name: "format", Usage: "the same as --output, which wins"},
			failOnFlag(),
		},
		Action: a.local(scan),
	}
}

func scan(ctx context.Context, in *invocation) error {
	failOn, err := in.scanFlags()
	if err != nil {
		return err
	}
	options, err := in.pullOptions()
	if err != nil {
		return err
	}
	db, err := in.openDB()
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // opened for reading
	s, err := scanner.New(scanner.Options{})
	if err != nil {
		return err
	}
	results, problems := s.Scan(ctx, in.arg(0), options, match.New(db))
	if len(results) > 0 {
		problems = errors.Join(problems, in.printScan(db, results))
	}
	if problems != nil {
		return explainScan(problems)
	}
	return failScan(results, failOn)
}

// scanFlags settles the output format and reads the severity that fails, nil
// for none.
func (in *invocation) scanFlags() (*match.Severity, error) {
	if in.text("output") == "" {
		format, err := output.ParseFormat(in.text("format"))
		if err != nil {
			return nil, usagef("--format: %w", err)
		}
		in.format = format
	}
	if in.text("fail-on") == "" {
		return nil, nil
	}
	severity, err := match.ParseSeverity(in.text("fail-on"))
	if err != nil {
		return nil, usagef("--fail-on: %w", err)
	}
	return &severity, nil
}

func (in *invocation) pullOptions() (pull.Options, error) {
	o := pull.Options{
		Keychain: authn.DefaultKeychain, PlainHTTP: in.flags.Bool("plain-http"), UserAgent: "muster/" + in.Version,
		Platform: in.text("platform"),
	}
	if o.Platform == "all" {
		o.Platform, o.AllPlatforms = "", true
	}
	if name := in.text("username"); name != "" {
		password, err := in.password("password-file", "password for "+name+" at the registry: ", false)
		if err != nil {
			return o, err
		}
		o.Keychain = givenLogin{authn.FromConfig(authn.AuthConfig{Username: name, Password: password})}
	}
	if file := in.text("ca-cert"); file != "" {
		var err error
		if o.Transport, err = in.registryTransport(file); err != nil {
			return o, err
		}
	}
	return o, nil
}

// givenLogin is the one login that the flags give; package pull asks for the
// registry of the reference only.
type givenLogin struct{ authn.Authenticator }

// Resolve implements authn.Keychain.
func (l givenLogin) Resolve(authn.Resource) (authn.Authenticator, error) { return l.Authenticator, nil }

// registryTransport trusts a CA beside the system's roots.
func (in *invocation) registryTransport(caFile string) (http.RoundTripper, error) {
	pem, err := in.readFile(caFile)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, usagef("%s holds no certificate in PEM form", caFile)
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
	}, nil
}

func (in *invocation) openDB() (*vulndb.DB, error) {
	file := in.setting("vulndb", "MUSTER_VULNDB_FILE")
	if file == "" {
		return nil, usagef("a vulnerability database is needed").withTry("--vulndb FILE")
	}
	db, err := vulndb.Open(file)
	if err != nil {
		return nil, failf("%s: %w", file, err).withCheck("open the vulnerability database").withTry("download the file again, then compare its checksum")
	}
	return db, nil
}

func (in *invocation) printScan(db *vulndb.DB, results []scanner.Result) error {
	images := make([]report.Image, 0, len(results))
	for _, r := range results {
		images = append(images, r.Report())
	}
	updated := db.Metadata().UpdatedAt
	doc := report.New(report.Database{Revision: db.Revision(), UpdatedAt: updated}, in.Now(), images)
	if in.format == output.Text {
		return report.Table(in.Stdout, doc) // it says the database's age itself
	}
	if age := in.Now().Sub(updated); !updated.IsZero() && age > oldDB {
		in.hint("warning: the vulnerability database is %s old", span(age))
	}
	return in.print(doc, nil)
}

func failScan(results []scanner.Result, failOn *match.Severity) error {
	if failOn == nil {
		return nil
	}
	n := 0
	for _, r := range results {
		for _, f := range r.Findings {
			if f.Severity >= *failOn {
				n++
			}
		}
	}
	if n == 0 {
		return nil
	}
	return policyf("%s of severity %s or worse", plural(n, "finding"), strings.ToLower(failOn.String()))
}

// explainScan finds exit code and advice for what a registry or an image made
// impossible.
func explainScan(err error) error {
	p := &problem{code: exitOther, err: err}
	registry, isRegistry := errors.AsType[*transport.Error](err)
	_, isDNS := errors.AsType[*net.DNSError](err)
	_, isNet := errors.AsType[*net.OpError](err)
	_, isCert := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, pull.ErrReference):
		p.code, p.try = exitUsage, "HOST/REPOSITORY:TAG, HOST/REPOSITORY@sha256:…, or oci:DIR:REF"
	case errors.Is(err, pull.ErrUnsupported):
		p.check = "the reference is an image"
	case isRegistry && (registry.StatusCode == http.StatusUnauthorized || registry.StatusCode == http.StatusForbidden):
		p.code, p.check, p.try = exitUnauthorised, "log in at the registry", "--username NAME --password-file FILE, or docker login"
	case isCert:
		p.code, p.check, p.try = exitUnreachable, "verify the registry's certificate", "--ca-cert FILE"
	case isDNS || isNet:
		p.code, p.check = exitUnreachable, "reach the registry"
	case errors.Is(err, pull.ErrInsecure): // last: it is beside the errors above when HTTPS failed first
		p.check, p.try = "the registry speaks TLS", "--plain-http, if its network is trusted"
	}
	return p
}
