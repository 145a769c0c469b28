package oci

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	maxSessions   = 64               // registries whose connections are kept
	maxSignedIn   = 256              // repositories of one registry whose tokens are kept
	sessionLife   = 10 * time.Minute // then the registry is asked again how it authenticates
	catalogScope  = "registry:catalog:*"
	dialTimeout   = 15 * time.Second
	answerTimeout = 60 * time.Second
)

// session is what is kept between calls about one configuration: connections,
// the registry's challenge, and tokens. Nothing of it is needed to be right,
// only to be quick.
type session struct {
	*source
	base http.RoundTripper
	idle func()
	born time.Time
	now  func() time.Time

	mu        sync.Mutex
	challenge *transport.Challenge
	signedIn  map[string]http.RoundTripper // by scope
}

// sessions finds the session of a configuration.
type sessions struct {
	now   func() time.Time
	sleep func(context.Context, time.Duration) error

	mu   sync.Mutex
	open map[[sha256.Size]byte]*session
}

func (s *sessions) of(cfg sdk.Config) (*session, error) {
	key := sha256.Sum256(cfg)
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.open[key]; found != nil && s.now().Sub(found.born) < sessionLife {
		return found, nil
	}
	src, err := readConfig(cfg)
	if err != nil {
		return nil, err
	}
	for k, old := range s.open {
		if len(s.open) >= maxSessions || s.now().Sub(old.born) >= sessionLife {
			old.idle()
			delete(s.open, k)
		}
	}
	s.open[key] = s.newSession(src)
	return s.open[key], nil
}

func (s *sessions) newSession(src *source) *session {
	wire := http.DefaultTransport.(*http.Transport).Clone()
	wire.TLSClientConfig = &tls.Config{RootCAs: src.roots, MinVersion: tls.VersionTLS12}
	wire.TLSHandshakeTimeout = dialTimeout
	wire.ResponseHeaderTimeout = answerTimeout
	wire.MaxResponseHeaderBytes = 256 << 10
	return &session{
		source:   src,
		base:     &bounded{next: wire, plain: src.plain, now: s.now, sleep: s.sleep},
		idle:     wire.CloseIdleConnections,
		born:     s.now(),
		now:      s.now,
		signedIn: map[string]http.RoundTripper{},
	}
}

// ping asks the registry how it authenticates, once per session.
func (s *session) ping(ctx context.Context) (*transport.Challenge, error) {
	s.mu.Lock()
	known := s.challenge
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	challenge, err := transport.Ping(ctx, s.registry, s.base)
	if err != nil {
		return nil, explain(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.challenge = challenge
	return challenge, nil
}

// signIn returns a transport that may do what scope says.
func (s *session) signIn(ctx context.Context, scope string) (http.RoundTripper, error) {
	s.mu.Lock()
	known := s.signedIn[scope]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	challenge, err := s.ping(ctx)
	if err != nil {
		return nil, err
	}
	rt, err := s.exchange(ctx, challenge, scope)
	if err != nil {
		return nil, explain(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.signedIn) >= maxSignedIn {
		clear(s.signedIn)
	}
	s.signedIn[scope] = rt
	return rt, nil
}

func (s *session) exchange(ctx context.Context, challenge *transport.Challenge, scope string) (http.RoundTripper, error) {
	auth := s.authenticator()
	token := &transport.Token{}
	if s.Token != "" {
		token.Token = s.Token
	} else if isBearer(challenge) {
		var err error
		if token, err = transport.Exchange(ctx, s.registry, auth, s.base, []string{scope}, challenge); err != nil {
			return nil, err
		}
		if token.Token == "" {
			token.Token = token.AccessToken
		}
	}
	if challenge.Scheme == "" && auth == authn.Anonymous {
		return s.base, nil
	}
	return transport.FromToken(s.registry, auth, s.base, challenge, token)
}
