package registry_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	good := model.Registry{Name: "shop", Type: "oci", URL: "https://registry.example:5000/", Schedule: "30 2 * * *", Filters: []string{"shop/*:v?.*"}, Platforms: []string{"linux/arm64/v8"}}
	tests := map[string]struct {
		change func(*model.Registry)
		want   string // part of the message; empty: accepted
	}{
		"all good":            {func(*model.Registry) {}, ""},
		"no name":             {func(r *model.Registry) { r.Name = "" }, "name of a registry"},
		"name with slash":     {func(r *model.Registry) { r.Name = "a/b" }, "name of a registry"},
		"name too long":       {func(r *model.Registry) { r.Name = strings.Repeat("a", 65) }, "name of a registry"},
		"name begins badly":   {func(r *model.Registry) { r.Name = ".a" }, "name of a registry"},
		"unknown type":        {func(r *model.Registry) { r.Type = "ftp" }, "no registry type"},
		"no scheme":           {func(r *model.Registry) { r.URL = "registry.example" }, "https://"},
		"other scheme":        {func(r *model.Registry) { r.URL = "ftp://registry.example" }, "https://"},
		"no host":             {func(r *model.Registry) { r.URL = "https://" }, "no host"},
		"unreadable URL":      {func(r *model.Registry) { r.URL = "https://a:hunter2@ b" }, "cannot be parsed"},
		"credentials in URL":  {func(r *model.Registry) { r.URL = "https://a:hunter2@registry.example" }, "holds credentials"},
		"query in URL":        {func(r *model.Registry) { r.URL = "https://registry.example?x=1" }, "query"},
		"cron with four":      {func(r *model.Registry) { r.Schedule = "1 2 3 4" }, "cannot be understood"},
		"cron out of range":   {func(r *model.Registry) { r.Schedule = "61 * * * *" }, "cannot be understood"},
		"never happens":       {func(r *model.Registry) { r.Schedule = "0 0 30 2 *" }, "never happens"},
		"too often":           {func(r *model.Registry) { r.Schedule = "@every 5s" }, "faster than"},
		"interval":            {func(r *model.Registry) { r.Schedule = "@every 90m" }, ""},
		"zone":                {func(r *model.Registry) { r.Schedule = "CRON_TZ=Europe/Berlin 0 4 * * *" }, ""},
		"unknown zone":        {func(r *model.Registry) { r.Schedule = "CRON_TZ=Mars/Base 0 4 * * *" }, "cannot be understood"},
		"filter without repo": {func(r *model.Registry) { r.Filters = []string{":v1"} }, "filter"},
		"filter without tag":  {func(r *model.Registry) { r.Filters = []string{"shop/web:"} }, "filter"},
		"filter by digest":    {func(r *model.Registry) { r.Filters = []string{"shop/web@sha256:ab"} }, "filter"},
		"filter too long":     {func(r *model.Registry) { r.Filters = []string{strings.Repeat("a", 600)} }, "at most"},
		"platform":            {func(r *model.Registry) { r.Platforms = []string{"amd64"} }, "platform"},
		"CA is no PEM":        {func(r *model.Registry) { r.CACert = "hello" }, "PEM"},
		"CA with its key":     {func(r *model.Registry) { r.CACert = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" }, "PRIVATE KEY"},
		"too many filters":    {func(r *model.Registry) { r.Filters = many(1001) }, "at most"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{})
			r := good
			test.change(&r)
			err := h.Add(t.Context(), model.System(), r)
			if test.want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			kind := fault.KindOf(err)
			if kind != fault.Invalid && kind != fault.TooLarge || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v (%v), want one that says %q", err, kind, test.want)
			}
			if err != nil && strings.Contains(err.Error()+fault.HintOf(err), "hunter2") {
				t.Errorf("the message shows a password: %v", err)
			}
		})
	}
}

func many(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = strings.Repeat("a", 1+i%50) + strings.Repeat("b", 1+i/50)
	}
	return list
}

