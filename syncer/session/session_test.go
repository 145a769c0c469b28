package session_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/muster-sec/muster/syncer/session"
)

const fedID = "fed-1"

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func newKey(tb testing.TB) ed25519.PrivateKey {
	tb.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	check(tb, err)
	return key
}

// office is the primary's side with one token.
type office struct {
	ca     *session.CA
	addr   string
	log    *slog.Logger
	mu     sync.Mutex
	tokens map[string]*token
	admit  func(session.Peer) error
	seen   []session.Peer
	trust  func() session.Trust
	now    func() time.Time
}

type token struct {
	public ed25519.PublicKey
	usedBy map[session.Pin]session.Grant
	uses   int
	no     *session.Refusal
}

func open(tb testing.TB, change ...func(*office)) *office {
	tb.Helper()
	ca, err := session.NewCA(fedID, time.Now().Add(-30*24*time.Hour))
	check(tb, err)
	o := &office{
		ca: ca, log: slog.New(slog.DiscardHandler), tokens: map[string]*token{}, trust: ca.Trust, now: time.Now,
		admit: func(session.Peer) error { return nil },
	}
	for _, c := range change {
		c(o)
	}
	own, err := ca.IssuePrimary(time.Now())
	check(tb, err)
	server, err := session.NewServer(session.ServerConfig{
		CA: ca, Trust: ca.Trust, Credential: func() (session.Credential, error) { return own, nil },
		Enroller: o, Log: o.log, Now: o.now,
		Admit: func(_ context.Context, p session.Peer) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.seen = append(o.seen, p)
			return o.admit(p)
		},
		Handle: func(_ context.Context, _ *session.Session, feed net.Conn) { _, _ = io.Copy(feed, feed) },
	})
	check(tb, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(tb, err)
	o.addr = listener.Addr().String()
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, "%d", r.ProtoMajor)
	})}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = web.Serve(server.HTTP()) })
	running.Go(func() {
		if err := server.Serve(ctx, listener); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() {
		cancel()
		_ = web.Close()
		running.Wait()
	})
	return o
}

func (o *office) dial(tb testing.TB) net.Conn {
	tb.Helper()
	conn, err := net.Dial("tcp", o.addr)
	check(tb, err)
	return conn
}

// ticket makes a token and its secret.
func (o *office) ticket(tb testing.TB, id string) session.Ticket {
	tb.Helper()
	t, public, err := session.NewTicket(fedID, o.ca.Pin(), id)
	check(tb, err)
	o.tokens[id] = &token{public: public, usedBy: map[session.Pin]session.Grant{}, uses: 1}
	return t
}

func (o *office) TokenKey(_ context.Context, id string, _ session.Pin) (ed25519.PublicKey, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t, ok := o.tokens[id]
	if !ok {
		return nil, &session.Refusal{Code: session.CodeTokenUnknown, Reason: "no such token"}
	}
	return t.public, nil
}

func (o *office) Enrol(_ context.Context, a session.Application) (session.Grant, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := o.tokens[a.Token]
	if g, ok := t.usedBy[a.Key]; ok {
		return g, nil
	}
	if t.no != nil {
		return session.Grant{}, t.no
	}
	if t.uses == 0 {
		return session.Grant{}, &session.Refusal{Code: session.CodeTokenUsed, Reason: "the token is used up"}
	}
	t.uses--
	g := session.Grant{Member: "member-of-" + a.Name, ContentKey: t.public, Settings: a.Info}
	var err error
	g.Chain, err = o.ca.IssueMember(g.Member, a.Request, o.now())
	t.usedBy[a.Key] = g
	return g, err
}

func (o *office) Renew(_ context.Context, p session.Peer, request *x509.CertificateRequest) ([][]byte, error) {
	return o.ca.IssueMember(p.ID, request, o.now())
}

// member issues a credential directly.
func (o *office) member(tb testing.TB, ca *session.CA, id string, issued time.Time) session.Credential {
	tb.Helper()
	key := newKey(tb)
	der, err := session.NewRequest(key)
	check(tb, err)
	request, err := x509.ParseCertificateRequest(der)
	check(tb, err)
	chain, err := ca.IssueMember(id, request, issued)
	check(tb, err)
	return session.Credential{Chain: chain, Key: key}
}

