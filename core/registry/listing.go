package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// list is the listing of one run. Repositories, tags and their digests are read
// by goroutines that end with ctx; problems are collected, because one
// repository that cannot be read must not hide the others.
type list struct {
	*Service
	registry model.Registry
	run      model.Run
	filters  filters

	mu       sync.Mutex
	seen     map[string]bool // nameOf everything the registry showed
	digests  map[model.Digest]bool
	listed   int                   // repositories that the registry showed
	children map[model.Digest]bool // of the indexes among digests that are known
	problems []string
	failures int
}

// problemsShown bounds the text that a run keeps of what went wrong.
const problemsShown = 5

// fail notes what makes the listing incomplete.
func (l *list) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failures++; len(l.problems) < problemsShown {
		l.problems = append(l.problems, err.Error())
	}
}

// problem is why the listing is incomplete; empty when it is not.
func (l *list) problem() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.Join(l.problems, "; ")
	if more := l.failures - len(l.problems); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// read lists everything and accounts for it. The error is one of our own house
// or the end of ctx; what the registry does wrong is in problem.
func (l *list) read(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	repositories, tags, found := make(chan string), make(chan model.ListedImage), make(chan model.ListedImage)
	group.Go(func() error {
		defer close(repositories)
		return l.repositories(ctx, repositories)
	})
	var listing, resolving sync.WaitGroup
	for range max(1, l.Parallel/2) {
		listing.Add(1)
		group.Go(func() error {
			defer listing.Done()
			return l.tags(ctx, repositories, tags, found)
		})
	}
	for range l.Parallel {
		resolving.Add(1)
		group.Go(func() error {
			defer resolving.Done()
			return l.resolve(ctx, tags, found)
		})
	}
	group.Go(func() error {
		listing.Wait()
		close(tags)
		resolving.Wait()
		close(found)
		return nil
	})
	group.Go(func() error { return l.collect(ctx, found) })
	return group.Wait()
}

func (l *list) repositories(ctx context.Context, out chan<- string) error {
	known := map[string]bool{}
	yield := func(repository string) error {
		if known[repository] {
			return ctx.Err()
		}
		known[repository] = true
		l.count()
		if !l.filters.repository(repository) {
			return ctx.Err()
		}
		return send(ctx, out, repository)
	}
	if len(l.registry.Repositories) > 0 {
		for _, repository := range l.registry.Repositories {
			if err := yield(repository); err != nil {
				return err
			}
		}
		return nil
	}
	err := l.patiently(ctx, func() error { return l.Lister.ListRepositories(ctx, l.registry, yield) })
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.fail(fmt.Errorf("list repositories: %w", err))
	}
	return nil
}

// tags passes on what repositories hold: to found where the listing tells the
// digest, which saves a request for each, or else to be resolved.
func (l *list) tags(ctx context.Context, in <-chan string, unresolved, found chan<- model.ListedImage) error {
	for repository := range in {
		shown := 0
		yield := func(img model.ListedImage) error {
			shown++
			img.Repository = repository
			if !l.filters.takes(img) || !l.first(img) {
				return ctx.Err()
			}
			if img.Digest == "" {
				return send(ctx, unresolved, img)
			}
			return l.pass(ctx, img, found)
		}
		err := l.patiently(ctx, func() error { return l.Lister.ListTags(ctx, l.registry, repository, yield) })
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && (shown > 0 || !l.emptied(err)):
			l.fail(fmt.Errorf("list tags of %s: %w", repository, err))
		}
	}
	return nil
}

// pass hands on an image whose digest was told, if it is one.
func (l *list) pass(ctx context.Context, img model.ListedImage, found chan<- model.ListedImage) error {
	if _, err := model.ParseDigest(string(img.Digest)); err != nil {
		l.fail(fmt.Errorf("read %s: %w", nameOf(img), err))
		return nil
	}
	return send(ctx, found, img)
}

// count notes that the registry shows a repository.
func (l *list) count() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listed++
}

