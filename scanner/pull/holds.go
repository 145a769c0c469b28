package pull

import (
	"context"
	"net/http"
	"net/url"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func (s *registrySource) origin() string {
	return s.scheme + "://" + s.ref.Context().RegistryStr()
}

func (s *registrySource) repository() string { return s.ref.Context().RepositoryStr() }

// holds asks for the blob's headers (OCI distribution specification, end-2).
// A redirect is as good as an answer, and not followed: the registry checks
// access and existence before it sends a client to its store, and addresses that
// are signed for GET refuse HEAD.
func (s *registrySource) holds(ctx context.Context, digest v1.Hash) bool {
	if checkHash(digest) != nil {
		return false
	}
	repository := s.ref.Context()
	u := url.URL{
		Scheme: s.scheme, Host: repository.RegistryStr(),
		Path: "/v2/" + repository.RepositoryStr() + "/blobs/" + digest.String(),
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, u.String(), nil)
	if err != nil {
		return false
	}
	client := http.Client{Transport: s.client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	if resp.Body.Close() != nil {
		return false
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect:
		return true
	}
	return false
}

func (s *layoutSource) origin() string { return "oci:" + string(s.path) }

func (*layoutSource) repository() string { return "" }

func (s *layoutSource) holds(ctx context.Context, digest v1.Hash) bool {
	body, err := s.blob(ctx, digest)
	return err == nil && body.Close() == nil
}

func (s *archiveSource) origin() string { return "docker-archive:" + s.file }

func (*archiveSource) repository() string { return "" }

func (s *archiveSource) holds(_ context.Context, digest v1.Hash) bool {
	_, ok := s.blobs[digest]
	return ok
}
