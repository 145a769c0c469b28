package plughost

import (
	"context"
	"fmt"
	"io"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/registryhttp"
	"github.com/muster-sec/muster/plugins/sdk"
)

// Registries are the registry plugins, as services of core ask for them.
type Registries struct {
	host  *Host
	hosts *registryhttp.Hosts
}

// Registries returns the registry plugins of the host. hosts is the memory of
// what requests that the daemon makes itself must keep to.
func (h *Host) Registries(hosts *registryhttp.Hosts) *Registries {
	return &Registries{host: h, hosts: hosts}
}

// Types returns the names of the registry plugins, which are the types that a
// registry may have.
func (r *Registries) Types() []string { return r.host.names(sdk.KindRegistry) }

// ListRepositories lists all repositories. An error means that the listing is
// incomplete; an error of yield stops it and is returned.
func (r *Registries) ListRepositories(ctx context.Context, reg model.Registry, yield func(repository string) error) error {
	client, cfg, err := r.open(reg)
	if err != nil {
		return err
	}
	for repo, err := range client.Repositories(ctx, cfg) {
		if err != nil {
			return faultOf(fmt.Errorf("listing the repositories of %s: %w", reg.Name, err))
		}
		if err := yield(repo); err != nil {
			return err
		}
	}
	return nil
}

// ListTags lists the tags of a repository, under the same rules, and the
// manifests without a tag that the plugin shows.
func (r *Registries) ListTags(ctx context.Context, reg model.Registry, repository string, yield func(model.ListedImage) error) error {
	client, cfg, err := r.open(reg)
	if err != nil {
		return err
	}
	for tag, err := range client.Tags(ctx, cfg, repository) {
		if err != nil {
			return faultOf(fmt.Errorf("listing the tags of %s in %s: %w", repository, reg.Name, err))
		}
		if tag.Name == "" && tag.Digest == "" {
			continue
		}
		img := model.ListedImage{Repository: repository, Tag: tag.Name, Digest: model.Digest(tag.Digest), MediaType: tag.MediaType}
		if err := yield(img); err != nil {
			return err
		}
	}
	return nil
}

// ResolveTag returns what a tag names now. Where the plugin does not have the
// ability, the registry itself is asked by the distribution API.
func (r *Registries) ResolveTag(ctx context.Context, reg model.Registry, repository, tag string) (model.ListedImage, error) {
	about, err := r.host.Describe(ctx, sdk.KindRegistry, reg.Type)
	if err != nil {
		return model.ListedImage{}, faultOf(err)
	}
	if !about.Has(sdk.CapabilityResolveTag) {
		return r.ask(ctx, reg, repository, tag)
	}
	client, cfg, err := r.open(reg)
	if err != nil {
		return model.ListedImage{}, err
	}
	m, err := client.ResolveTag(ctx, cfg, repository, tag)
	if err != nil {
		return model.ListedImage{}, faultOf(fmt.Errorf("resolving %s:%s in %s: %w", repository, tag, reg.Name, err))
	}
	digest, err := model.ParseDigest(m.Digest)
	if err != nil {
		return model.ListedImage{}, fmt.Errorf("resolving %s:%s in %s: %w", repository, tag, reg.Name, err)
	}
	return model.ListedImage{Repository: repository, Tag: tag, Digest: digest, MediaType: m.MediaType}, nil
}

// Credential returns what a puller of the repository presents.
func (r *Registries) Credential(ctx context.Context, reg model.Registry, repository string) (model.Credential, error) {
	client, cfg, err := r.open(reg)
	if err != nil {
		return model.Credential{}, err
	}
	c, err := client.Credential(ctx, cfg, repository)
	if err != nil {
		return model.Credential{}, faultOf(fmt.Errorf("getting a credential for %s in %s: %w", repository, reg.Name, err))
	}
	return credentialOf(c), nil
}

// DecodePush reads a registry's call about pushes.
func (r *Registries) DecodePush(ctx context.Context, reg model.Registry, e model.PushEvent) ([]model.Push, error) {
	client, cfg, err := r.open(reg)
	if err != nil {
		return nil, err
	}
	pushes, err := client.DecodePush(ctx, cfg, sdk.PushEvent{Body: e.Body, Headers: e.Headers})
	return pushesOf(reg, pushes, err)
}

// Test tries a registry step by step.
func (r *Registries) Test(ctx context.Context, reg model.Registry) ([]model.DiagnosisStep, error) {
	client, cfg, err := r.open(reg)
	if err != nil {
		return nil, err
	}
	steps, err := client.Diagnose(ctx, cfg)
	if err != nil {
		return nil, faultOf(fmt.Errorf("testing %s: %w", reg.Name, err))
	}
	return stepsOf(steps), nil
}

func (r *Registries) open(reg model.Registry) (*sdk.RegistryClient, sdk.Config, error) {
	client, err := r.host.Registry(reg.Type)
	if err != nil {
		return nil, nil, faultOf(err)
	}
	cfg, err := settingsOf(reg)
	return client, cfg, err
}

// Documents are the ingest plugins, as services of core ask for them.
type Documents struct {
	host *Host
}

// Documents returns the ingest plugins of the host.
func (h *Host) Documents() *Documents { return &Documents{host: h} }

// Parse reads a whole document with the plugin that Recognize named.
func (d *Documents) Parse(ctx context.Context, format string, r io.Reader) (model.Document, error) {
	client, err := d.host.Ingester(format)
	if err != nil {
		return model.Document{}, faultOf(err)
	}
	var found sdk.Collector
	if err := client.Parse(ctx, r, &found); err != nil {
		return model.Document{}, faultOf(fmt.Errorf("reading the document as %s: %w", format, err))
	}
	return documentOf(found.Document), nil
}