// emptied says that a repository of the catalog, of which nothing was shown, has
// no tags: registries answer "not found" when the last one was deleted. A
// repository that was asked for by name is expected to exist.
func (l *list) emptied(err error) bool {
	return len(l.registry.Repositories) == 0 && fault.KindOf(err) == fault.NotFound
}

// nameOf is "repository:tag", or "repository:@digest" without a tag.
func nameOf(img model.ListedImage) string { return img.Repository + ":" + tagOf(img) }

func tagOf(img model.ListedImage) string {
	if img.Tag == "" {
		return model.UntaggedTag(img.Digest)
	}
	return img.Tag
}

// first notes that the registry shows a tag; false when it did so before, as
// registries do when something is pushed between two pages.
func (l *list) first(img model.ListedImage) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := nameOf(img)
	if l.seen[name] {
		return false
	}
	l.seen[name] = true
	return true
}

func (l *list) resolve(ctx context.Context, in <-chan model.ListedImage, out chan<- model.ListedImage) error {
	for t := range in {
		var img model.ListedImage
		err := l.patiently(ctx, func() (err error) {
			img, err = l.Lister.ResolveTag(ctx, l.registry, t.Repository, t.Tag)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case fault.KindOf(err) == fault.NotFound && err != nil:
			l.vanished(t) // deleted between its listing and now
			continue
		case err != nil:
			l.fail(fmt.Errorf("read %s: %w", nameOf(t), err))
			continue
		}
		img.Repository, img.Tag = t.Repository, t.Tag
		if err := l.pass(ctx, img, out); err != nil {
			return err
		}
	}
	return nil
}

func (l *list) vanished(img model.ListedImage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, nameOf(img))
}

// gone are the tags that were known and that a complete listing did not show.
func (l *list) gone(ctx context.Context) ([]model.Tag, error) {
	known, err := l.Contents.Tags(ctx, l.registry.Name)
	if err != nil {
		return nil, err
	}
	var gone []model.Tag
	for _, t := range known {
		if !l.seen[t.Repository+":"+t.Tag] {
			gone = append(gone, t)
		}
	}
	return gone, nil
}

func send[T any](ctx context.Context, out chan<- T, v T) error {
	select {
	case out <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// listRun reads what a run's registry holds and ends the run's listing. A run
// whose listing is cut off by the daemon's end stays as it is and is listed
// again at the next start.
func (s *Service) listRun(ctx context.Context, run model.Run) error {
	st, err := s.Sources.Registry(ctx, run.Registry)
	if fault.KindOf(err) == fault.NotFound && err != nil {
		return nil // removed meanwhile, its runs with it
	}
	if err != nil {
		return errors.Join(err, s.Runs.EndListing(ctx, run.ID, model.ListingEnd{Problem: err.Error()}))
	}
	l := &list{
		Service: s, registry: st.Registry, run: run, filters: newFilters(st.Filters),
		seen: map[string]bool{}, digests: map[model.Digest]bool{}, children: map[model.Digest]bool{},
	}
	if err := l.read(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.fail(err)
	}
	end := model.ListingEnd{Problem: l.problem()}
	if end.Problem == "" {
		end.Warning = l.warning()
		if end.Gone, err = l.gone(ctx); err != nil {
			return err
		}
	}
	if err := s.Runs.EndListing(ctx, run.ID, end); err != nil {
		return err
	}
	l.report(ctx, len(end.Gone))
	return nil
}

func (l *list) report(ctx context.Context, gone int) {
	attrs := []any{"registry", l.registry.Name, "run", l.run.ID, "tags", len(l.seen), "digests", len(l.digests), "tags_gone", gone}
	switch {
	case l.problem() != "":
		l.Logger.WarnContext(ctx, "listing incomplete", append(attrs, "error", l.problem())...)
	case len(l.digests) == 0:
		l.Logger.WarnContext(ctx, "listing found nothing to scan", append(attrs, "filters", len(l.filters), "warning", l.warning())...)
	default:
		l.Logger.InfoContext(ctx, "listing complete", attrs...)
	}
}
