package v1

import (
	"embed"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/httpapi/webhook"
)

//go:embed openapi.yaml
var openAPI embed.FS

// Options are the services behind the API; all are required. One service may
// satisfy several of them.
type Options struct {
	Auth         httpapi.Authenticator
	Sessions     Sessions
	Accounts     Accounts
	APIKeys      APIKeys
	Federation   Federation
	FedSettings  FedSettings
	Tokens       Tokens
	Clusters     Clusters
	Registries   Registries
	RegistryRuns RegistryRuns
	Images       Images
	Results      Results
	Rules        Rules
	Admission    Admission
	Reviewer     webhook.Reviewer
	Audit        AuditTrail
	DB           func() api.DB        // state of the vulnerability database
	Stale        func(time.Time) bool // whether a database built then is too old
	Plugins      func() []api.Plugin  // state of the plugins
	Version      string
	StartedAt    time.Time
	Now          func() time.Time
}

// API answers /api/v1.
type API struct {
	Options
	pushes chan struct{} // the calls under way that need no login
}

// New makes the API. It fails when an option is missing, by name.
func New(o Options) (*API, error) {
	v := reflect.ValueOf(o)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			return nil, fmt.Errorf("v1: option %s is missing", v.Type().Field(i).Name)
		}
	}
	return &API{Options: o, pushes: make(chan struct{}, pushesAtOnce)}, nil
}

// Handler serves the routes, and answers everything else under Prefix with an
// error in the API's form.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	paths := map[string]bool{}
	for _, route := range a.Routes() {
		mux.Handle(route.Method+" "+Prefix+route.Path, a.guard(route))
		paths[route.Path] = true
	}
	for path := range paths {
		mux.HandleFunc(Prefix+path, httpapi.MethodNotAllowed)
	}
	mux.HandleFunc(Prefix+"/", httpapi.NotFound)
	return mux
}

// guard lets a request through to a route's handler when it may, and answers
// what goes wrong.
func (a *API) guard(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.serve(route, w, r); err != nil {
			httpapi.WriteError(w, r, err)
		}
	})
}

func (a *API) serve(route Route, w http.ResponseWriter, r *http.Request) error {
	if !route.Public {
		actor, err := httpapi.Authenticate(r, a.Auth)
		if err != nil {
			return err
		}
		if err := httpapi.Permit(actor, route.Permissions...); err != nil {
			return err
		}
	}
	return route.handle(w, r)
}

func (a *API) openAPI(w http.ResponseWriter, _ *http.Request) error {
	body, err := openAPI.ReadFile("openapi.yaml")
	if err != nil {
		return fmt.Errorf("v1: read openapi.yaml: %w", err)
	}
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(body) // a client that is gone
	return nil
}

// answer writes v with a status.
func answer(w http.ResponseWriter, status int, v any) error {
	httpapi.WriteJSON(w, status, v)
	return nil
}

// done answers that there is nothing more to say.
func done(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// list answers a page of a list, converted item by item.
func list[M, A any](w http.ResponseWriter, items []M, next string, convert func(M) A) error {
	page := api.List[A]{Items: make([]A, 0, len(items)), Next: next}
	for _, item := range items {
		page.Items = append(page.Items, convert(item))
	}
	return answer(w, http.StatusOK, page)
}
