package cmd

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/vulndb/fetch"
)

// explainScan finds exit code and advice for what a registry or an image made
// impossible.
func explainScan(err error) error {
	if _, explained := errors.AsType[*problem](err); explained {
		return err
	}
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
	case errors.Is(err, pull.ErrNotFound):
		p.check = "repository, tag and platform are spelled as they are there"
	case errors.Is(err, pull.ErrUnsupported):
		p.check = "the reference is an image"
	case errors.Is(err, limit.ErrExceeded):
		p.check = "the image is meant to be like that: what one scan may cost is bounded"
	case errors.Is(err, pull.ErrElsewhere):
		p.check, p.try = "the registry leads to its own network or a public one", "the registry's address inside the network, if its blobs lie there"
	case isRegistry && (registry.StatusCode == http.StatusUnauthorized || registry.StatusCode == http.StatusForbidden):
		p.code, p.check, p.try = exitUnauthorised, "log in at the registry", "--username NAME --password-file FILE, or docker login"
	case isCert:
		p.code, p.check, p.try = exitUnreachable, "verify the registry's certificate", "--ca-cert FILE"
	case isDNS || isNet:
		p.code, p.check = exitUnreachable, "reach the registry"
	case errors.Is(err, pull.ErrInsecure) || errors.Is(err, fetch.ErrInsecure): // last: it is beside the errors above when HTTPS failed first
		p.check, p.try = "the registry speaks TLS", "--plain-http, if its network is trusted"
	}
	return p
}
