package intake

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// The defaults of Options.
const (
	DefaultLimit     = 256 << 20            // bytes
	DefaultRetention = 180 * 24 * time.Hour // half a year
)

// sweepEvery is how often old results are looked for.
const sweepEvery = 24 * time.Hour

// Options are what the service works with.
type Options struct {
	Ingester Ingester
	Results  Results
	Auditor  Auditor
	// SpoolDir is a folder of this service's own inside the data directory. It
	// is made when it is missing.
	SpoolDir string
	// Limit is the size in bytes of a document; DefaultLimit when zero.
	Limit int64
	// Retention is how long a result is kept; DefaultRetention when zero.
	Retention time.Duration
	Log       *slog.Logger
	Now       func() time.Time
}

// Service takes in CI results. It is safe for concurrent use.
type Service struct{ o Options }

// Receipt says what became of a document.
type Receipt struct {
	model.CIResult
	Warnings []string // of the parser and of the checks; the result is kept nevertheless
}

// New makes the service.
func New(o Options) (*Service, error) {
	if o.Ingester == nil || o.Results == nil || o.Auditor == nil || o.SpoolDir == "" {
		return nil, errors.New("intake: a dependency is missing")
	}
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o: o}, nil
}

// Run removes results that have outlived the retention, now and once a day.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		swept, err := s.o.Results.SweepCIResults(ctx, s.o.Now().Add(-s.o.Retention))
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.o.Log.WarnContext(ctx, "old CI results were not removed", "error", err)
		case swept > 0:
			s.o.Log.InfoContext(ctx, "old CI results were removed", "count", swept)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Results is a page of the kept results, newest first, and the cursor of the next:
// empty at the end. It fails with fault.Invalid for a cursor of another list.
func (s *Service) Results(ctx context.Context, cursor string, limit int) (results []model.CIResult, next string, err error) {
	return s.o.Results.CIResults(ctx, cursor, limit)
}

// Submit takes in the document in body, which it reads to its end or to the
// limit. It needs model.PostCI. The receipt is given after the commit is on the
// disk; its Duplicate says that nothing was changed.
func (s *Service) Submit(ctx context.Context, actor model.Actor, sub model.Submission, body io.Reader) (Receipt, error) {
	receipt, err := s.submit(ctx, actor, sub, body)
	target, outcome := receipt.Reference, "ok"
	if receipt.Digest != "" {
		target = string(receipt.Digest)
	}
	switch {
	case err != nil:
		outcome = err.Error()
	case receipt.Duplicate:
		outcome = "duplicate"
	}
	event := model.AuditEvent{Time: s.o.Now(), Actor: actor.Name, Action: "result.submit", Target: target, Outcome: outcome}
	if auditErr := s.o.Auditor.Audit(context.WithoutCancel(ctx), event); auditErr != nil {
		s.o.Log.ErrorContext(ctx, "an audit event was not recorded", "action", event.Action, "error", auditErr)
	}
	return receipt, err
}

func (s *Service) submit(ctx context.Context, actor model.Actor, sub model.Submission, body io.Reader) (Receipt, error) {
	if !actor.Role.Can(model.PostCI) {
		return Receipt{}, fault.New(fault.Denied, "intake: %s may not post results", actor.Name).
			WithHint("use an account or API key of the role %s", model.RoleCIOps)
	}
	if err := checkSubmission(sub); err != nil {
		return Receipt{}, err
	}
	doc, hash, format, err := s.read(ctx, sub.Format, body)
	if err != nil {
		return Receipt{}, err
	}
	if err := checkDocument(&doc); err != nil {
		return Receipt{}, err
	}
	identify(&doc, sub)
	s.date(&doc)
	result := model.CIResult{
		Digest: doc.Digest, ImageID: doc.ImageID, Reference: doc.Reference,
		Format: format, Tool: doc.Tool, ToolVersion: doc.ToolVersion, Job: sub.Job, Source: sub.Source,
		PostedBy: actor.Name, PostedAt: s.o.Now().UTC(), ScannedAt: doc.ScannedAt, DocumentHash: hash,
		Counts: model.CountFindings(doc.Findings), Packages: len(doc.Packages),
	}
	saved, err := s.o.Results.SaveCIResult(ctx, result, doc)
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{CIResult: saved, Warnings: doc.Warnings}, nil
}

// read spools the body and has it parsed.
func (s *Service) read(ctx context.Context, format string, body io.Reader) (doc model.Document, hash, used string, err error) {
	spool, err := openSpool(s.o.SpoolDir, body, s.o.Limit)
	if err != nil {
		return doc, "", "", err
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	if format == "" {
		if format, err = s.o.Ingester.Recognize(ctx, spool.head); err != nil {
			return doc, "", "", err
		}
	}
	doc, err = s.o.Ingester.Parse(ctx, format, spool)
	if fault.KindOf(err) == fault.Unavailable && ctx.Err() == nil {
		// The plugin died under the document or before it. It is started anew, and
		// the spool can be read again where the pipeline could not be asked again.
		if err = spool.rewind(); err == nil {
			doc, err = s.o.Ingester.Parse(ctx, format, spool)
		}
	}
	return doc, spool.hash, format, err
}
