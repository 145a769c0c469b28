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

// AuditTrail reads the audit trail, newest first.
type AuditTrail interface {
	AuditEvents(ctx context.Context, cursor string, limit int) (events []model.AuditEvent, next string, err error)
}

// How many items one page of a list has.
const (
	defaultPage = 100
	maxPage     = 1000
)

func (a *API) status(w http.ResponseWriter, r *http.Request) error {
	m, err := a.Federation.Membership(r.Context())
	if err != nil {
		return err
	}
	actor := httpapi.ActorOf(r.Context())
	db := a.DB()
	db.Ecosystems = nil
	return answer(w, http.StatusOK, api.Status{
		Version: a.Version, StartedAt: a.StartedAt, DB: db,
		ClusterID: m.ClusterID, ClusterName: m.ClusterName, Role: string(m.Role),
		Username: actor.Name, UserRole: string(actor.Role),
	})
}

func (a *API) db(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, a.DB())
}

func (a *API) listPlugins(w http.ResponseWriter, _ *http.Request) error {
	return list(w, a.Plugins(), "", func(p api.Plugin) api.Plugin { return p })
}

func (a *API) listAudit(w http.ResponseWriter, r *http.Request) error {
	limit, err := pageSize(r)
	if err != nil {
		return err
	}
	events, next, err := a.Audit.AuditEvents(r.Context(), r.URL.Query().Get("cursor"), limit)
	if err != nil {
		return err
	}
	return list(w, events, next, auditToAPI)
}

// pageSize reads ?limit=.
func pageSize(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return defaultPage, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxPage {
		return 0, fault.New(fault.Invalid, "limit %q is not a number from 1 to %d", text, maxPage)
	}
	return limit, nil
}
