package sdktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/schema"
)

// Options give the suite something to work with. What needs an option that is
// not set is skipped, and the report says so.
type Options struct {
	// Config is a configuration that works, for instance of a test registry.
	Config sdk.Config
	// Document is a document that an ingest plugin reads.
	Document []byte
	// Address is where a transport may listen. Default: 127.0.0.1:0.
	Address string
}

// Report is what the suite found.
type Report struct {
	Plugin  sdk.Description
	Results []Result
}

// Result is the outcome of one check.
type Result struct {
	Name    string
	Skipped string // why it was not tried
	Problem string // what is wrong; empty if nothing is
	Fix     string // what to do about it
}

// OK reports whether nothing is wrong.
func (r Report) OK() bool {
	for _, res := range r.Results {
		if res.Problem != "" {
			return false
		}
	}
	return true
}

// String is the report as text, one line for each check and its fix.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s plugin %s %s\n", r.Plugin.Kind, r.Plugin.Name, r.Plugin.Version)
	for _, res := range r.Results {
		switch {
		case res.Problem != "":
			fmt.Fprintf(&b, "FAIL  %s: %s\n      %s\n", res.Name, res.Problem, res.Fix)
		case res.Skipped != "":
			fmt.Fprintf(&b, "skip  %s: %s\n", res.Name, res.Skipped)
		default:
			fmt.Fprintf(&b, "ok    %s\n", res.Name)
		}
	}
	return b.String()
}

const (
	checkTimeout  = 30 * time.Second
	healthTimeout = 2 * time.Second // a host's, see the contract
)

// skip is returned by checks that lack an option.
type skip string

func (s skip) Error() string { return string(s) }

// check is one promise: run tells how it is broken, fix what to do then.
type check struct {
	name string
	run  func(ctx context.Context) error
	fix  string
}

// Check holds the plugin behind conn against its contract. It only returns
// early, with what it has, when ctx ends or the plugin does not describe itself.
func Check(ctx context.Context, conn grpc.ClientConnInterface, o Options) Report {
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	var report Report
	describe := check{"describes itself", func(ctx context.Context) (err error) {
		report.Plugin, err = sdk.Describe(ctx, conn)
		return err
	}, "set Name, Version and Kind of sdk.Plugin, and serve it with sdk.Serve"}
	if res := describe.result(ctx); res.Problem != "" {
		report.Results = append(report.Results, res)
		return report
	}
	report.Results = append(report.Results, Result{Name: describe.name})
	checks := baseChecks(conn, report.Plugin, o)
	switch report.Plugin.Kind {
	case sdk.KindRegistry:
		checks = append(checks, registryChecks(conn, report.Plugin, o)...)
	case sdk.KindIngest:
		checks = append(checks, ingestChecks(conn, o)...)
	case sdk.KindTransport:
		checks = append(checks, transportChecks(conn, report.Plugin, o)...)
	}
	for _, c := range checks {
		if ctx.Err() != nil {
			return report
		}
		report.Results = append(report.Results, c.result(ctx))
	}
	return report
}

func (c check) result(ctx context.Context) Result {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var skipped skip
	switch err := c.run(ctx); {
	case err == nil:
		return Result{Name: c.name}
	case errors.As(err, &skipped):
		return Result{Name: c.name, Skipped: string(skipped)}
	default:
		return Result{Name: c.name, Problem: err.Error(), Fix: c.fix}
	}
}

func baseChecks(conn grpc.ClientConnInterface, about sdk.Description, o Options) []check {
	return []check{
		{"has a configuration schema", func(context.Context) error { return checkSchema(about.ConfigSchema) },
			`publish a JSON Schema of type "object" in ConfigSchema, with "writeOnly": true on secrets`},
		{"takes the configuration that was given", func(context.Context) error { return checkConfig(about.ConfigSchema, o.Config) },
			"change the configuration or the schema: a host refuses what does not fit before the plugin sees it"},
		{"answers health checks in time, also many at once", func(ctx context.Context) error { return checkHealth(ctx, conn) },
			"Health must answer within two seconds and not wait for anything else"},
		{"refuses calls of other kinds", func(ctx context.Context) error { return checkOtherKind(ctx, conn, about.Kind) },
			"set only the handlers of the plugin's own kind in sdk.Plugin"},
	}
}

func checkSchema(text string) error {
	if text == "" {
		return skip("it takes no configuration")
	}
	s, err := schema.Compile(text)
	if err != nil {
		return err
	}
	if names := s.Unmarked(); len(names) > 0 {
		return fmt.Errorf("%s: looks like a secret and is not marked as one", strings.Join(names, ", "))
	}
	return nil
}

// checkConfig holds the configuration that was given against the schema, as a
// host does before every call.
func checkConfig(text string, cfg sdk.Config) error {
	if cfg == nil {
		return skip("no configuration was given")
	}
	s, err := schema.Compile(text)
	if err != nil {
		return err
	}
	return s.Validate(cfg)
}

func checkHealth(ctx context.Context, conn grpc.ClientConnInterface) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	errs := make([]error, 16)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = sdk.Health(ctx, conn) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkOtherKind(ctx context.Context, conn grpc.ClientConnInterface, kind sdk.Kind) error {
	var err error
	if kind == sdk.KindIngest {
		_, err = sdk.NewRegistryClient(conn).Credential(ctx, nil, "x")
	} else {
		_, err = sdk.NewIngestClient(conn).Recognize(ctx, []byte("{}"))
	}
	if !errors.Is(err, sdk.ErrUnsupported) {
		return fmt.Errorf("a call of another kind gives %v", err)
	}
	return nil
}
