package ecr

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/plugins/registry/internal/registrytest"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
	"github.com/muster-sec/muster/plugins/sdk/sdktest"
)

const (
	account = "123456789012"
	region  = "eu-central-1"
)

// fake is ECR, and beside it the metadata service of a machine.
type fake struct {
	repos  []string
	images map[string][]imageID

	mu      sync.Mutex
	keys    aws.Credentials // accepted
	expired map[string]bool // ids of keys that were good once
	roles   int             // how many times keys of the role were given out
	logins  atomic.Int32
}

func newFake() *fake {
	f := &fake{
		images: map[string][]imageID{}, expired: map[string]bool{},
		keys: aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"},
	}
	for i := range 23 {
		f.repos = append(f.repos, fmt.Sprintf("r%03d", i), fmt.Sprintf("team/r%03d", i))
	}
	for i := range 35 {
		f.images["team/r000"] = append(f.images["team/r000"], imageID{registrytest.Digest(i), fmt.Sprintf("v%02d", i)})
	}
	f.images["team/r000"][3].Tag = ""
	f.images["team/r000"][4].Tag = "sha256-" + registrytest.Digest(1)[7:] + ".sig"
	return f
}

func refuse(w http.ResponseWriter, name, message string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.ecr#" + name, "message": message})
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/latest/") {
		f.metadata(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	keys, expired := f.keys, f.expired
	f.mu.Unlock()
	for id := range expired {
		if strings.Contains(r.Header.Get("Authorization"), "Credential="+id+"/") {
			refuse(w, "ExpiredTokenException", "The security token included in the request is expired")
			return
		}
	}
	if !signed(r, body, keys) {
		refuse(w, "UnrecognizedClientException", "The security token included in the request is invalid.")
		return
	}
	var q query
	if err := json.Unmarshal(body, &q); err != nil {
		refuse(w, "SerializationException", err.Error())
		return
	}
	switch action := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), target); {
	case action == "GetAuthorizationToken":
		registrytest.JSON(w, map[string]any{"authorizationData": []any{map[string]any{
			"authorizationToken": base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("AWS:login%d", f.logins.Add(1)))),
			"expiresAt":          float64(registrytest.Now().Add(12*time.Hour).Unix()) + 0.25,
		}}})
	case q.RegistryID != account:
		refuse(w, "RegistryNotFoundException", "no such registry")
	case action == "DescribeRepositories":
		part, next := paged(f.repos, q.NextToken)
		var all []map[string]string
		for _, name := range part {
			all = append(all, map[string]string{"repositoryName": name, "registryId": account})
		}
		registrytest.JSON(w, map[string]any{"repositories": all, "nextToken": next})
	case !slices.Contains(f.repos, q.RepositoryName):
		refuse(w, "RepositoryNotFoundException", "The repository does not exist")
	case action == "ListImages":
		part, next := paged(f.images[q.RepositoryName], q.NextToken)
		registrytest.JSON(w, map[string]any{"imageIds": part, "nextToken": next})
	case action == "DescribeImages":
		i := slices.IndexFunc(f.images[q.RepositoryName], func(id imageID) bool { return id.Tag == q.ImageIDs[0].Tag })
		if i < 0 {
			refuse(w, "ImageNotFoundException", "The image does not exist")
			return
		}
		registrytest.JSON(w, map[string]any{"imageDetails": []any{map[string]string{
			"imageDigest": f.images[q.RepositoryName][i].Digest, "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
		}}})
	}
}

// paged answers ten at a time, with a token like ECR's or null.
func paged[T any](all []T, token string) ([]T, any) {
	page, _ := strconv.Atoi(strings.TrimPrefix(token, "token+/="))
	part, more := registrytest.Slice(all, page+1, 10)
	if more {
		return part, fmt.Sprintf("token+/=%d", page+1)
	}
	return part, nil
}

// signed makes the signature once more and compares.
func signed(r *http.Request, body []byte, keys aws.Credentials) bool {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != contentType {
		return false
	}
	again, err := http.NewRequest(http.MethodPost, "http://"+r.Host+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		return false
	}
	again.Header.Set("Content-Type", contentType)
	again.Header.Set("X-Amz-Target", r.Header.Get("X-Amz-Target"))
	hash := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(r.Context(), keys, again, hex.EncodeToString(hash[:]), "ecr", region, at)
	return err == nil && again.Header.Get("Authorization") == r.Header.Get("Authorization")
}