func TestSessionsCarryStreams(t *testing.T) {
	t.Parallel()
	o := open(t)
	s, err := session.Client(t.Context(), o.dial(t), o.trust(), o.member(t, o.ca, "m-1", time.Now()), time.Now)
	check(t, err)
	defer s.Close()
	feed, err := s.Open(t.Context(), session.StreamFeed)
	check(t, err)
	sent := make([]byte, 1<<20)
	_, err = rand.Read(sent)
	check(t, err)
	go func() { _, _ = feed.Write(sent) }()
	got := make([]byte, len(sent))
	_, err = io.ReadFull(feed, got)
	if err != nil || string(got) != string(sent) {
		t.Errorf("an echo of %d bytes differs, error %v", len(sent), err)
	}
	if p := s.Peer(); p.Role != session.RolePrimary || p.Federation != fedID {
		t.Errorf("peer is %+v", p)
	}
	second, err := s.Open(t.Context(), session.StreamFeed)
	check(t, err)
	if _, err := second.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a second feed in one session: %v", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.seen) != 1 || o.seen[0].ID != "m-1" || o.seen[0].Expired {
		t.Errorf("primary saw %+v", o.seen)
	}
}

func TestMembersVerifyThePrimary(t *testing.T) {
	t.Parallel()
	o := open(t)
	other, err := session.NewCA(fedID, time.Now())
	check(t, err)
	late := func() time.Time { return time.Now().Add(session.Lifetime + time.Hour) }
	tests := []struct {
		name  string
		trust session.Trust
		now   func() time.Time
		want  error
	}{
		{"other CA", other.Trust(), time.Now, session.ErrPeer},
		{"other federation", session.Trust{Federation: "fed-2", Pins: o.trust().Pins}, time.Now, session.ErrPeer},
		{"certificate over", o.trust(), late, session.ErrExpired},
		{"certificate over, no clock to judge by", o.trust(), nil, nil},
		{"one of two CAs", session.Trust{Federation: fedID, Pins: []session.Pin{other.Pin(), o.ca.Pin()}}, time.Now, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := session.Client(t.Context(), o.dial(t), tt.trust, o.member(t, o.ca, "m", time.Now()), tt.now)
			if !errors.Is(err, tt.want) || (tt.want == nil && err != nil) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if s != nil {
				s.Close()
			}
		})
	}
}

func TestPrimariesVerifyMembers(t *testing.T) {
	t.Parallel()
	other, err := session.NewCA(fedID, time.Now())
	check(t, err)
	banned := errors.New("banned")
	o := open(t, func(o *office) {
		o.admit = func(p session.Peer) error {
			if p.ID == "banned" {
				return banned
			}
			return nil
		}
	})
	primary, err := o.ca.IssuePrimary(time.Now())
	check(t, err)
	tests := []struct {
		name       string
		credential session.Credential
		lives      bool
	}{
		{"known", o.member(t, o.ca, "m", time.Now()), true},
		{"of another CA", o.member(t, other, "m", time.Now()), false},
		{"not admitted", o.member(t, o.ca, "banned", time.Now()), false},
		{"a primary's certificate", primary, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := session.Client(t.Context(), o.dial(t), o.trust(), tt.credential, time.Now)
			check(t, err) // TLS 1.3: the client does not wait for the server's verdict
			defer s.Close()
			alive := false
			if feed, err := s.Open(t.Context(), session.StreamFeed); err == nil {
				_, _ = feed.Write([]byte{1})
				n, _ := feed.Read(make([]byte, 1))
				alive = n == 1
			}
			if alive != tt.lives {
				t.Errorf("session lives: %v, want %v", alive, tt.lives)
			}
		})
	}
}

func TestEnrolment(t *testing.T) {
	t.Parallel()
	o := open(t)
	ticket := o.ticket(t, "token-1")
	key := newKey(t)
	first, err := session.Joiner{Ticket: ticket, Key: key, Name: "edge", Info: []byte("info")}.Enrol(t.Context(), o.dial(t))
	check(t, err)
	if first.Member != "member-of-edge" || string(first.Settings) != "info" || !first.ContentKey.Equal(o.tokens["token-1"].public) {
		t.Errorf("grant %+v", first)
	}
	again, err := session.Joiner{Ticket: ticket, Key: key, Name: "edge"}.Enrol(t.Context(), o.dial(t))
	check(t, err)
	if string(again.Chain[0]) != string(first.Chain[0]) || o.tokens["token-1"].uses != 0 {
		t.Error("a repeat with the same key got another certificate")
	}
	s, err := session.Client(t.Context(), o.dial(t), ticket.Trust(), session.Credential{Chain: first.Chain, Key: key}, time.Now)
	check(t, err)
	defer s.Close()
	fresh, err := s.Renew(t.Context(), ticket.Trust(), newKey(t))
	check(t, err)
	if _, _, err := fresh.Validity(); err != nil {
		t.Error(err)
	}
}

