package sources

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/plugins/registry/internal/registrytest"
	"github.com/muster-sec/muster/plugins/registry/internal/wire"
	"github.com/muster-sec/muster/plugins/sdk"
)

// fake is a source with one repository.
type fake struct{ broken error }

func (f fake) Repositories(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("a", f.broken) }
}

func (fake) Tags(context.Context, string) iter.Seq2[sdk.Tag, error] {
	return func(yield func(sdk.Tag, error) bool) {
		_ = yield(sdk.Tag{Digest: registrytest.Digest(1)}, nil) && yield(sdk.Tag{Name: "1"}, nil)
	}
}

func (fake) Credential(context.Context, string) (sdk.Credential, error) { return sdk.Credential{}, nil }

func (fake) Resolve(context.Context, string, string) (sdk.Manifest, error) {
	return sdk.Manifest{Digest: registrytest.Digest(1)}, nil
}

func (fake) SignIn(context.Context) (string, error) { return "somebody", nil }

// world opens fakes and counts.
type world struct {
	opened, closed int
	next           Opened
}

func (w *world) open(cfg sdk.Config, _ wire.Env) (*Opened, error) {
	if string(cfg) == "bad" {
		return nil, sdk.ErrInvalid
	}
	w.opened++
	o := w.next
	if o.Source == nil {
		o.Source = fake{}
	}
	o.Host = "127.0.0.1:1"
	o.Connect = func(context.Context) (string, error) { return "there", nil }
	o.Close = func() { w.closed++ }
	return &o, nil
}

// TestKept: a source is opened once for a configuration, anew after a while, and
// of too many the connections are closed.
func TestKept(t *testing.T) {
	t.Parallel()
	clock := registrytest.NewClock()
	w := &world{}
	r := New(w.open, clock.Env())
	use := func(cfg string) {
		if _, err := r.Credential(t.Context(), sdk.Config(cfg), "a"); err != nil {
			t.Fatal(err)
		}
	}
	use("one")
	use("one")
	if w.opened != 1 {
		t.Errorf("one configuration was opened %d times", w.opened)
	}
	clock.Advance(life)
	use("one")
	if w.opened != 2 || w.closed != 1 {
		t.Errorf("after its life: opened %d times, closed %d times", w.opened, w.closed)
	}
	for i := range 10 * maxOpen {
		use(fmt.Sprint("many", i))
	}
	if open := w.opened - w.closed; open > maxOpen || len(r.kept) > maxOpen {
		t.Errorf("%d are open, %d kept", open, len(r.kept))
	}
	if _, err := r.Credential(t.Context(), sdk.Config("bad"), "a"); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("a bad configuration: %v", err)
	}
}

func TestConfigured(t *testing.T) {
	t.Parallel()
	w := &world{next: Opened{Configured: []string{"x", "y", "x"}}}
	got, err := registrytest.List(New(w.open, registrytest.NewClock().Env()).Repositories(t.Context(), nil))
	if diff := cmp.Diff([]string{"x", "y"}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestDiagnosis(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		opened Opened
		want   sdk.Step // the last one
	}{
		"well":       {Opened{}, sdk.Step{Name: "read", OK: true, Detail: "a:1 is " + registrytest.Digest(1)}},
		"configured": {Opened{Configured: []string{"b"}}, sdk.Step{Name: "read", OK: true, Detail: "b:1 is " + registrytest.Digest(1)}},
		"may not list": {
			Opened{Source: fake{sdk.ErrDenied}},
			sdk.Step{Name: "list", Detail: "denied", Fix: "name the repositories in `repositories`, or use a credential that may list them"},
		},
		"without a login": {
			Opened{Source: fake{sdk.ErrUnauthorized}, Anonymous: true},
			sdk.Step{Name: "list", Detail: "not authorized", Fix: "set `username` and `password`, or `token`: the registry does not answer without a login"},
		},
		"in the kind's words": {
			Opened{Source: fake{sdk.ErrDenied}, Fix: func(step string, err error) string { return "ask for " + step }},
			sdk.Step{Name: "list", Detail: "denied", Fix: "ask for list"},
		},
	}
	for name, tt := range tests {
		w := &world{next: tt.opened}
		steps, err := New(w.open, registrytest.NewClock().Env()).Diagnose(t.Context(), nil)
		if err != nil || len(steps) == 0 {
			t.Fatalf("%s: %v, %v", name, steps, err)
		}
		if diff := cmp.Diff(tt.want, steps[len(steps)-1]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	var got []string
	add := Names(func(name string, _ error) bool {
		got = append(got, name)
		return len(got) < 2
	})
	if !add("a") || !add("a") || add("b") {
		t.Error("it goes on or ends where it should not")
	}
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
