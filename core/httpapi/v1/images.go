package v1

import (
	"context"
	"net/http"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/fleet"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// Images reads what is known of images.
type Images interface {
	Images(ctx context.Context, q fleet.Query) (images []model.ImageSummary, next string, err error)
	Image(ctx context.Context, digest model.Digest) (model.ImageReport, error)
	// Verdicts fails with fault.NotReady while nothing is known, so that a
	// pipeline can tell "not yet" from "nothing found".
	Verdicts(ctx context.Context, digest model.Digest) ([]policy.KnownVerdict, error)
}

func (a *API) listImages(w http.ResponseWriter, r *http.Request) error {
	limit, err := pageSize(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	images, next, err := a.Images.Images(r.Context(), fleet.Query{
		Registry: query.Get("registry"), Status: model.ImageStatus(query.Get("status")),
		Severity: model.Severity(query.Get("severity")),
		Text:     query.Get("q"), Cursor: query.Get("cursor"), Limit: limit,
	})
	if err != nil {
		return err
	}
	return list(w, images, next, func(s model.ImageSummary) api.Image {
		shown := imageToAPI(s)
		a.age(&shown.DB)
		return shown
	})
}

func (a *API) image(w http.ResponseWriter, r *http.Request) error {
	digest, err := model.ParseDigest(r.PathValue("digest"))
	if err != nil {
		return err
	}
	report, err := a.Images.Image(r.Context(), digest)
	if err != nil {
		return err
	}
	known, err := a.Images.Verdicts(r.Context(), digest)
	if err != nil && fault.KindOf(err) != fault.NotReady {
		return err
	}
	shown := reportToAPI(report, known)
	a.age(&shown.DB)
	a.ageVerdicts(shown.Verdicts)
	return answer(w, http.StatusOK, shown)
}

func (a *API) verdicts(w http.ResponseWriter, r *http.Request) error {
	digest, err := model.ParseDigest(r.PathValue("digest"))
	if err != nil {
		return err
	}
	verdicts, err := a.Images.Verdicts(r.Context(), digest)
	if err != nil {
		return err
	}
	return list(w, verdicts, "", func(v policy.KnownVerdict) api.Verdict {
		shown := verdictToAPI(v)
		a.age(&shown.DB)
		return shown
	})
}
