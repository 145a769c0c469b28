package daemon

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/config"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/plugins/builtin"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/scanner/sampleimage"
	dbbuild "github.com/muster-sec/muster/scanner/vulndb/build"
)

// TestMain serves the built-in plugins when a daemon under test starts this
// binary for one.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "serve-plugin" {
		if err := builtin.Serve(sdk.Kind(os.Args[2]), os.Args[3], "test"); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// running is a daemon under test.
type running struct {
	t      *testing.T
	log    *logged
	config config.Config
	client *http.Client
	token  string
	stop   context.CancelFunc
	ended  chan error
}

const password = "correct horse battery"

func built() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// launch runs a daemon with ports of its own, waits until it is ready and logs in.
func launch(t *testing.T, name, db string) *running {
	t.Helper()
	dir := t.TempDir()
	passwordFile := filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.ClusterName, c.DataDir, c.AdminPasswordFile, c.VulnDB.File = name, filepath.Join(dir, "data"), passwordFile, db
	c.VulnDB.Update = config.Never
	for _, address := range []*string{&c.Listen, &c.FedListen, &c.AdmissionListen, &c.OpsListen} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		*address = l.Addr().String()
		defer l.Close()
	}
	d := &running{t: t, config: c, log: &logged{}}
	t.Cleanup(d.shutDown)
	return d
}

// start runs the daemon; call it again after shutDown to start it anew.
func (d *running) start() *running {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d.stop, d.ended = cancel, make(chan error, 1)
	go func() {
		d.ended <- Run(ctx, Options{
			Config: d.config, Version: "test", Log: slog.New(slog.NewTextHandler(d.log, nil)),
			SelfExec: []string{"/proc/self/exe", "serve-plugin"},
		})
	}()
	d.eventually("the daemon is ready", func() bool {
		resp, err := http.Get("http://" + d.config.OpsListen + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	d.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: d.authority()}}}
	var session api.LoginResponse
	d.call(http.MethodPost, "/login", api.LoginRequest{Username: "admin", Password: password}, &session)
	d.token = session.Token
	return d
}

// logged is what a daemon has logged so far.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

func (d *running) shutDown() {
	if d.stop == nil {
		return
	}
	d.stop()
	if err := <-d.ended; err != nil {
		d.t.Errorf("%s ended with %v", d.config.ClusterName, err)
	}
	d.stop = nil
}

func (d *running) authority() *x509.CertPool {
	d.t.Helper()
	body, err := os.ReadFile(filepath.Join(d.config.DataDir, "api.pem"))
	if err != nil {
		d.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for block, rest := pem.Decode(body); block != nil; block, rest = pem.Decode(rest) {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			pool.AddCert(cert)
		}
	}
	return pool
}

func (d *running) eventually(what string, cond func() bool) {
	d.t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case err := <-d.ended:
			d.stop = nil
			d.t.Fatalf("%s ended: %v", d.config.ClusterName, err)
		case <-deadline.C:
			d.t.Fatalf("after a minute: not yet true that %s", what)
		}
	}
}

