package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/httpapi/nvapi"
	"github.com/muster-sec/muster/core/httpapi/tlscert"
	v1 "github.com/muster-sec/muster/core/httpapi/v1"
	"github.com/muster-sec/muster/core/httpapi/webhook"
	"github.com/muster-sec/muster/core/plughost"
	"github.com/muster-sec/muster/core/telemetry"
)

// servers opens the ports and gives what serves them. The fed port is the
// federation's own: it is open on a primary only.
func (h *house) servers() ([]service, error) {
	certificate, err := h.certificate()
	if err != nil {
		return nil, err
	}
	secret, err := webhook.LoadSecret(h.path("webhook-secret"))
	if err != nil {
		return nil, err
	}
	native, err := h.nativeAPI()
	if err != nil {
		return nil, err
	}
	metrics, err := httpapi.NewMetrics(h.metrics)
	if err != nil {
		return nil, err
	}
	rest := http.NewServeMux()
	rest.Handle("/api/v1/", native.Handler())
	rest.Handle("/", nvapi.Handler())
	ops := telemetry.OpsHandler(h.metrics, telemetry.Check{Name: "database", Ready: h.ready})

	var services []service
	for _, s := range []struct {
		address string
		options httpapi.Options
	}{
		{h.config.AdmissionListen, httpapi.Options{Name: "admission", Handler: webhook.Handler(secret, h.admission), TLS: certificate.Config()}},
		{h.config.Listen, httpapi.Options{Name: "api", Handler: rest, TLS: certificate.Config()}},
		{h.config.OpsListen, httpapi.Options{Name: "ops", Handler: ops}},
	} {
		s.options.Log, s.options.Metrics = h.log.With("part", "http"), metrics
		server, err := httpapi.NewServer(s.options)
		if err != nil {
			return nil, err
		}
		listener, err := net.Listen("tcp", s.address)
		if err != nil {
			return nil, fmt.Errorf("daemon: open the %s port: %w", s.options.Name, err)
		}
		services = append(services, service{s.options.Name + " port", func(ctx context.Context) error {
			return server.Serve(ctx, listener)
		}})
	}
	return services, nil
}

// certificate is the operator's, or the daemon's own.
func (h *house) certificate() (*tlscert.Source, error) {
	if c := h.config.TLS; c.CertFile != "" {
		return tlscert.FromFiles(c.CertFile, c.KeyFile)
	}
	source, err := tlscert.SelfSigned(h.config.DataDir, h.config.TLS.Hosts, h.now())
	if err != nil {
		return nil, err
	}
	fingerprint, err := source.Fingerprint()
	if err != nil {
		return nil, err
	}
	h.log.Info("the API's certificate is self-signed; muster login asks for its fingerprint", "sha256", fingerprint)
	return source, nil
}

func (h *house) nativeAPI() (*v1.API, error) {
	return v1.New(v1.Options{
		Auth: h.identity, Sessions: h.identity, Accounts: h.identity, APIKeys: h.identity,
		Federation: h.federation, FedSettings: h.federation, Tokens: h.federation, Clusters: h.federation,
		Registries: h.registries, RegistryRuns: h.registries, Images: h.fleet, Results: h.intake,
		Rules: h.admission, Admission: h.admission, Reviewer: trials{h.admission}, Audit: h.store,
		DB: h.database.Status, Stale: h.database.stale, Plugins: h.pluginList,
		Version: h.version, StartedAt: h.started, Now: h.now,
	})
}

// pluginList is what the API says of the plugins.
func (h *house) pluginList() []api.Plugin {
	var list []api.Plugin
	for _, s := range h.plugins.Plugins() {
		list = append(list, pluginOf(s))
	}
	return list
}

func pluginOf(s plughost.Status) api.Plugin {
	p := api.Plugin{
		Name: s.Name, Kind: string(s.Kind), Version: s.Version, Protocol: s.Protocol, Builtin: s.Builtin,
		State: string(s.State), Since: s.Since, PID: s.PID, Restarts: s.Restarts, Calls: s.Calls, InFlight: s.InFlight,
		LastError: s.LastError, Capabilities: s.Capabilities,
	}
	if s.State == plughost.StateBackoff || s.State == plughost.StateFailed {
		p.RetryAt = s.RetryAt
	}
	return p
}