func TestFederatedRegistriesBelongToThePrimary(t *testing.T) {
	t.Parallel()
	tests := []struct {
		role    model.ClusterRole
		actor   model.Role
		name    string
		allowed bool
	}{
		{model.Standalone, model.RoleFedAdmin, "fed.shop", false},
		{model.Standalone, model.RoleAdmin, "shop", true},
		{model.Primary, model.RoleAdmin, "fed.shop", false},
		{model.Primary, model.RoleFedReader, "fed.shop", false},
		{model.Primary, model.RoleFedAdmin, "fed.shop", true},
		{model.Managed, model.RoleFedAdmin, "fed.shop", false},
		{model.Managed, model.RoleAdmin, "shop", true},
	}
	for _, test := range tests {
		t.Run(string(test.role)+"/"+string(test.actor)+"/"+test.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{membership: model.Membership{Role: test.role}})
			actor := model.Actor{Name: "somebody", Role: test.actor, Source: model.AccountLocal}
			r := model.Registry{Name: test.name, Type: "oci", URL: "https://registry.example"}
			check := func(what string, err error) {
				t.Helper()
				if denied := fault.KindOf(err) == fault.Denied; denied == test.allowed {
					t.Errorf("%s: %v", what, err)
				}
				if !test.allowed && fault.HintOf(err) == "" {
					t.Errorf("%s: refused without a next step: %v", what, err)
				}
			}
			check("add", h.Add(t.Context(), actor, r))
			check("update", h.Update(t.Context(), actor, r))
			_, err := h.Scan(t.Context(), actor, test.name)
			check("scan", err)
			check("stop", h.Stop(t.Context(), actor, test.name))
			check("remove", h.Remove(t.Context(), actor, test.name))
			events, _, err := h.store.AuditEvents(t.Context(), "", 10)
			if err != nil || len(events) != 5 || events[0].Actor != "somebody" || (events[0].Outcome == "ok") != test.allowed {
				t.Errorf("audit trail %+v, error %v", events, err)
			}
		})
	}
}

func TestSecretsAreSealedKeptAndNeverFollowAnAddress(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	r := model.Registry{Name: "shop", Type: "oci", URL: "https://registry.example", Username: "u", Password: "correct horse"}
	h.add(t, r)
	if err := h.Add(t.Context(), model.System(), r); fault.KindOf(err) != fault.Conflict {
		t.Errorf("adding it twice: %v, want a conflict", err)
	}
	for _, suffix := range []string{"", "-wal"} {
		body, err := os.ReadFile(h.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(body, []byte("correct horse")) {
			t.Errorf("muster.db%s shows the password", suffix)
		}
	}

	change := r
	change.Password, change.Filters = "", []string{"shop/*"}
	if err := h.Update(t.Context(), model.System(), change); err != nil {
		t.Fatal(err)
	}
	st, err := h.Get(t.Context(), "shop")
	if err != nil || st.Password.Reveal() != "correct horse" || len(st.Filters) != 1 {
		t.Errorf("after a change without a password: %+v, error %v", st, err)
	}
	change.URL = "https://elsewhere.example"
	if err := h.Update(t.Context(), model.System(), change); fault.KindOf(err) != fault.Invalid {
		t.Errorf("moving without credentials: %v, want them asked for", err)
	}
	if _, err := h.Test(t.Context(), model.System(), change); fault.KindOf(err) != fault.Invalid {
		t.Errorf("testing elsewhere with the kept password: %v, want it asked for", err)
	}
	change.Password = "right"
	steps, err := h.Test(t.Context(), model.System(), change)
	if err != nil || len(steps) != 1 || !steps[0].OK {
		t.Errorf("test with a password of its own: %+v, %v", steps, err)
	}
	if err := h.Update(t.Context(), model.System(), model.Registry{Name: "nobody", Type: "oci", URL: "https://a.example"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("changing what is not there: %v", err)
	}
}

func TestKeptSecretsGoOnlyWhereTheyWereGivenFor(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	tests := map[string]struct {
		was, becomes model.Registry
		kept         bool
	}{
		"as it was":     {model.Registry{URL: "https://a.example"}, model.Registry{URL: "https://A.example:443/"}, true},
		"same CA":       {model.Registry{URL: "https://a.example", CACert: ca}, model.Registry{URL: "https://a.example", CACert: ca}, true},
		"TLS from now":  {model.Registry{URL: "http://a.example"}, model.Registry{URL: "https://a.example"}, true},
		"no TLS":        {model.Registry{URL: "https://a.example"}, model.Registry{URL: "http://a.example"}, false},
		"a CA":          {model.Registry{URL: "https://a.example"}, model.Registry{URL: "https://a.example", CACert: ca}, false},
		"TLS with a CA": {model.Registry{URL: "http://a.example"}, model.Registry{URL: "https://a.example", CACert: ca}, false},
		"other host":    {model.Registry{URL: "https://a.example"}, model.Registry{URL: "https://b.example"}, false},
		"other port":    {model.Registry{URL: "https://a.example"}, model.Registry{URL: "https://a.example:8443"}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, options{})
			for _, r := range []*model.Registry{&test.was, &test.becomes} {
				r.Name, r.Type = "shop", "oci"
			}
			test.was.Password = "right"
			h.add(t, test.was)
			check := func(what string, err error) {
				t.Helper()
				switch {
				case test.kept && err != nil:
					t.Errorf("%s: %v", what, err)
				case !test.kept && (fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == ""):
					t.Errorf("%s: %v, want the credentials asked for", what, err)
				}
			}
			steps, err := h.Test(t.Context(), model.System(), test.becomes)
			check("test", err)
			if test.kept && (len(steps) != 1 || !steps[0].OK) {
				t.Errorf("the kept password was not used: %+v", steps)
			}
			check("update", h.Update(t.Context(), model.System(), test.becomes))
			test.becomes.Password = "given again"
			if err := h.Update(t.Context(), model.System(), test.becomes); err != nil {
				t.Errorf("update with the password: %v", err)
			}
		})
	}
}