func TestEnrolmentSaysWhyNot(t *testing.T) {
	t.Parallel()
	o := open(t)
	good := o.ticket(t, "good")
	used := o.ticket(t, "used")
	o.tokens["used"].uses = 0
	taken := o.ticket(t, "taken")
	o.tokens["taken"].no = &session.Refusal{Code: session.CodeNameTaken, Reason: "choose another"}
	change := func(f func(*session.Ticket)) session.Ticket {
		t := good
		f(&t)
		return t
	}
	tests := []struct {
		name   string
		ticket session.Ticket
		code   string
		err    error
	}{
		{"used", used, session.CodeTokenUsed, nil},
		{"name taken", taken, session.CodeNameTaken, nil},
		{"unknown", change(func(t *session.Ticket) { t.Token = "none" }), session.CodeTokenUnknown, nil},
		{"wrong secret", change(func(t *session.Ticket) { t.Seed[0]++ }), session.CodeProof, nil},
		{"wrong pin", change(func(t *session.Ticket) { t.Pin[0]++ }), "", session.ErrPeer},
		{"wrong federation", change(func(t *session.Ticket) { t.Federation = "fed-2" }), "", session.ErrPeer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := session.Joiner{Ticket: tt.ticket, Key: newKey(t), Name: "edge"}.Enrol(t.Context(), o.dial(t))
			var refusal *session.Refusal
			switch {
			case tt.err != nil && !errors.Is(err, tt.err):
				t.Errorf("error %v, want %v", err, tt.err)
			case tt.err == nil && (!errors.As(err, &refusal) || refusal.Code != tt.code || refusal.Reason == ""):
				t.Errorf("error %v, want refusal %s", err, tt.code)
			}
		})
	}
}

func TestEnrolmentEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	o := open(t)
	client, server := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	go server.Close()
	joiner := session.Joiner{Ticket: o.ticket(t, "t"), Key: newKey(t), Name: "x"}
	if _, err := joiner.Enrol(ctx, client); err == nil {
		t.Error("enrolment over a closed connection succeeds")
	}
}

// TestOtherProtocolsReachTheHTTPHandler walks the protocols that the port shares.
func TestOtherProtocolsReachTheHTTPHandler(t *testing.T) {
	t.Parallel()
	o := open(t)
	for name, tt := range map[string]struct {
		protos []string
		body   string
	}{
		"http/2":   {[]string{"h2", "http/1.1"}, "2"},
		"http/1.1": {[]string{"http/1.1"}, "1"},
		"no ALPN":  {nil, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transport := &http.Transport{
				// The certificate's CA is known by pin only; what is tested is who answers.
				TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, NextProtos: tt.protos},
				ForceAttemptHTTP2: tt.body == "2",
			}
			if tt.body == "1" {
				transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
			}
			defer transport.CloseIdleConnections()
			answer, err := (&http.Client{Transport: transport}).Get("https://" + o.addr + "/v1/fed/x")
			check(t, err)
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != http.StatusNotFound || string(body) != tt.body {
				t.Errorf("status %d, protocol %q, error %v", answer.StatusCode, body, err)
			}
		})
	}
}

func TestExpiredMembersCanOnlyRenew(t *testing.T) {
	t.Parallel()
	o := open(t)
	old := o.member(t, o.ca, "m", time.Now().Add(-session.Lifetime-time.Hour))
	s, err := session.Client(t.Context(), o.dial(t), o.trust(), old, time.Now)
	check(t, err)
	defer s.Close()
	fresh, err := s.Renew(t.Context(), o.trust(), old.Key)
	check(t, err)
	if _, until, err := fresh.Validity(); err != nil || until.Before(time.Now()) {
		t.Errorf("renewed until %s, %v", until, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.seen[0].Expired {
		t.Error("the primary was not told that the certificate had expired")
	}
}

func TestOnlyTwoKindsOfKeys(t *testing.T) {
	t.Parallel()
	ca, err := session.NewCA(fedID, time.Now())
	check(t, err)
	for curve, ok := range map[elliptic.Curve]bool{elliptic.P256(): true, elliptic.P384(): false} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		check(t, err)
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		check(t, err)
		request, err := x509.ParseCertificateRequest(der)
		check(t, err)
		if _, err := ca.IssueMember("m", request, time.Now()); (err == nil) != ok {
			t.Errorf("%s: %v", curve.Params().Name, err)
		}
	}
}

func TestCASurvivesStorage(t *testing.T) {
	t.Parallel()
	ca, err := session.NewCA(fedID, time.Now())
	check(t, err)
	again, err := session.LoadCA(fedID, ca.Certificate(), ca.Key())
	check(t, err)
	if again.Pin() != ca.Pin() {
		t.Error("the pin changed")
	}
	if _, err := session.LoadCA(fedID, ca.Certificate(), newKey(t)); err == nil {
		t.Error("a CA loads with the key of another")
	}
}
