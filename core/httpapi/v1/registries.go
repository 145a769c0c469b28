package v1

import (
	"context"
	"net/http"
	"strconv"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/model"
)

// Registries administers registries.
type Registries interface {
	Add(ctx context.Context, actor model.Actor, r model.Registry) error
	// Update keeps the secrets that are empty.
	Update(ctx context.Context, actor model.Actor, r model.Registry) error
	Remove(ctx context.Context, actor model.Actor, name string) error
	List(ctx context.Context) ([]model.RegistryStatus, error)
	Get(ctx context.Context, name string) (model.RegistryStatus, error)
}

// RegistryRuns scans and tests registries.
type RegistryRuns interface {
	Scan(ctx context.Context, actor model.Actor, name string) (model.Run, error)
	Stop(ctx context.Context, actor model.Actor, name string) error
	RunStatus(ctx context.Context, name string, id int64) (model.Run, error)
	Test(ctx context.Context, actor model.Actor, r model.Registry) ([]model.DiagnosisStep, error)
	NewPushKey(ctx context.Context, actor model.Actor, name string) (string, error)
	RemovePushKey(ctx context.Context, actor model.Actor, name string) error
	Push(ctx context.Context, name, key string, e model.PushEvent) error
}

func (a *API) listRegistries(w http.ResponseWriter, r *http.Request) error {
	registries, err := a.Registries.List(r.Context())
	if err != nil {
		return err
	}
	role, err := a.role(r.Context())
	if err != nil {
		return err
	}
	return list(w, registries, "", func(s model.RegistryStatus) api.Registry { return registryToAPI(s, role) })
}

func (a *API) registry(w http.ResponseWriter, r *http.Request) error {
	return a.showRegistry(w, r, r.PathValue("name"), http.StatusOK)
}

func (a *API) showRegistry(w http.ResponseWriter, r *http.Request, name string, status int) error {
	registry, err := a.Registries.Get(r.Context(), name)
	if err != nil {
		return err
	}
	role, err := a.role(r.Context())
	if err != nil {
		return err
	}
	return answer(w, status, registryToAPI(registry, role))
}

func (a *API) role(ctx context.Context) (model.ClusterRole, error) {
	m, err := a.Federation.Membership(ctx)
	return m.Role, err
}

func (a *API) addRegistry(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.Registry](w, r)
	if err != nil {
		return err
	}
	if err := a.Registries.Add(r.Context(), httpapi.ActorOf(r.Context()), registryToModel(body)); err != nil {
		return err
	}
	return a.showRegistry(w, r, body.Name, http.StatusCreated)
}

// changeRegistry lays the body over what the registry is: keys that are absent
// stay as they are, secrets included.
func (a *API) changeRegistry(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	current, err := a.Registries.Get(r.Context(), name)
	if err != nil {
		return err
	}
	body := registryToAPI(current, "")
	if err := httpapi.ReadJSONOver(w, r, &body); err != nil {
		return err
	}
	if body.Name != name {
		return fault.New(fault.Invalid, "a registry cannot be renamed").WithHint("add it under the new name and remove %q", name)
	}
	if err := a.Registries.Update(r.Context(), httpapi.ActorOf(r.Context()), registryToModel(body)); err != nil {
		return err
	}
	return a.showRegistry(w, r, name, http.StatusOK)
}

func (a *API) removeRegistry(w http.ResponseWriter, r *http.Request) error {
	if err := a.Registries.Remove(r.Context(), httpapi.ActorOf(r.Context()), r.PathValue("name")); err != nil {
		return err
	}
	return done(w)
}

func (a *API) scanRegistry(w http.ResponseWriter, r *http.Request) error {
	run, err := a.RegistryRuns.Scan(r.Context(), httpapi.ActorOf(r.Context()), r.PathValue("name"))
	if err != nil {
		return err
	}
	return answer(w, http.StatusAccepted, runToAPI(run))
}

func (a *API) stopScan(w http.ResponseWriter, r *http.Request) error {
	if err := a.RegistryRuns.Stop(r.Context(), httpapi.ActorOf(r.Context()), r.PathValue("name")); err != nil {
		return err
	}
	return done(w)
}

func (a *API) run(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return fault.New(fault.Invalid, "%q is not the id of a run", r.PathValue("id"))
	}
	run, err := a.RegistryRuns.RunStatus(r.Context(), r.PathValue("name"), id)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, runToAPI(run))
}

func (a *API) testSavedRegistry(w http.ResponseWriter, r *http.Request) error {
	saved, err := a.Registries.Get(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	return a.diagnose(w, r, saved.Registry)
}

func (a *API) testRegistry(w http.ResponseWriter, r *http.Request) error {
	body, err := httpapi.ReadJSON[api.Registry](w, r)
	if err != nil {
		return err
	}
	return a.diagnose(w, r, registryToModel(body))
}

func (a *API) diagnose(w http.ResponseWriter, r *http.Request, registry model.Registry) error {
	steps, err := a.RegistryRuns.Test(r.Context(), httpapi.ActorOf(r.Context()), registry)
	if err != nil {
		return err
	}
	return list(w, steps, "", stepToAPI)
}
