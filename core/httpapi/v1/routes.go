// Package v1 is the native API /api/v1: a table of routes, one file of handlers
// per area, and the conversion between core's values and the API's JSON.
// openapi.yaml describes it to others; tests hold the two against each other.
package v1

import (
	"net/http"

	"github.com/muster-sec/muster/core/model"
)

// Prefix begins the path of every route.
const Prefix = "/api/v1"

// Remote says what the switch from a primary's console to a managed cluster
// may do with an operation. The default is None: a new route cannot be reached
// through the switch until somebody decided that it may.
type Remote string

// What the switch may do.
const (
	RemoteNone  Remote = "none"  // never forwarded
	RemoteRead  Remote = "read"  // forwarded for anybody who may switch
	RemoteWrite Remote = "write" // forwarded for who may change the managed cluster
)

// Route is one operation.
type Route struct {
	Method string
	Path   string // below Prefix, as net/http's mux writes it
	// Public routes need no login. Others need one of Permissions, or just any
	// login when there are none.
	Public      bool
	Permissions []model.Permission
	Remote      Remote

	handle handler
}

// handler answers a request, or returns why not.
type handler func(w http.ResponseWriter, r *http.Request) error

// Routes is the whole API.
func (a *API) Routes() []Route {
	read := []model.Permission{model.ReadAll}
	write := []model.Permission{model.WriteAll}
	fedRead := []model.Permission{model.FedRead}
	fedWrite := []model.Permission{model.FedWrite}
	ci := []model.Permission{model.PostCI}
	readOrCI := []model.Permission{model.ReadAll, model.PostCI}
	var anybody []model.Permission
	return []Route{
		{"GET", "/openapi.yaml", true, anybody, RemoteNone, a.openAPI},
		{"POST", "/login", true, anybody, RemoteNone, a.login},
		{"POST", "/logout", false, anybody, RemoteNone, a.logout},
		{"GET", "/status", false, anybody, RemoteRead, a.status},

		{"GET", "/accounts", false, read, RemoteRead, a.listAccounts},
		{"POST", "/accounts", false, write, RemoteNone, a.addAccount},
		{"DELETE", "/accounts/{name}", false, write, RemoteNone, a.removeAccount},
		{"PUT", "/accounts/{name}/password", false, anybody, RemoteNone, a.setPassword},
		{"GET", "/apikeys", false, read, RemoteRead, a.listAPIKeys},
		{"POST", "/apikeys", false, write, RemoteNone, a.addAPIKey},
		{"DELETE", "/apikeys/{name}", false, write, RemoteNone, a.removeAPIKey},

		{"GET", "/federation", false, read, RemoteRead, a.federation},
		{"POST", "/federation/promote", false, write, RemoteNone, a.promote},
		{"POST", "/federation/demote", false, fedWrite, RemoteNone, a.demote},
		{"POST", "/federation/join", false, write, RemoteNone, a.join},
		{"POST", "/federation/leave", false, write, RemoteNone, a.leave},
		{"GET", "/federation/settings", false, read, RemoteRead, a.fedSettings},
		{"PUT", "/federation/settings", false, fedWrite, RemoteNone, a.setFedSettings},
		{"GET", "/federation/tokens", false, fedRead, RemoteNone, a.listTokens},
		{"POST", "/federation/tokens", false, fedWrite, RemoteNone, a.createToken},
		{"DELETE", "/federation/tokens/{id}", false, fedWrite, RemoteNone, a.revokeToken},
		{"GET", "/clusters", false, read, RemoteRead, a.listClusters},
		{"GET", "/clusters/{id}", false, read, RemoteRead, a.cluster},
		{"DELETE", "/clusters/{id}", false, fedWrite, RemoteNone, a.removeCluster},
		{"POST", "/clusters/{id}/deploy", false, fedWrite, RemoteNone, a.deploy},

		{"GET", "/registries", false, read, RemoteRead, a.listRegistries},
		{"POST", "/registries", false, write, RemoteWrite, a.addRegistry},
		{"GET", "/registries/{name}", false, read, RemoteRead, a.registry},
		{"PATCH", "/registries/{name}", false, write, RemoteWrite, a.changeRegistry},
		{"DELETE", "/registries/{name}", false, write, RemoteWrite, a.removeRegistry},
		{"POST", "/registries/{name}/scan", false, write, RemoteWrite, a.scanRegistry},
		{"DELETE", "/registries/{name}/scan", false, write, RemoteWrite, a.stopScan},
		{"GET", "/registries/{name}/runs/{id}", false, read, RemoteRead, a.run},
		{"POST", "/registries/{name}/test", false, write, RemoteWrite, a.testSavedRegistry},
		{"POST", "/registries/{name}/push-key", false, write, RemoteNone, a.newPushKey},
		{"DELETE", "/registries/{name}/push-key", false, write, RemoteNone, a.removePushKey},
		{"POST", "/registries/{name}/push/{key}", true, anybody, RemoteNone, a.push},
		{"POST", "/registry-test", false, write, RemoteWrite, a.testRegistry},

		{"GET", "/images", false, read, RemoteRead, a.listImages},
		{"GET", "/images/{digest}", false, read, RemoteRead, a.image},
		{"GET", "/images/{digest}/verdict", false, readOrCI, RemoteRead, a.verdicts},
		{"GET", "/results", false, read, RemoteRead, a.listResults},
		{"POST", "/results", false, ci, RemoteNone, a.submit},

		{"GET", "/rules", false, read, RemoteRead, a.listRules},
		{"POST", "/rules", false, write, RemoteWrite, a.addRule},
		{"GET", "/rules/{id}", false, read, RemoteRead, a.rule},
		{"PUT", "/rules/{id}", false, write, RemoteWrite, a.changeRule},
		{"DELETE", "/rules/{id}", false, write, RemoteWrite, a.removeRule},
		{"GET", "/admission/state", false, read, RemoteRead, a.admissionState},
		{"PUT", "/admission/state", false, write, RemoteWrite, a.setAdmissionState},
		{"POST", "/admission/review", false, readOrCI, RemoteRead, a.review},

		{"GET", "/db", false, read, RemoteRead, a.db},
		{"GET", "/plugins", false, read, RemoteRead, a.listPlugins},
		{"GET", "/audit", false, read, RemoteRead, a.listAudit},
	}
}
