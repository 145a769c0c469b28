package cmd_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/muster-sec/muster/core/httpapi/api"
)

func (f *fake) registryRoutes(mux *http.ServeMux) {
	f.handle(mux, "GET /registries", "", func(*http.Request) (int, any) { return 200, listOf(f.registries) })
	f.handle(mux, "POST /registries", "write", func(r *http.Request) (int, any) {
		var in api.Registry
		if err := decode(r, &in); err != nil {
			return 400, refusal("Bad request", err.Error())
		}
		if f.registry(in.Name) != nil {
			return 409, refusal("Conflict", "there is a registry "+in.Name+" already")
		}
		in.HasPassword, in.HasToken, in.Password, in.Token = in.Password == "registry pw", in.Token != "", "", ""
		in.Origin, in.State = "local", "idle"
		f.registries = append(f.registries, in)
		return 201, in
	})
	f.handle(mux, "GET /registries/{name}", "", func(r *http.Request) (int, any) {
		if found := f.registry(r.PathValue("name")); found != nil {
			return 200, *found
		}
		return 404, refusal("Object not found", "there is no registry "+r.PathValue("name"))
	})
	f.handle(mux, "PATCH /registries/{name}", "write", func(r *http.Request) (int, any) {
		stored := f.registry(r.PathValue("name"))
		if stored == nil {
			return 404, refusal("Object not found", "there is no registry "+r.PathValue("name"))
		}
		if err := decode(r, stored); err != nil {
			return 400, refusal("Bad request", err.Error())
		}
		sealSettings(stored)
		stored.HasPassword, stored.Password = stored.HasPassword || stored.Password == "registry pw", ""
		return 200, *stored
	})
	f.handle(mux, "DELETE /registries/{name}", "write", func(r *http.Request) (int, any) {
		f.registries = slices.DeleteFunc(f.registries, func(x api.Registry) bool { return x.Name == r.PathValue("name") })
		return 204, nil
	})
	f.handle(mux, "POST /registry-test", "write", func(r *http.Request) (int, any) {
		var in api.Registry
		if err := decode(r, &in); err != nil {
			return 400, refusal("Bad request", err.Error())
		}
		return 200, f.diagnosisOf(in)
	})
	f.handle(mux, "POST /registries/{name}/test", "write", func(*http.Request) (int, any) { return 200, f.diagnosis() })
	f.handle(mux, "POST /registries/{name}/push-key", "write", func(r *http.Request) (int, any) {
		return 201, api.PushAddress{Path: "/api/v1/registries/" + r.PathValue("name") + "/push/K3Y"}
	})
	f.handle(mux, "DELETE /registries/{name}/push-key", "write", func(*http.Request) (int, any) { return 204, nil })
	f.handle(mux, "POST /registries/{name}/scan", "write", func(r *http.Request) (int, any) {
		f.polls = 0
		f.run = api.Run{ID: 5, Registry: r.PathValue("name"), Trigger: "manual", State: "listing", StartedAt: today()}
		return 202, f.run
	})
	f.handle(mux, "DELETE /registries/{name}/scan", "write", func(*http.Request) (int, any) { return 204, nil })
	f.handle(mux, "GET /registries/{name}/runs/{id}", "", func(r *http.Request) (int, any) {
		if r.PathValue("id") != strconv.FormatInt(f.run.ID, 10) {
			return 404, refusal("Object not found", "no such run")
		}
		return 200, f.poll()
	})
}

// sealSettings does what the daemon does with secret settings.
func sealSettings(r *api.Registry) {
	for name, value := range r.Settings {
		if strings.Contains(name, "secret") {
			r.SecretSettings = append(r.SecretSettings, name)
		}
		if value == nil || strings.Contains(name, "secret") {
			delete(r.Settings, name)
		}
	}
}

// diagnosisOf is that of every registry, unless it has other filters than shop.
func (f *fake) diagnosisOf(r api.Registry) any {
	if slices.Equal(r.Filters, []string{"web:*"}) || len(r.Filters) == 0 {
		return f.diagnosis()
	}
	step := api.DiagnosisStep{Name: "select", OK: true, Detail: "0 of 3 repositories match"}
	if r.Filters[0] == "none" {
		step.Warning, step.Hint = "no repository matches the filters", "the registry has for instance web"
	} else {
		step.Detail = "1 of 3 repositories match; 2 of 2 tags looked at in 1 of them: web:1, web:2"
	}
	return listOf([]api.DiagnosisStep{{Name: "connect", OK: true, Detail: r.URL}, step})
}

