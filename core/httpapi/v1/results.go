package v1

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/muster-sec/muster/core/httpapi"
	"github.com/muster-sec/muster/core/httpapi/api"
	"github.com/muster-sec/muster/core/intake"
	"github.com/muster-sec/muster/core/model"
)

// Results takes in what CI pipelines post.
type Results interface {
	// Submit reads the body as a stream and bounds it.
	Submit(ctx context.Context, actor model.Actor, s model.Submission, body io.Reader) (intake.Receipt, error)
	Results(ctx context.Context, cursor string, limit int) (results []model.CIResult, next string, err error)
}

// submitTimeout is how long a document may take to arrive and be taken in.
const submitTimeout = 10 * time.Minute

func (a *API) listResults(w http.ResponseWriter, r *http.Request) error {
	limit, err := pageSize(r)
	if err != nil {
		return err
	}
	results, next, err := a.Results.Results(r.Context(), r.URL.Query().Get("cursor"), limit)
	if err != nil {
		return err
	}
	return list(w, results, next, ciResultToAPI)
}

// submit answers 201 when the document is committed, 200 when it was before.
func (a *API) submit(w http.ResponseWriter, r *http.Request) error {
	if err := httpapi.CheckContentType(r, "application/json", "application/octet-stream"); err != nil {
		return err
	}
	query := r.URL.Query()
	submission := model.Submission{
		Format: query.Get("format"), Job: query.Get("job"), Source: query.Get("source"), Reference: query.Get("reference"),
	}
	if text := query.Get("digest"); text != "" {
		digest, err := model.ParseDigest(text)
		if err != nil {
			return err
		}
		submission.Digest = digest
	}
	if err := allowTime(w, submitTimeout); err != nil {
		return err
	}
	receipt, err := a.Results.Submit(r.Context(), httpapi.ActorOf(r.Context()), submission, r.Body)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if receipt.Duplicate {
		status = http.StatusOK
	}
	return answer(w, status, receiptToAPI(receipt))
}

// allowTime moves the deadlines of the connection for one large request.
func allowTime(w http.ResponseWriter, d time.Duration) error {
	control, until := http.NewResponseController(w), time.Now().Add(d)
	if err := control.SetReadDeadline(until); err != nil {
		return fmt.Errorf("v1: move the deadline: %w", err)
	}
	if err := control.SetWriteDeadline(until.Add(time.Minute)); err != nil {
		return fmt.Errorf("v1: move the deadline: %w", err)
	}
	return nil
}

func receiptToAPI(r intake.Receipt) api.Receipt {
	return api.Receipt{
		ID: r.ID, Digest: string(r.Digest), Reference: r.Reference, Format: r.Format,
		Tool: r.Tool, ToolVersion: r.ToolVersion, DocumentHash: r.DocumentHash,
		Counts: api.Counts(r.Counts), Packages: r.Packages, Duplicate: r.Duplicate, Warnings: r.Warnings,
	}
}

func ciResultToAPI(r model.CIResult) api.CIResult {
	return api.CIResult{
		ID: r.ID, Digest: string(r.Digest), Reference: r.Reference, Format: r.Format,
		Tool: r.Tool, ToolVersion: r.ToolVersion, Job: r.Job, Source: r.Source,
		PostedBy: r.PostedBy, PostedAt: r.PostedAt, ScannedAt: r.ScannedAt, DocumentHash: r.DocumentHash,
		Counts: api.Counts(r.Counts), Packages: r.Packages,
	}
}
