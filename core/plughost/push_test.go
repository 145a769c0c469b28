package plughost

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/registryhttp"
)

func TestPushesReachTheirPlugin(t *testing.T) {
	t.Parallel()
	r := builtinHost(t).Registries(registryhttp.NewHosts(time.Now))
	reg := model.Registry{
		Name: "shop", Type: "gitlab", URL: "https://registry.example", SecretSettings: map[string]model.Secret{"webhook_secret": `"s3cret"`},
	}
	body := []byte(`{"events":[{"action":"push","target":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + someDigest +
		`","repository":"group/web","tag":"v1"}}]}`)
	pushes, err := r.DecodePush(t.Context(), reg, model.PushEvent{Body: body, Headers: map[string]string{"Authorization": "s3cret"}})
	if diff := cmp.Diff([]model.Push{{Repository: "group/web", Tag: "v1", Digest: someDigest}}, pushes); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for what, tt := range map[string]struct {
		body, secret string
		want         fault.Kind
	}{
		"wrong signature": {string(body), "guess", fault.Denied},
		"no signature":    {string(body), "", fault.Denied},
		"not JSON":        {"{", "s3cret", fault.Invalid},
	} {
		_, err := r.DecodePush(t.Context(), reg, model.PushEvent{Body: []byte(tt.body), Headers: map[string]string{"Authorization": tt.secret}})
		if fault.KindOf(err) != tt.want {
			t.Errorf("%s: %v (%s)", what, err, fault.KindOf(err))
		}
	}
	frugal := frugalHost(t)
	if _, err := frugal.DecodePush(t.Context(), model.Registry{Type: "frugal", URL: "https://r.example"}, model.PushEvent{}); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("a plugin that tells of none: %v", err)
	}
}
