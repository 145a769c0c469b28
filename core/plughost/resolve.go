package plughost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/registryhttp"
	"github.com/muster-sec/muster/scanner/pull"
)

// ask resolves a tag for a plugin that does not do so: by HEAD, which costs no
// pull, and by GET from registries that tell no digest then. It presents what
// the plugin gives as credential.
func (r *Registries) ask(ctx context.Context, reg model.Registry, repository, tag string) (model.ListedImage, error) {
	credential, err := r.Credential(ctx, reg, repository)
	if err != nil {
		return model.ListedImage{}, err
	}
	ref, err := tagIn(reg, repository, tag)
	if err != nil {
		return model.ListedImage{}, err
	}
	tr, err := r.hosts.Transport(reg)
	if err != nil {
		return model.ListedImage{}, err
	}
	defer tr.Close()
	options := []remote.Option{remote.WithContext(ctx), remote.WithTransport(tr), remote.WithAuth(registryhttp.Auth(credential))}
	found, err := remote.Head(ref, options...)
	if err != nil && !final(err) {
		found, err = get(ref, options)
	}
	if err != nil {
		return model.ListedImage{}, answerOf(fmt.Errorf("resolving %s:%s in %s: %w", repository, tag, reg.Name, err))
	}
	return model.ListedImage{Repository: repository, Tag: tag, Digest: model.Digest(found.Digest.String()), MediaType: string(found.MediaType)}, nil
}

func get(ref name.Reference, options []remote.Option) (*v1.Descriptor, error) {
	full, err := remote.Get(ref, options...)
	if err != nil {
		return nil, err
	}
	return &full.Descriptor, nil
}

// final says that asking by GET would give the same as asking by HEAD did: the
// registry is not reached, wants to be left alone, or refuses.
func final(err error) bool {
	if _, later := fault.RetryAfterOf(err); later || errors.Is(err, pull.ErrInsecure) || errors.Is(err, pull.ErrElsewhere) {
		return true
	}
	if refused, ok := errors.AsType[*transport.Error](err); ok {
		switch refused.StatusCode {
		case http.StatusNotFound, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
			return true
		}
		return false
	}
	_, unreached := errors.AsType[*url.Error](err)
	return unreached
}

// tagIn is a tag at the registry's address.
func tagIn(reg model.Registry, repository, tag string) (name.Tag, error) {
	u, err := url.Parse(reg.URL)
	if err != nil || u.Host == "" {
		return name.Tag{}, fault.New(fault.Invalid, "the URL of registry %s names no host", reg.Name)
	}
	options := []name.Option{name.StrictValidation}
	if registryhttp.IsPlain(reg.URL) {
		options = append(options, name.Insecure)
	}
	ref, err := name.NewTag(u.Host+"/"+repository+":"+tag, options...)
	if err != nil {
		return ref, fault.New(fault.Invalid, "registry %s: %w", reg.Name, err)
	}
	return ref, nil
}

// answerOf gives an answer of the distribution API its kind.
func answerOf(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	refused, ok := errors.AsType[*transport.Error](err)
	switch {
	case ok && refused.StatusCode == http.StatusNotFound:
		return fault.New(fault.NotFound, "%w", err)
	case ok && (refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusForbidden):
		return fault.New(fault.Unavailable, "%w", err).WithHint("the registry refuses the credential that the plugin gives: `muster registry test` shows at which step")
	}
	return fault.New(fault.Unavailable, "%w", err)
}
