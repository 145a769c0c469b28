package registry

import (
	"context"

	"github.com/muster-sec/muster/core/model"
)

// attestation is why an entry of an index that is no image is not scanned.
const attestation = "an attestation or another artifact, not an image"

// judge says what a run must do about a digest. It decides from what is known
// alone: the same knowledge gives the same answer however often it is asked.
func (s *Service) judge(it model.ListedItem, k model.DigestState) model.ListedItem {
	switch {
	case k.Status == model.ImageUnsupported && !k.Attached:
		it.State, it.Reason = model.JobUnsupported, k.Reason
	case k.Status == model.ImageFinished && k.Analyzers == s.Analyzers && !k.Stale:
		it.State = model.JobUnchanged
	default:
		it.State = model.JobQueued
	}
	return it
}

// expand replaces an index by its children of the selected platforms.
func (s *Service) expand(repository string, platforms []string, ix model.Index, known map[model.Digest]model.DigestState) []model.ListedItem {
	items := []model.ListedItem{{Repository: repository, Digest: ix.Digest, State: model.JobExpanded}}
	for _, c := range ix.Children {
		it := model.ListedItem{Repository: repository, Digest: c.Digest, Platform: c.Platform}
		switch {
		case c.Platform == (model.Platform{OS: "unknown", Architecture: "unknown"}):
			it.State, it.Reason, it.Attached = model.JobUnsupported, attestation, true
		case !selects(platforms, c.Platform):
			continue
		default:
			it.MediaType = imageMediaType
			it = s.judge(it, known[c.Digest])
		}
		items = append(items, it)
	}
	return items
}

// imageMediaType marks children: whoever listed them saw that they are images.
const imageMediaType = "application/vnd.oci.image.manifest.v1+json"

// account decides about digests that a listing found and writes the outcome. It
// returns the multi-platform images among them that are known.
func (s *Service) account(ctx context.Context, r model.Registry, f model.ListedPart) ([]model.Index, error) {
	digests := make([]model.Digest, 0, len(f.Items))
	for _, it := range f.Items {
		digests = append(digests, it.Digest)
	}
	known, err := s.Contents.Known(ctx, digests)
	if err != nil {
		return nil, err
	}
	for _, ix := range f.Indexes {
		known[ix.Digest] = model.DigestState{Index: &ix}
	}
	children, err := s.childrenOf(ctx, known)
	if err != nil {
		return nil, err
	}
	items := make([]model.ListedItem, 0, len(f.Items))
	f.Indexes = nil
	for _, it := range f.Items {
		k := known[it.Digest]
		if k.Index == nil {
			items = append(items, s.judge(it, k))
			continue
		}
		f.Indexes = append(f.Indexes, *k.Index)
		items = append(items, s.expand(it.Repository, r.Platforms, *k.Index, children)...)
	}
	f.Items = items
	queued, err := s.Contents.AddListed(ctx, f)
	if err != nil {
		return nil, err
	}
	s.announce(ctx, queued)
	return f.Indexes, nil
}

// childrenOf is what is known of the children of all indexes in known.
func (s *Service) childrenOf(ctx context.Context, known map[model.Digest]model.DigestState) (map[model.Digest]model.DigestState, error) {
	var digests []model.Digest
	for _, k := range known {
		if k.Index == nil {
			continue
		}
		for _, c := range k.Index.Children {
			digests = append(digests, c.Digest)
		}
	}
	if len(digests) == 0 {
		return nil, nil
	}
	return s.Contents.Known(ctx, digests)
}

// announce tells workers of new jobs. A job that cannot be announced is not
// lost: its row waits, and the rows are announced again from time to time.
func (s *Service) announce(ctx context.Context, jobs []int64) {
	for _, id := range jobs {
		if err := s.Queue.Publish(ctx, id); err != nil {
			s.Logger.WarnContext(ctx, "job not announced", "job", id, "error", err)
			return
		}
	}
}

// Expand accounts for the children of a multi-platform image that a scan met,
// in place of the image itself.
func (s *Service) Expand(ctx context.Context, run int64, registry, repository string, ix model.Index) error {
	r, err := s.Sources.Registry(ctx, registry)
	if err != nil {
		return err
	}
	_, err = s.account(ctx, r.Registry, model.ListedPart{
		Run: run, Registry: registry, Items: []model.ListedItem{{Repository: repository, Digest: ix.Digest}}, Indexes: []model.Index{ix},
	})
	return err
}