func (f *fake) metadata(w http.ResponseWriter, r *http.Request) {
	const roles = "/latest/meta-data/iam/security-credentials/"
	switch {
	case r.URL.Path == "/latest/api/token" && r.Method == http.MethodPut && r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") != "":
		fmt.Fprint(w, "session")
	case r.Header.Get("X-aws-ec2-metadata-token") != "session":
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == roles:
		fmt.Fprint(w, "scanner\n")
	case r.URL.Path == roles+"scanner":
		f.mu.Lock()
		defer f.mu.Unlock()
		f.roles++
		f.keys = aws.Credentials{AccessKeyID: fmt.Sprint("ASIA", f.roles), SecretAccessKey: "s", SessionToken: "t"}
		registrytest.JSON(w, map[string]any{
			"Code": "Success", "AccessKeyId": f.keys.AccessKeyID, "SecretAccessKey": "s", "Token": "t",
			"Expiration": registrytest.Now().Add(6 * time.Hour),
		})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func configOf(s *registrytest.Server, path, more string) sdk.Config {
	return sdk.Config(`{"url":"` + s.URL + path + `","api_url":"` + s.URL + `","account":"` + account + `","region":"` + region + `",` + more + `}`)
}

const staticKeys = `"username":"AKID","password":"secret"`

func TestListing(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t, newFake())
	r := newRegistry(registrytest.NewClock().Env(), "")
	for path, want := range map[string]int{"": 46, "/team": 23, "/te": 0} {
		repos, err := registrytest.List(r.Repositories(t.Context(), configOf(s, path, staticKeys)))
		if err != nil || len(repos) != want {
			t.Errorf("under %q: %d repositories of %d, error %v", path, len(repos), want, err)
		}
	}
	tags, err := registrytest.List(r.Tags(t.Context(), configOf(s, "", staticKeys), "team/r000"))
	if err != nil || len(tags) != 34 || tags[3] != (sdk.Tag{Digest: registrytest.Digest(3)}) {
		t.Errorf("listed %d tags, error %v", len(tags), err)
	}
	if tags, err := registrytest.List(r.Tags(t.Context(), configOf(s, "", staticKeys), "gone")); err != nil || len(tags) != 0 {
		t.Errorf("a repository that was deleted: %v, %v", tags, err)
	}
	named := configOf(s, "", staticKeys+`,"repositories":["gone"]`)
	if _, err := registrytest.List(r.Tags(t.Context(), named, "gone")); !errors.Is(err, sdk.ErrNotFound) {
		t.Errorf("a configured repository that is not there: %v", err)
	}
	m, err := r.ResolveTag(t.Context(), configOf(s, "", staticKeys), "team/r000", "v07")
	want := sdk.Manifest{Digest: registrytest.Digest(7), MediaType: "application/vnd.oci.image.manifest.v1+json"}
	if diff := cmp.Diff(want, m); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := r.ResolveTag(t.Context(), configOf(s, "", staticKeys), "team/r000", "none"); !errors.Is(err, sdk.ErrNotFound) {
		t.Errorf("a tag that is not there: %v", err)
	}
}

func TestMovedTag(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := registrytest.Start(t, f)
	r, cfg := newRegistry(registrytest.NewClock().Env(), ""), configOf(s, "", staticKeys)
	registrytest.Moved(t, r, cfg, "team/r000", "v07", func() string {
		f.images["team/r000"][7].Digest = registrytest.Digest(99)
		return registrytest.Digest(99)
	})
	// Moved between two pages, it is there twice.
	f.images["team/r000"] = append(f.images["team/r000"], imageID{registrytest.Digest(100), "v07"})
	tags, err := registrytest.List(r.Tags(t.Context(), cfg, "team/r000"))
	if err != nil || len(tags) != 34 {
		t.Errorf("listed %d tags, error %v", len(tags), err)
	}
}

func TestCredential(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := registrytest.Start(t, f)
	clock := registrytest.NewClock()
	r := newRegistry(clock.Env(), "")
	var got []sdk.Credential
	for _, later := range []time.Duration{0, time.Minute, 9 * time.Minute} {
		clock.Advance(later)
		c, err := r.Credential(t.Context(), configOf(s, "", staticKeys), "team/r000")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c)
	}
	expires := time.Unix(registrytest.Now().Add(12*time.Hour).Unix(), 0)
	want := []sdk.Credential{{Username: "AWS", Password: "login1", Expires: expires}, {Username: "AWS", Password: "login1", Expires: expires}}
	if diff := cmp.Diff(want, got[:2]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	clock.Advance(12 * time.Hour)
	if c, err := r.Credential(t.Context(), configOf(s, "", staticKeys), "team/r000"); err != nil || c.Password == "login1" {
		t.Errorf("after it has expired: %v", err)
	}
}

// TestInstanceRole: keys come from the metadata service, and new ones when the
// old ones are refused in the middle of a listing.
func TestInstanceRole(t *testing.T) {
	t.Parallel()
	f := newFake()
	expire := &registrytest.Fault{On: "DescribeRepositories", From: 3, Times: 1, Answer: func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.expired["ASIA1"] = true
		refuse(w, "ExpiredTokenException", "The security token included in the request is expired")
	}}
	s := registrytest.Start(t, f, expire)
	r := newRegistry(registrytest.NewClock().Env(), s.URL)
	repos, err := registrytest.List(r.Repositories(t.Context(), configOf(s, "", `"instance_role":true`)))
	if err != nil || len(repos) != 46 || f.roles != 2 {
		t.Errorf("listed %d repositories with keys got %d times, error %v", len(repos), f.roles, err)
	}
	none := registrytest.Start(t, http.NotFoundHandler())
	_, err = registrytest.List(newRegistry(registrytest.NewClock().Env(), none.URL).Repositories(t.Context(), configOf(s, "", `"instance_role":true`)))
	if !errors.Is(err, sdk.ErrUnauthorized) {
		t.Errorf("a machine without a metadata service: %v", err)
	}
	roleless := registrytest.Start(t, f, &registrytest.Fault{On: "/security-credentials/", From: 1, Times: 9, Answer: http.NotFound})
	_, err = registrytest.List(newRegistry(registrytest.NewClock().Env(), roleless.URL).Repositories(t.Context(), configOf(s, "", `"instance_role":true`)))
	if !errors.Is(err, errNoRole) {
		t.Errorf("a machine without a role: %v", err)
	}
}