// poll moves the run on: a registry called "broken" fails, others finish; one
// called "empty" has nothing that matches.
func (f *fake) poll() api.Run {
	f.polls++
	f.run.State, f.run.Listed = "scanning", 10
	f.run.Scanned = min(6, 3*f.polls)
	f.run.ExpectedAt, f.run.WaitingUntil, f.run.WaitingFor = today().Add(5*time.Minute), time.Time{}, ""
	if f.polls < 3 {
		if f.polls == 2 {
			f.run.WaitingUntil, f.run.WaitingFor = today().Add(time.Minute), "HTTP 429"
		}
		return f.run
	}
	f.run.ExpectedAt = time.Time{}
	f.run.FinishedAt = today().Add(42 * time.Second)
	f.run.State, f.run.Unchanged, f.run.Unsupported, f.run.Failed = "done", 2, 1, 1
	if f.run.Registry == "empty" {
		f.run.Listed, f.run.Scanned, f.run.Unchanged, f.run.Unsupported, f.run.Failed = 0, 0, 0, 0, 0
		f.run.Warning = "nothing matches the filters"
	}
	if f.run.Registry == "broken" {
		f.run.State, f.run.Error = "failed", "the registry answered 500 to the second page"
	}
	return f.run
}

func (f *fake) registry(name string) *api.Registry {
	i := slices.IndexFunc(f.registries, func(r api.Registry) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return &f.registries[i]
}

func (f *fake) diagnosis() api.List[api.DiagnosisStep] {
	return listOf([]api.DiagnosisStep{
		{Name: "connect", OK: true, Detail: "registry.example:5000 over TLS 1.3"},
		{Name: "authenticate", Detail: "the registry answered 401", Hint: "check --username and --password-file"},
	})
}

func (f *fake) imageRoutes(mux *http.ServeMux) {
	f.handle(mux, "GET /images", "", f.listImages)
	f.handle(mux, "GET /images/{digest}", "", func(r *http.Request) (int, any) {
		i := slices.IndexFunc(sampleImages(), func(i api.Image) bool { return i.Digest == r.PathValue("digest") })
		if i < 0 {
			return 404, refusal("Object not found", "no such image")
		}
		return 200, api.ImageReport{
			Image: sampleImages()[i], Verdicts: []api.Verdict{},
			Packages: []api.Package{{Name: "openssl", Version: "3.0.1", Type: "deb"}},
			Findings: []api.Finding{{
				ID: "CVE-2026-0001", Severity: "critical", Package: "openssl", Installed: "3.0.1", Fixed: "3.0.2", Source: "scan",
				Title: "A title that goes on for longer than any table line should have to bear it", InBase: true,
			}},
			User: "www", Base: &api.BaseImage{Name: "registry.example/base/debian:12", Evidence: "layers", Layers: 2},
			Gaps:     []api.Gap{{Stream: "conda", Packages: 3, Reason: "which no advisories are known for"}},
			Problems: []api.FileProblem{{Path: "opt/huge.jar", Analyzer: "jar", Reason: "larger than 96 MiB"}},
			Secrets:  []api.Sighting{{Path: "srv/.env", Line: 3, Rule: "github-pat", Title: "GitHub token", Evidence: "ghp_****", Deleted: true}},
			Checks: []api.Check{
				{ID: "I.4.1", Level: "PASS", Description: "a user"}, {ID: "I.4.6", Level: "WARN", Description: "a health check", Messages: []string{"there is none"}},
			},
		}
	})
	f.handle(mux, "GET /images/{digest}/verdict", "", func(r *http.Request) (int, any) {
		if r.PathValue("digest") != digestA {
			return 425, refusal("Not known yet", "the image was not scanned yet")
		}
		return 200, listOf([]api.Verdict{{
			Digest: digestA, Source: "scan", Origin: "local", Counts: api.Counts{Critical: 1, High: 2}, RunAsRoot: true,
			ScannedAt: today().Add(-time.Hour), FindingsKnown: true,
			DB: api.DBVersion{Revision: "rev-7", UpdatedAt: today().Add(-29 * 24 * time.Hour), Stale: true},
		}})
	})
	f.handle(mux, "POST /results", "", func(r *http.Request) (int, any) {
		f.submitted, _ = io.ReadAll(r.Body)
		q := r.URL.Query()
		receipt := api.Receipt{
			ID: 9, Digest: q.Get("digest"), Reference: q.Get("reference"), Format: q.Get("format"), Tool: "Trivy", ToolVersion: "0.60",
			DocumentHash: "sha256:0123", Packages: 41, Counts: api.Counts{High: 2, Low: 1}, Warnings: []string{"one package has no version"},
		}
		if receipt.Format == "" {
			receipt.Format = "trivy"
		}
		return 201, receipt
	})
	f.handle(mux, "GET /results", "", func(*http.Request) (int, any) {
		return 200, listOf([]api.CIResult{{
			ID: 9, Digest: digestA, Reference: "registry.example/shop/web:1", Format: "trivy", Tool: "Trivy", Job: "build",
			PostedBy: "ci", PostedAt: today().Add(-time.Minute), Counts: api.Counts{High: 2},
		}})
	})
}

func sampleImages() []api.Image {
	return []api.Image{
		{
			Digest: digestA, Names: []string{"registry.example/shop/web:1", "registry.example/shop/web:latest"}, Origin: "local",
			Platform: "linux/amd64", OS: "debian 12", Status: "finished", Counts: api.Counts{Critical: 1, High: 2},
			Sources: []string{"scan", "ci"}, ScannedAt: today().Add(-time.Hour), DB: api.DBVersion{Revision: "rev-7", UpdatedAt: today().Add(-30 * time.Hour)},
		},
		{Digest: digestB, Names: []string{"registry.example/shop/multi:1"}, Platform: "linux/amd64", Status: "finished", Origin: "local"},
		{Digest: digestC, Names: []string{"registry.example/shop/multi:1"}, Platform: "linux/arm64", Status: "failed", Origin: "local"},
	}
}

// listImages gives pages of two images.
func (f *fake) listImages(r *http.Request) (int, any) {
	q := r.URL.Query()
	var found []api.Image
	for _, i := range sampleImages() {
		if q.Get("status") != "" && i.Status != q.Get("status") {
			continue
		}
		if strings.Contains(strings.Join(i.Names, " "), q.Get("q")) {
			found = append(found, i)
		}
	}
	from, _ := strconv.Atoi(q.Get("cursor"))
	size := 2
	if n, err := strconv.Atoi(q.Get("limit")); err == nil {
		size = min(size, n)
	}
	to := min(len(found), from+size)
	page := listOf(found[from:to])
	if to < len(found) {
		page.Next = strconv.Itoa(to)
	}
	return 200, page
}

func (f *fake) admissionRoutes(mux *http.ServeMux) {
	f.handle(mux, "GET /rules", "", func(r *http.Request) (int, any) {
		scope := r.URL.Query().Get("scope")
		found := slices.DeleteFunc(slices.Clone(f.rules), func(r api.Rule) bool {
			return scope != "" && (r.CfgType == "federal") != (scope == "fed")
		})
		return 200, listOf(found)
	})
	f.handle(mux, "POST /rules", "write", func(r *http.Request) (int, any) {
		var in api.Rule
		if err := decode(r, &in); err != nil || len(in.Criteria) == 0 {
			return 400, refusal("Bad request", "a rule needs a criterion")
		}
		if in.ID == 0 {
			in.ID = f.nextRule
			f.nextRule++
		}
		f.rules = append(f.rules, in)
		return 201, in
	})
	f.handle(mux, "GET /rules/{id}", "", func(r *http.Request) (int, any) {
		if i := f.rule(r); i >= 0 {
			return 200, f.rules[i]
		}
		return 404, refusal("Object not found", "there is no rule "+r.PathValue("id"))
	})
	f.handle(mux, "PUT /rules/{id}", "write", func(r *http.Request) (int, any) {
		var in api.Rule
		i := f.rule(r)
		if err := decode(r, &in); err != nil || i < 0 {
			return 400, refusal("Bad request", "no such rule, or not a rule")
		}
		f.rules[i] = in
		return 200, in
	})
	f.handle(mux, "DELETE /rules/{id}", "write", func(r *http.Request) (int, any) {
		if i := f.rule(r); i >= 0 {
			f.rules = slices.Delete(f.rules, i, i+1)
			return 204, nil
		}
		return 404, refusal("Object not found", "there is no rule "+r.PathValue("id"))
	})
	f.handle(mux, "GET /admission/state", "", func(*http.Request) (int, any) { return 200, f.state })
	f.handle(mux, "PUT /admission/state", "write", func(r *http.Request) (int, any) {
		if err := decode(r, &f.state); err != nil {
			return 400, refusal("Bad request", err.Error())
		}
		return 200, f.state
	})
	f.handle(mux, "POST /admission/review", "", f.review)
}

func (f *fake) rule(r *http.Request) int {
	return slices.IndexFunc(f.rules, func(x api.Rule) bool { return strconv.FormatUint(uint64(x.ID), 10) == r.PathValue("id") })
}

// review denies whatever lies in the namespace "prod".
func (f *fake) review(r *http.Request) (int, any) {
	var in struct {
		Kind    string `json:"kind"`
		Request struct {
			Namespace string          `json:"namespace"`
			Resource  json.RawMessage `json:"resource"`
		} `json:"request"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Kind != "AdmissionReview" {
		return 400, refusal("Bad request", "not an AdmissionReview")
	}
	hit := &api.RuleHit{
		ID: 1001, CfgType: "user_created", RuleType: "deny", Mode: "protect", Comment: "no critical findings",
		Because: []string{"cveCriticalCount >= 1: 1 seen"}, CVEs: []string{"CVE-2026-0001"},
	}
	d := api.Decision{
		Allowed: true, Message: "no rule denies", Warnings: []string{"resource " + string(in.Request.Resource)},
		Containers: []api.ContainerDecision{{
			Name: "web", Kind: "containers", Image: "registry.example/shop/web:1", Allowed: true,
			Results: []api.Verdict{{Digest: digestA, Origin: "local", Source: "scan", Counts: api.Counts{Critical: 1, High: 2}}},
			Trace:   []api.RuleStep{{ID: 1001, Outcome: "no match", Why: []string{"namespace is not prod"}}},
		}},
	}
	if in.Request.Namespace == "prod" {
		d.Allowed, d.Message, d.Rule = false, "rule 1001 denies web", hit
		d.Containers[0].Allowed, d.Containers[0].Rule = false, hit
	}
	return 200, api.ReviewAnswer{Review: map[string]any{"kind": "AdmissionReview"}, Decision: d}
}
