package scanjob

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// The ways a scan is cut off.
var (
	errLost    = errors.New("the lease is lost")
	errTimeout = errors.New("the scan took too long")
)

// returnWithin bounds what is still done for a job after the daemon was told to stop.
const returnWithin = 5 * time.Second

// handle works on one job; false asks the queue to bring it again.
func (s *Service) handle(ctx context.Context, id int64, keepAlive func() error) bool {
	terms := model.LeaseTerms{Owner: s.Owner, TTL: s.Lease, Attempts: s.Attempts}
	job, ok, err := s.Jobs.Lease(ctx, id, terms)
	if err != nil {
		if ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "job not leased", "job", id, "error", err)
		}
		return false
	}
	if !ok {
		return true // done, taken by another worker, or to be tried later
	}
	log := s.Logger.With("job", id, "registry", job.Registry, "repository", job.Repository, "digest", job.Digest, "attempt", job.Attempt)
	started := s.Now()
	err = s.whileLeased(ctx, job, terms, keepAlive)
	if err == nil {
		log.InfoContext(ctx, "image scanned", "took", s.Now().Sub(started))
		return true
	}
	if errors.Is(err, errLost) {
		log.WarnContext(ctx, "scan dropped", "error", err)
		return true
	}
	back := s.judge(ctx, job, err)
	returning, cancel := context.WithTimeout(context.WithoutCancel(ctx), returnWithin)
	defer cancel()
	if err := s.Jobs.Return(returning, job, s.Owner, back); err != nil {
		log.ErrorContext(ctx, "job not returned", "error", err)
		return false
	}
	switch {
	case back.State == model.JobFailed:
		log.WarnContext(ctx, "scan failed", "error", err)
	case back.State == model.JobUnsupported:
		log.InfoContext(ctx, "image not supported", "reason", err.Error())
	default:
		log.WarnContext(ctx, "scan to be tried again", "not_before", back.NotBefore, "error", err)
	}
	return true
}

// whileLeased scans while it extends the lease, and stops when that is lost.
func (s *Service) whileLeased(ctx context.Context, job model.Job, terms model.LeaseTerms, keepAlive func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx, stop := context.WithTimeoutCause(ctx, s.Timeout, errTimeout)
	defer stop()
	var beat errgroup.Group
	done := make(chan struct{})
	beat.Go(func() error {
		ticker := time.NewTicker(terms.TTL / 3)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return nil
			case <-ticker.C:
			}
			if held, err := s.Jobs.Extend(ctx, job.ID, terms); err == nil && !held {
				cancel(errLost)
				return nil
			}
			// A message that cannot be kept alive comes again and finds the row leased.
			if err := keepAlive(); err != nil {
				s.Logger.DebugContext(ctx, "message not kept alive", "job", job.ID, "error", err)
			}
		}
	})
	err := s.scan(ctx, job)
	close(done)
	_ = beat.Wait() // it returns nil only
	if cause := context.Cause(ctx); err != nil && (errors.Is(cause, errLost) || errors.Is(cause, errTimeout)) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

// scan reads what the job names and writes what it found.
func (s *Service) scan(ctx context.Context, job model.Job) error {
	r, err := s.Results.Source(ctx, job.Registry)
	if err != nil {
		return err
	}
	credential, err := s.Credentials.Credential(ctx, r, job.Repository)
	if err != nil {
		return fmt.Errorf("credential for %s: %w", job.Repository, err)
	}
	target := Target{Registry: r, Repository: job.Repository, Digest: job.Digest, Credential: credential}
	if !isImage(job.MediaType) {
		ix, is, err := s.Scanner.Index(ctx, target)
		if err != nil {
			return err
		}
		if is {
			return s.Expander.Expand(ctx, job.Run, job.Registry, job.Repository, ix)
		}
	}
	found, err := s.Scanner.Image(ctx, target)
	if err != nil {
		return err
	}
	if found.Inventory.Image.Digest != string(job.Digest) {
		return fault.New(fault.Invalid, "the registry answers %s with %s", job.Digest, found.Inventory.Image.Digest)
	}
	return s.save(ctx, job, found)
}

// isImage says that a listing saw a single image and no index.
func isImage(mediaType string) bool {
	return mediaType == "application/vnd.oci.image.manifest.v1+json" ||
		mediaType == "application/vnd.docker.distribution.manifest.v2+json"
}

// save looks the packages up and writes everything of the scan.
func (s *Service) save(ctx context.Context, job model.Job, found Found) error {
	result, err := resultOf(job, found)
	if err != nil {
		return err
	}
	result.Owner, result.Analyzers = s.Owner, s.Scanner.Analyzers()
	result.Image.ScannedAt = s.Now().UTC().Truncate(time.Millisecond)
	s.saving.RLock()
	defer s.saving.RUnlock()
	if result.Answers, err = answersOf(found, s.matcher); err != nil {
		return err
	}
	if s.matcher != nil {
		matched, err := matchImage(s.matcher, found.Inventory, found.lookup)
		if err != nil {
			return err
		}
		matched.Verdict.ScannedAt = result.Image.ScannedAt
		result.Verdict, result.Findings = &matched.Verdict, matched.Findings
	}
	return s.Results.SaveScan(ctx, result)
}

// judge decides what becomes of a job whose scan failed.
func (s *Service) judge(ctx context.Context, job model.Job, err error) model.ReturnedJob {
	reason := reasonOf(err)
	after, later := fault.RetryAfterOf(err)
	switch {
	case ctx.Err() != nil: // the daemon stops; the job is not to blame
		return model.ReturnedJob{State: model.JobQueued, Uncounted: true}
	case fault.KindOf(err) == fault.Unsupported:
		return model.ReturnedJob{State: model.JobUnsupported, Reason: reason}
	case permanent(err):
		return model.ReturnedJob{State: model.JobFailed, Reason: reason}
	case later && job.Held < maxHeld: // the registry said when, so the image is not to blame
		return model.ReturnedJob{
			State: model.JobQueued, Reason: reason, Uncounted: true, Held: true,
			NotBefore: s.Now().Add(min(max(after, time.Second), longestHold)),
		}
	case job.Attempt >= s.Attempts:
		return model.ReturnedJob{State: model.JobFailed, Reason: fmt.Sprintf("%s (tried %d times)", reason, job.Attempt)}
	}
	return model.ReturnedJob{State: model.JobQueued, Reason: reason, NotBefore: s.Now().Add(backOff(job.Attempt))}
}

// permanent says that trying again would give the same.
func permanent(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.TooLarge, fault.Gone:
		return true
	}
	return false
}

const (
	// maxHeld is how often a registry may put one image off before that counts
	// as attempts, and longestHold for how long each time.
	maxHeld     = 24
	longestHold = 6 * time.Hour
)

// backOff is 10 seconds after the first attempt, a minute after the second, and
// six times as long after every other.
func backOff(attempt int) time.Duration {
	d := 10 * time.Second
	for range min(attempt-1, 4) {
		d *= 6
	}
	return d
}

// maxReason bounds the text that is kept of a failure.
const maxReason = 1000

func reasonOf(err error) string {
	reason := strings.ToValidUTF8(err.Error(), "\uFFFD")
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	return reason
}