// TestRefusals: what ECR says by name in its answers of status 400.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		message string
		want    error
		fix     string
	}{
		"ThrottlingException":         {"Rate exceeded", sdk.ErrUnavailable, ""},
		"UnrecognizedClientException": {"", sdk.ErrUnauthorized, "access key"},
		"ExpiredTokenException":       {"", sdk.ErrUnauthorized, "temporary"},
		"InvalidSignatureException":   {"Signature expired: 20261101T1200Z is now earlier than ...", errClock, "clock"},
		"AccessDeniedException":       {"not authorized to perform: ecr:DescribeRepositories", sdk.ErrDenied, "ecr:ListImages"},
		"InvalidParameterException":   {"", sdk.ErrInvalid, ""},
		"ServerException":             {"", sdk.ErrUnavailable, ""},
		"NewfangledException":         {"of next year", nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.Start(t, newFake(), &registrytest.Fault{On: "DescribeRepositories", From: 2, Times: 99, Answer: func(w http.ResponseWriter, _ *http.Request) {
				refuse(w, name, tt.message)
			}})
			repos, err := registrytest.List(newRegistry(registrytest.NewClock().Env(), "").Repositories(t.Context(), configOf(s, "", staticKeys)))
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || len(repos) != 10 {
				t.Errorf("after %d repositories: %v", len(repos), err)
			}
			if f := fix("list", err); !strings.Contains(f, tt.fix) {
				t.Errorf("the fix is %q", f)
			}
		})
	}
}

func TestThrottledForAWhile(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t, newFake(), &registrytest.Fault{On: "ListImages", From: 2, Times: 3, Answer: func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, "ThrottlingException", "Rate exceeded")
	}})
	clock := registrytest.NewClock()
	tags, err := registrytest.List(newRegistry(clock.Env(), "").Tags(t.Context(), configOf(s, "", staticKeys), "team/r000"))
	if err != nil || len(tags) != 34 {
		t.Errorf("listed %d tags, error %v", len(tags), err)
	}
	if diff := cmp.Diff([]time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, clock.Waits()); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	registrytest.Failures(t, registrytest.Kind{
		Start: func(t *testing.T, env wire.Env, faults ...*registrytest.Fault) (sdk.Registry, sdk.Config) {
			return newRegistry(env, ""), configOf(registrytest.Start(t, newFake(), faults...), "", staticKeys)
		},
		Repositories: "DescribeRepositories", Tags: "ListImages", Repository: "team/r000",
	})
}

