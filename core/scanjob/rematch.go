package scanjob

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/match"
)

// rematchAtOnce is how many images are computed and written in one go. Scans
// that want to save wait for no more than that.
const rematchAtOnce = 256

// errReplaced ends a re-match whose matcher is no longer the current one.
var errReplaced = errors.New("the vulnerability database was replaced")

// rematch is one pass over what is stored with one matcher.
type rematch struct {
	*Service
	matcher Matcher
	db      model.DBVersion
	started time.Time

	changed  map[int64]bool   // keys with another answer than before
	answers  map[int64]string // their answers
	appeared int              // vulnerabilities of a package version that are new
	vanished int              // and those that are gone
	saved    model.SavedMatches

	sets setCache
}

// Rematch makes all findings answer to the current matcher. It pulls nothing
// and writes only what changed. Cut off, it starts anew and comes to the same end.
func (s *Service) Rematch(ctx context.Context) error {
	s.saving.RLock()
	m := s.matcher
	s.saving.RUnlock()
	if m == nil {
		return nil
	}
	r := &rematch{
		Service: s, matcher: m, db: m.Version(), started: s.Now(),
		changed: map[int64]bool{}, answers: map[int64]string{}, sets: setCache{known: map[inventory.SetID]inventory.PackageSet{}},
	}
	err := r.run(ctx)
	if err != nil && r.replaced() {
		return nil // the change that replaced it starts the next
	}
	return err
}

func (r *rematch) replaced() bool {
	r.saving.RLock()
	defer r.saving.RUnlock()
	return r.Service.matcher != r.matcher
}

func (r *rematch) run(ctx context.Context) error {
	old, err := r.Matched.MatchedDB(ctx)
	if err != nil {
		return err
	}
	renewed := old.Revision != r.db.Revision
	if renewed {
		if err := r.lookUp(ctx); err != nil {
			return err
		}
	}
	touched, stale, err := r.touched(ctx)
	if err != nil {
		return err
	}
	if !renewed && len(touched) == 0 {
		return nil
	}
	for part := range slices.Chunk(touched, rematchAtOnce) {
		if err := r.replace(ctx, part); err != nil {
			return err
		}
	}
	if err := r.end(ctx, stale); err != nil {
		return err
	}
	return r.report(ctx, len(stale))
}

// storedKey is a match key with the answer it had.
type storedKey struct {
	id           int64
	name, answer string
}

// lookUp asks the database about every distinct key, on all processors.
func (r *rematch) lookUp(ctx context.Context) error {
	var keys []storedKey
	err := r.Matched.MatchKeys(ctx, func(id int64, name, answer string) error {
		keys = append(keys, storedKey{id, name, answer})
		return nil
	})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	size := max(1, len(keys)/runtime.GOMAXPROCS(0)+1)
	for part := range slices.Chunk(keys, size) {
		group.Go(func() error {
			for _, k := range part {
				answer, err := r.ask(ctx, k)
				if err != nil {
					return err
				}
				if answer == k.answer {
					continue
				}
				mu.Lock()
				r.note(k, answer)
				mu.Unlock()
			}
			return nil
		})
	}
	return group.Wait()
}

func (r *rematch) ask(ctx context.Context, k storedKey) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	key, err := match.ParseKey(k.name)
	if err != nil {
		return "", fmt.Errorf("match key %d: %w", k.id, err)
	}
	return answerTo(r.matcher, key)
}

// note keeps a changed answer and counts what came and went.
func (r *rematch) note(k storedKey, answer string) {
	r.changed[k.id], r.answers[k.id] = true, answer
	was, is := idsOf(k.answer), idsOf(answer)
	for _, id := range is {
		if !slices.Contains(was, id) {
			r.appeared++
		}
	}
	for _, id := range was {
		if !slices.Contains(is, id) {
			r.vanished++
		}
	}
}

// touched are the images to compute anew: those with a changed key, and those
// that do not answer to the database that the answers are compared with. stale
// are those that registries want left alone.
func (r *rematch) touched(ctx context.Context) (touched, stale []model.Digest, err error) {
	err = r.Matched.MatchedImages(ctx, func(m model.MatchedImage) error {
		same := !m.Ahead && !slices.ContainsFunc(m.Keys, func(id int64) bool { return r.changed[id] })
		switch {
		case m.Answered && (same || m.Ahead && m.Revision == r.db.Revision):
		case m.Answered && m.Skip:
			stale = append(stale, m.Digest)
		default:
			touched = append(touched, m.Digest)
		}
		return nil
	})
	return touched, stale, err
}