// ask sends a request and gives status and body.
func (d *running) ask(method, path string, in any) (int, []byte) {
	d.t.Helper()
	body := &bytes.Buffer{}
	if in != nil {
		if err := json.NewEncoder(body).Encode(in); err != nil {
			d.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(d.t.Context(), method, "https://"+d.config.Listen+"/api/v1"+path, body)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+d.token)
	resp, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// call sends a request that must succeed.
func (d *running) call(method, path string, in, out any) {
	d.t.Helper()
	status, body := d.ask(method, path, in)
	if status/100 != 2 {
		d.t.Fatalf("%s %s: %d %s", method, path, status, body)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(body, out); err != nil {
		d.t.Fatalf("%s %s: %v in %s", method, path, err, body)
	}
}

func (d *running) images() map[string]api.Image {
	d.t.Helper()
	var list api.List[api.Image]
	d.call(http.MethodGet, "/images", nil, &list)
	images := map[string]api.Image{}
	for _, img := range list.Items {
		for _, n := range img.Names {
			_, repository, _ := strings.Cut(n, "/")
			images[repository] = img
		}
	}
	return images
}

// sampleRegistry serves the sample images.
func sampleRegistry(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(memory.New(memory.Logger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo))))
	t.Cleanup(server.Close)
	catalog, err := sampleimage.Catalog(built())
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range catalog {
		ref, err := name.ParseReference(at.Host+"/"+c.Repository+":"+c.Tag, name.Insecure)
		if err == nil {
			err = remote.Write(ref, c.Image)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return server
}

// TestTwoDaemons runs a primary and a managed cluster with everything real but
// the network: scan once, decide there, restart both.
func TestTwoDaemons(t *testing.T) {
	t.Parallel()
	db, err := dbbuild.Write(t.TempDir(), sampleimage.Advisories(built()))
	if err != nil {
		t.Fatal(err)
	}
	reg := sampleRegistry(t)
	hub, edge := launch(t, "hub", db).start(), launch(t, "edge", db).start()

	hub.call(http.MethodPost, "/federation/promote", api.PromoteRequest{Advertise: hub.config.FedListen}, nil)
	var token api.Token
	hub.call(http.MethodPost, "/federation/tokens", api.TokenRequest{}, &token)
	edge.call(http.MethodPost, "/federation/join", api.JoinRequest{Token: token.Token}, nil)

	hub.call(http.MethodPost, "/registries", api.Registry{Name: "fed.shop", Type: "oci", URL: reg.URL, Schedule: "@every 1h"}, nil)
	var run api.Run
	hub.call(http.MethodPost, "/registries/fed.shop/scan", nil, &run)
	hub.eventually("the run is done", func() bool {
		var r api.Registry
		hub.call(http.MethodGet, "/registries/fed.shop", nil, &r)
		run = *r.LastRun
		return run.State == "done"
	})
	if run.Listed != 5 || run.Scanned != 5 {
		t.Errorf("run %+v, want five images scanned", run)
	}
	rule := api.Rule{CfgType: "federal", RuleType: "deny", RuleMode: "protect", Criteria: []api.Criterion{{Name: "cveNames", Op: "containsAny", Value: "CVE-2021-44906"}}}
	hub.call(http.MethodPost, "/rules", rule, nil)

	decided := func() {
		t.Helper()
		edge.eventually("the managed cluster has everything", func() bool {
			var rules api.List[api.Rule]
			edge.call(http.MethodGet, "/rules?scope=fed", nil, &rules)
			images := edge.images()
			return len(rules.Items) == 1 && len(images) == 5 && images["shop/web:1.4.2"].Counts.Critical == 3
		})
		host := strings.TrimPrefix(reg.URL, "http://")
		for image, allowed := range map[string]bool{"shop/web:1.4.2": false, "shop/web:1.5.0": true} {
			edge.eventually("the finding lists have arrived", func() bool {
				var answer api.ReviewAnswer
				edge.call(http.MethodPost, "/admission/review", podReview(host+"/"+image), &answer)
				return answer.Decision.Allowed == allowed
			})
		}
	}
	decided()

	hub.shutDown() // admission goes on without the primary
	decided()
	edge.shutDown()
	edge.start()
	decided()
	hub.start()
	hub.eventually("the member is in sync again", func() bool {
		var clusters api.List[api.Cluster]
		hub.call(http.MethodGet, "/clusters", nil, &clusters)
		for _, c := range clusters.Items {
			if c.Name == "edge" {
				return c.Status == "synced" && c.Lag == 0
			}
		}
		return false
	})
}

func podReview(image string) any {
	return map[string]any{
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"request": map[string]any{
			"uid": "1", "operation": "CREATE", "namespace": "shop", "name": "web",
			"kind":     map[string]string{"group": "", "version": "v1", "kind": "Pod"},
			"resource": map[string]string{"group": "", "version": "v1", "resource": "pods"},
			"userInfo": map[string]string{"username": "dev"},
			"object": map[string]any{
				"apiVersion": "v1", "kind": "Pod", "metadata": map[string]string{"name": "web", "namespace": "shop"},
				"spec": map[string]any{"containers": []any{map[string]string{"name": "app", "image": image}}},
			},
		},
	}
}

// TestAChangedDatabaseIsFollowed swaps the file under a running daemon, first
// for a broken one, which changes nothing.
func TestAChangedDatabaseIsFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := dbbuild.Write(dir, sampleimage.Advisories(built()))
	if err != nil {
		t.Fatal(err)
	}
	d := launch(t, "alone", db).start()
	status := func() (s api.DB) {
		d.call(http.MethodGet, "/db", nil, &s)
		return s
	}
	first := status()
	if !first.Present || first.Revision == "" || !first.UpdatedAt.Equal(built()) {
		t.Fatalf("database %+v", first)
	}
	if err := os.WriteFile(db, []byte("cut off"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.eventually("the broken file is refused", func() bool { return d.log.has("the new vulnerability database is not used") })
	if diff := cmp.Diff(first, status()); diff != "" {
		t.Errorf("a broken file changed the database (-before +after):\n%s", diff)
	}
	later := built().Add(24 * time.Hour)
	if _, err := dbbuild.Write(dir, sampleimage.Advisories(later)); err != nil {
		t.Fatal(err)
	}
	d.eventually("a good file replaces it", func() bool { return status().UpdatedAt.Equal(later) })
}