func TestConformance(t *testing.T) {
	t.Parallel()
	empty := newFake()
	empty.repos = nil
	for name, f := range map[string]*fake{"full": newFake(), "empty": empty} {
		s := registrytest.Start(t, f)
		conn, err := sdktest.Connect(Plugin("test"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if r := sdktest.Check(t.Context(), conn, sdktest.Options{Config: configOf(s, "/team", staticKeys)}); !r.OK() {
			t.Errorf("%s: %s", name, r)
		}
	}
}

func TestConfigurations(t *testing.T) {
	t.Parallel()
	keys := `","username":"a","password":"b"}`
	for url, want := range map[string]string{
		"https://123456789012.dkr.ecr.eu-central-1.amazonaws.com":       "123456789012 eu-central-1 https://api.ecr.eu-central-1.amazonaws.com",
		"https://123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn":      "123456789012 cn-north-1 https://api.ecr.cn-north-1.amazonaws.com.cn",
		"https://123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com": "123456789012 us-gov-west-1 https://ecr-fips.us-gov-west-1.amazonaws.com",
		"https://123456789012.dkr-ecr.eu-west-1.on.aws/team":            "123456789012 eu-west-1 https://ecr.eu-west-1.api.aws",
	} {
		c, err := readConfig(sdk.Config(`{"url":"` + url + keys))
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got := c.Account + " " + c.Region + " " + c.api.String(); got != want {
			t.Errorf("%s is %s, want %s", url, got, want)
		}
	}
	good := `{"url":"https://123456789012.dkr.ecr.eu-central-1.amazonaws.com"`
	for cfg, want := range map[string]string{
		`{}`:                                    "url:",
		`{"url":"https://ecr.example` + keys:    "`account`",
		`{"url":"https://public.ecr.aws` + keys: "public.ecr.aws does not tell",
		good + `}`:                              "instance_role",
		good + `,"username":"AKID"}`:            "set both",
		good + `,"instance_role":true,"username":"AKID","password":"hunter2"}`: "excludes",
	} {
		_, err := New().Credential(t.Context(), sdk.Config(cfg), "a/b")
		if !errors.Is(err, sdk.ErrInvalid) || !strings.Contains(fmt.Sprint(err), want) || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v", cfg, err)
		}
	}
}

const action = `{"version":"0","id":"13cde686","detail-type":"ECR Image Action","source":"aws.ecr","account":"123456789012","region":"eu-central-1",
	"resources":[],"detail":{"result":"SUCCESS","repository-name":"team/web","image-digest":"%s","action-type":"PUSH","image-tag":"1.0"}}`

func TestDecodePush(t *testing.T) {
	t.Parallel()
	body := fmt.Sprintf(action, registrytest.Digest(5))
	tests := map[string]struct {
		body, secret string
		want         []sdk.Push
		err          error
	}{
		"a push":       {body, "Bearer s", []sdk.Push{{Repository: "team/web", Tag: "1.0", Digest: registrytest.Digest(5)}}, nil},
		"a deletion":   {strings.Replace(body, "PUSH", "DELETE", 1), "s", nil, nil},
		"a scan":       {strings.Replace(body, "Image Action", "Image Scan", 1), "s", nil, nil},
		"no event":     {`{}`, "s", nil, sdk.ErrInvalid},
		"wrong secret": {body, "x", nil, sdk.ErrUnauthorized},
	}
	cfg := sdk.Config(`{"url":"https://123456789012.dkr.ecr.eu-central-1.amazonaws.com","username":"a","password":"b","webhook_secret":"s"}`)
	for name, tt := range tests {
		got, err := New().DecodePush(t.Context(), cfg, sdk.PushEvent{Body: []byte(tt.body), Headers: map[string]string{"Authorization": tt.secret}})
		if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
			t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func FuzzDecodePush(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(action, registrytest.Digest(5))))
	f.Fuzz(func(t *testing.T, body []byte) {
		pushes, err := decodePush(sdk.PushEvent{Body: body})
		if err != nil && !errors.Is(err, sdk.ErrInvalid) && !errors.Is(err, sdk.ErrLimit) {
			t.Errorf("an error without a kind: %v", err)
		}
		for _, p := range pushes {
			if p.Repository == "" || p.Tag == "" && p.Digest == "" {
				t.Errorf("a push of nothing: %+v", p)
			}
		}
	})
}
