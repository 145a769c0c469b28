package notification

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/plugins/sdk"
)

const (
	digest   = "sha256:bf40b1f4809238899bf9adc49913c48c4f8d4a9d48c6c701242c795dbd542b20"
	envelope = `{"events":[
	{"id":"1","action":"push","target":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + digest + `","repository":"a/b","tag":"1"}},
	{"id":"2","action":"push","target":{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"` + digest + `","repository":"a/b"}},
	{"id":"3","action":"push","target":{"mediaType":"application/octet-stream","digest":"` + digest + `","repository":"a/b"}},
	{"id":"4","action":"pull","target":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + digest + `","repository":"a/b"}},
	{"id":"5","action":"push","target":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + digest + `","repository":"a/b","tag":"sha256-bf40b1f4809238899bf9adc49913c48c4f8d4a9d48c6c701242c795dbd542b20.sig"}}]}`
)

func TestDistribution(t *testing.T) {
	t.Parallel()
	got, err := Distribution(sdk.PushEvent{Body: []byte(envelope)})
	want := []sdk.Push{{Repository: "a/b", Tag: "1", Digest: digest}, {Repository: "a/b", Digest: digest}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	one := `{"action":"push","target":{"mediaType":"x.manifest","digest":"` + digest + `","repository":"a","tag":"1"}}`
	for body, want := range map[string]error{
		`{"events":[]}`: nil, `{}`: sdk.ErrInvalid, `x`: sdk.ErrInvalid,
		`{"events":[` + strings.Replace(one, `"a"`, `"A B"`, 1) + `]}`:     sdk.ErrInvalid,
		`{"events":[` + strings.Replace(one, digest, "sha256:1", 1) + `]}`: sdk.ErrInvalid,
		`{"events":[` + strings.Repeat(one+",", maxPushes) + one + `]}`:    sdk.ErrLimit,
		`{"events":[],"x":"` + strings.Repeat("x", maxBody) + `"}`:         sdk.ErrLimit,
	} {
		if _, err := Distribution(sdk.PushEvent{Body: []byte(body)}); !errors.Is(err, want) {
			t.Errorf("%.80s: %v", body, err)
		}
	}
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	tests := []struct {
		secret, sent string
		ok           bool
	}{{"", "", true}, {"", "x", true}, {"s", "s", true}, {"s", "Bearer s", true}, {"s", "bearer s", true}, {"s", "", false}, {"s", "Bearer", false}, {"s", "Basic s", false}, {"s", "S", false}}
	for _, tt := range tests {
		err := Authorize(sdk.PushEvent{Headers: map[string]string{"Authorization": tt.sent}}, tt.secret)
		if tt.ok != (err == nil) || err != nil && !errors.Is(err, sdk.ErrUnauthorized) || tt.secret == "secret" && strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func FuzzDistribution(f *testing.F) {
	f.Add([]byte(envelope))
	f.Add([]byte(`{"events":[{"action":"push","target":{"mediaType":"manifest"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		pushes, err := Distribution(sdk.PushEvent{Body: body})
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