// replace computes and writes a part of the images, while no scan saves.
func (r *rematch) replace(ctx context.Context, part []model.Digest) error {
	r.saving.Lock()
	defer r.saving.Unlock()
	if r.Service.matcher != r.matcher {
		return errReplaced
	}
	results := make([]model.Rematched, len(part))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, digest := range part {
		group.Go(func() (err error) {
			results[i], err = r.compute(groupCtx, digest)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	saved, err := r.Matched.SaveMatched(ctx, results)
	r.saved.Images, r.saved.Federated = r.saved.Images+saved.Images, r.saved.Federated+saved.Federated
	return err
}

// end makes the matcher's database the one that everything answers to, unless
// another took its place and scans may have answered to that already.
func (r *rematch) end(ctx context.Context, stale []model.Digest) error {
	r.saving.Lock()
	defer r.saving.Unlock()
	if r.Service.matcher != r.matcher {
		return errReplaced
	}
	return r.Matched.EndMatch(ctx, r.db, r.answers, stale)
}

func (r *rematch) compute(ctx context.Context, digest model.Digest) (model.Rematched, error) {
	body, err := r.Inventories.Inventory(ctx, digest)
	if err != nil {
		return model.Rematched{}, err
	}
	var inv inventory.Inventory
	if err := json.Unmarshal(body, &inv); err != nil {
		return model.Rematched{}, fmt.Errorf("decode the inventory of %s: %w", digest, err)
	}
	var problem error
	result, err := matchImage(r.matcher, inv, func(id inventory.SetID) (inventory.PackageSet, bool) {
		set, err := r.sets.get(ctx, r.Inventories, id)
		problem = errors.Join(problem, err)
		return set, err == nil
	})
	result.Verdict.ScannedAt = r.started.UTC().Truncate(time.Millisecond)
	return result, errors.Join(err, problem)
}

// report says what the new database changed, here and on managed clusters.
func (r *rematch) report(ctx context.Context, stale int) error {
	clusters := min(r.saved.Images, 1) // this one
	if r.saved.Federated > 0 {
		members, err := r.Matched.MemberCount(ctx)
		if err != nil {
			return err
		}
		clusters += members
	}
	r.Logger.InfoContext(ctx, "findings answer to a new vulnerability database", "revision", r.db.Revision,
		"db_updated_at", r.db.UpdatedAt, "package_versions_changed", len(r.answers), "vulnerabilities_new", r.appeared,
		"vulnerabilities_vanished", r.vanished, "images_touched", r.saved.Images, "clusters_touched", clusters, "images_left_alone", stale, "took", r.Now().Sub(r.started))
	err := r.Auditor.Audit(ctx, model.AuditEvent{
		Time: r.Now(), Actor: model.System().Name, Action: "vulnerability-db.rematch", Target: r.db.Revision,
		Outcome: fmt.Sprintf("%d images and %d clusters touched; in %d package versions %d vulnerabilities are new and %d vanished",
			r.saved.Images, clusters, len(r.answers), r.appeared, r.vanished),
	})
	if err != nil {
		r.Logger.ErrorContext(ctx, "audit event lost", "action", "vulnerability-db.rematch", "error", err)
	}
	return nil
}

// setCacheSize bounds the package sets that a re-match keeps in memory. Base
// layers are shared by many images, the rest by few.
const setCacheSize = 20_000

// setCache remembers decoded package sets for the length of a re-match.
type setCache struct {
	mu    sync.Mutex
	known map[inventory.SetID]inventory.PackageSet
}

func (c *setCache) get(ctx context.Context, from Inventories, id inventory.SetID) (inventory.PackageSet, error) {
	c.mu.Lock()
	set, ok := c.known[id]
	c.mu.Unlock()
	if ok {
		return set, nil
	}
	body, err := from.PackageSet(ctx, string(id))
	if err != nil {
		return set, err
	}
	if set, err = inventory.DecodeSet(id, body); err != nil {
		return set, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= setCacheSize {
		clear(c.known)
	}
	c.known[id] = set
	return set, nil
}