func TestFederatedCredentialsAreTriedByThoseWhoMayChangeThem(t *testing.T) {
	t.Parallel()
	h := open(t, options{membership: model.Membership{Role: model.Primary}})
	saved := model.Registry{Name: "fed.shop", Type: "oci", URL: "https://registry.example", Password: "right"}
	h.add(t, saved)
	h.add(t, model.Registry{Name: "fed.open"})
	typed := saved
	typed.Password = ""
	for _, r := range []model.Registry{saved, typed} {
		if steps, err := h.Test(t.Context(), model.Actor{Name: "amy", Role: model.RoleAdmin}, r); fault.KindOf(err) != fault.Denied {
			t.Errorf("an administrator of this cluster: %+v, %v, want a denial", steps, err)
		}
		steps, err := h.Test(t.Context(), model.Actor{Name: "fay", Role: model.RoleFedAdmin}, r)
		if err != nil || len(steps) != 1 || !steps[0].OK {
			t.Errorf("a federated administrator: %+v, %v", steps, err)
		}
	}
	without := model.Registry{Name: "fed.open", Type: "oci", URL: "https://registry.example"}
	if _, err := h.Test(t.Context(), model.Actor{Name: "amy", Role: model.RoleAdmin}, without); err != nil {
		t.Errorf("a registry without credentials: %v", err)
	}
}

func TestWhatWasDoneIsRecordedThoughNobodyWaits(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Add(ctx, model.System(), model.Registry{Name: "shop", Type: "oci", URL: "https://registry.example"}); err == nil {
		t.Fatal("added for a request that had ended")
	}
	events, _, err := h.store.AuditEvents(t.Context(), "", 10)
	if err != nil || len(events) != 1 || events[0].Action != "registry.add" {
		t.Errorf("audit trail %+v, error %v", events, err)
	}
}

func TestListTellsWhatIsDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	h := open(t, options{now: func() time.Time { return now }})
	h.add(t, model.Registry{Name: "nightly", Schedule: "30 2 * * *"})
	h.add(t, model.Registry{Name: "by-hand"})
	list, err := h.List(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, error %v", list, err)
	}
	if want := time.Date(2026, 5, 2, 2, 30, 0, 0, time.UTC); !list[0].NextRun.IsZero() || !list[1].NextRun.Equal(want) {
		t.Errorf("next runs %v and %v, want none and %v", list[0].NextRun, list[1].NextRun, want)
	}
}
