package admission

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/policy"
)

// reviewOf is an AdmissionReview; group is that of the kind.
func reviewOf(operation, group, kind, subresource, object, old string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","kind":{"group":%q,"version":"v1","kind":%q},
		"resource":{"group":%q,"version":"v1","resource":"x"},"subResource":%q,"operation":%q,"namespace":"prod","name":"web","dryRun":true,
		"userInfo":{"username":"dev"},"object":%s,"oldObject":%s,"options":{}}}`, group, kind, group, subresource, operation, object, old)
}

const (
	podSpecJSON = `{"initContainers":[{"name":"i","image":"init:1"}],"containers":[{"name":"c","image":"app:1","ports":[{"containerPort":80}]}],
		"ephemeralContainers":[{"name":"e","image":"debug:1"}],"volumes":[]}`
	podJSON      = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":` + podSpecJSON + `,"status":{}}`
	templateJSON = `{"metadata":{"labels":{}},"spec":` + podSpecJSON + `}`
)

func TestParseReviewFindsContainersInEveryWorkload(t *testing.T) {
	t.Parallel()
	withTemplate := `{"spec":{"replicas":1,"selector":{},"template":` + templateJSON + `}}`
	for kind, object := range map[groupKind]string{
		{"", "Pod"}:                               podJSON,
		{"", "PodTemplate"}:                       `{"template":` + templateJSON + `}`,
		{"", "ReplicationController"}:             withTemplate,
		{"apps", "DaemonSet"}:                     withTemplate,
		{"apps", "Deployment"}:                    withTemplate,
		{"apps", "ReplicaSet"}:                    withTemplate,
		{"apps", "StatefulSet"}:                   withTemplate,
		{"apps.openshift.io", "DeploymentConfig"}: withTemplate,
		{"batch", "Job"}:                          withTemplate,
		{"batch", "CronJob"}:                      `{"spec":{"schedule":"@daily","jobTemplate":{"spec":{"template":` + templateJSON + `}}}}`,
	} {
		t.Run(kind.Kind, func(t *testing.T) {
			t.Parallel()
			got, err := ParseReview(reviewOf("CREATE", kind.Group, kind.Kind, "", object, "null"))
			want := Request{
				UID: "u1", Operation: "CREATE", Kind: kind.Kind, Namespace: "prod", Name: "web", User: "dev", DryRun: true,
				Containers: []Container{
					{"i", policy.InitContainers, "init:1"}, {"c", policy.Containers, "app:1"}, {"e", policy.EphemeralContainers, "debug:1"},
				},
			}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
	if len(carriers()) != 10 {
		t.Error("a kind is not tested")
	}
}

func TestParseReviewNotesWhatStartsNoContainer(t *testing.T) {
	t.Parallel()
	for name, body := range map[string][]byte{
		"a config map":         reviewOf("CREATE", "", "ConfigMap", "", `{"data":{"spec":"x"}}`, "null"),
		"a kind of ours":       reviewOf("CREATE", "example.com", "Deployment", "", podJSON, "null"),
		"a deletion":           reviewOf("DELETE", "", "Pod", "", "null", podJSON),
		"an exec":              reviewOf("CONNECT", "", "PodExecOptions", "exec", `{}`, "null"),
		"a status":             reviewOf("UPDATE", "", "Pod", "status", podJSON, podJSON),
		"a scale":              reviewOf("UPDATE", "autoscaling", "Scale", "scale", `{"spec":{"replicas":2}}`, `{}`),
		"a binding":            reviewOf("CREATE", "", "Binding", "binding", `{}`, "null"),
		"an unknown operation": reviewOf("PATCH", "", "Pod", "", podJSON, "null"),
	} {
		got, err := ParseReview(body)
		if err != nil || got.Note == "" || len(got.Containers) > 0 || got.UID != "u1" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestParseReviewOfAnUpdate(t *testing.T) {
	t.Parallel()
	old := strings.Replace(podJSON, "debug:1", "debug:0", 1)
	got, err := ParseReview(reviewOf("UPDATE", "", "Pod", "ephemeralcontainers", podJSON, old))
	if err != nil || len(got.Containers) != 3 || len(got.Previous) != 3 || got.Previous[2].Image != "debug:0" {
		t.Errorf("%+v, %v", got, err)
	}
	without, err := ParseReview(reviewOf("UPDATE", "", "Pod", "", podJSON, "null"))
	if err != nil || len(without.Containers) != 3 || len(without.Previous) != 0 {
		t.Errorf("%+v, %v", without, err)
	}
}

func TestParseReviewRefuses(t *testing.T) {
	t.Parallel()
	valid := string(reviewOf("CREATE", "", "Pod", "", podJSON, "null"))
	replaced := func(old, with string) string {
		if !strings.Contains(valid, old) {
			t.Fatalf("%q is not in the review", old)
		}
		return strings.Replace(valid, old, with, 1)
	}
	many := `{"spec":{"containers":[` + strings.Repeat(`{"image":"a"},`, MaxContainers) + `{"image":"a"}]}}`
	for name, tt := range map[string]struct {
		body string
		want fault.Kind
	}{
		"nothing":               {"", fault.Invalid},
		"no json":               {"hello", fault.Invalid},
		"half of it":            {valid[:len(valid)/2], fault.Invalid},
		"something after":       {valid + "{}", fault.Invalid},
		"a list":                {"[" + valid + "]", fault.Invalid},
		"null":                  {"null", fault.Invalid},
		"another version":       {replaced("admission.k8s.io/v1", "admission.k8s.io/v1beta1"), fault.Invalid},
		"another kind":          {replaced("AdmissionReview", "Review"), fault.Invalid},
		"no version":            {replaced(`"apiVersion":"admission.k8s.io/v1",`, ""), fault.Invalid},
		"no request":            {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`, fault.Invalid},
		"an answer":             {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u1"}}`, fault.Invalid},
		"no uid":                {replaced(`"uid":"u1"`, `"uid":""`), fault.Invalid},
		"no operation":          {replaced(`"operation":"CREATE"`, `"operation":""`), fault.Invalid},
		"no object":             {string(reviewOf("CREATE", "", "Pod", "", "null", "null")), fault.Invalid},
		"an object of text":     {string(reviewOf("CREATE", "", "Pod", "", `"pod"`, "null")), fault.Invalid},
		"containers of numbers": {string(reviewOf("CREATE", "", "Pod", "", `{"spec":{"containers":[1]}}`, "null")), fault.Invalid},
		"an old object of text": {string(reviewOf("UPDATE", "", "Pod", "", podJSON, `"pod"`)), fault.Invalid},
		"deep":                  {string(reviewOf("CREATE", "", "Pod", "", `{"metadata":`+strings.Repeat(`{"a":`, 20000)+"1"+strings.Repeat("}", 20001), "null")), fault.Invalid},
		"large":                 {valid + strings.Repeat(" ", MaxReview), fault.TooLarge},
		"many containers":       {string(reviewOf("CREATE", "", "Pod", "", many, "null")), fault.TooLarge},
	} {
		if got, err := ParseReview([]byte(tt.body)); err == nil || fault.KindOf(err) != tt.want {
			t.Errorf("%s: %+v, %v; want %s", name, got, err, tt.want)
		}
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", maxMessageBytes)
	d := Decision{
		Message: long, Rule: &policy.Hit{Rule: policy.Rule{ID: 1000}},
		Warnings: append([]string{long}, make([]string, maxWarnings)...),
	}
	encode := func(d Decision) (out reviewOut) {
		body, err := json.Marshal(Answer(Request{UID: "u1"}, d))
		if err == nil {
			err = json.Unmarshal(body, &out)
		}
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	got := encode(d)
	switch r := got.Response; {
	case got.APIVersion != "admission.k8s.io/v1" || got.Kind != "AdmissionReview" || r.UID != "u1" || r.Allowed:
		t.Errorf("%+v", got)
	case r.Status.Code != 403 || len(r.Status.Message) > maxMessageBytes || strings.ContainsRune(r.Status.Message, '\ufffd'):
		t.Errorf("status %d with %d bytes", r.Status.Code, len(r.Status.Message))
	case len(r.Warnings) != maxWarnings || len(r.Warnings[0]) > maxWarningBytes || r.AuditAnnotations["rule"] != "1000":
		t.Errorf("%d warnings, %v", len(r.Warnings), r.AuditAnnotations)
	}
	allowed := encode(Decision{Allowed: true, Message: "allowed"})
	want := reviewOut{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview", Response: responseOut{UID: "u1", Allowed: true}}
	if diff := cmp.Diff(want, allowed); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseReview(f *testing.F) {
	f.Add(reviewOf("CREATE", "", "Pod", "", podJSON, "null"))
	f.Add(reviewOf("UPDATE", "apps", "Deployment", "", `{"spec":{"template":null}}`, `{"spec":{"template":{"spec":{}}}}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}`))
	w := newWorld()
	w.rules = []policy.Rule{denial(1000, "imageScanned", "=", "false")}
	s := w.service(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := ParseReview(body)
		if err != nil {
			return
		}
		d, err := s.Review(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(Answer(req, d)); err != nil {
			t.Fatal(err)
		}
		if len(d.Containers) != len(req.Containers) || !d.Allowed && (d.Rule == nil || d.Message == "") {
			t.Fatalf("%+v", d)
		}
	})
}
