package admission

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// resolved is what is known of one image reference.
type resolved struct {
	ref        *policy.Reference // nil when it cannot be read
	candidates []policy.Facts    // at least one
	results    []policy.KnownVerdict
	withCVEs   bool // whether the finding lists were looked up
}

// resolve finds the images that may run under a reference, with their facts.
// withCVEs loads the finding lists too.
func (s *Service) resolve(ctx context.Context, image string, withCVEs bool) (resolved, error) {
	ref, err := policy.ParseReference(image)
	if err != nil {
		// An answer too: rules see an image that cannot be read.
		return resolved{candidates: []policy.Facts{{}}, withCVEs: withCVEs}, nil
	}
	res := resolved{ref: &ref, withCVEs: withCVEs}
	digests, err := s.digests(ctx, ref)
	if err != nil {
		return resolved{}, err
	}
	seen := map[model.Digest]bool{}
	for _, d := range digests {
		known, err := s.o.Results.Verdicts(ctx, d)
		if err != nil {
			return resolved{}, err
		}
		// Asked second: a child that gets its result in between is unscanned once
		// more, never left out.
		children, err := s.o.Results.Children(ctx, d)
		if err != nil {
			return resolved{}, err
		}
		for _, v := range known {
			if !seen[v.Digest] {
				res.results = append(res.results, v)
			}
		}
		for _, group := range imagesOf(d, children, known) {
			if seen[group.digest] {
				continue // an index and its child may both stand behind a name
			}
			seen[group.digest] = true
			facts, err := s.facts(ctx, group, withCVEs)
			if err != nil {
				return resolved{}, err
			}
			res.candidates = append(res.candidates, facts)
		}
	}
	if len(res.candidates) == 0 {
		res.candidates = []policy.Facts{{}}
	}
	sortResults(res.results)
	return res, nil
}

// digests are what the reference names: its digest, or all that its tag points to.
func (s *Service) digests(ctx context.Context, ref policy.Reference) ([]model.Digest, error) {
	if ref.Digest != "" {
		return []model.Digest{ref.Digest}, nil
	}
	var digests []model.Digest
	for _, host := range ref.Hosts() {
		found, err := s.o.Results.TagDigests(ctx, host, ref.Repository, ref.Tag)
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			if !slices.Contains(digests, d) {
				digests = append(digests, d)
			}
		}
	}
	return digests, nil
}

// image is the results for one digest.
type image struct {
	digest   model.Digest
	verdicts []policy.KnownVerdict
}

// imagesOf sorts the results under a digest into images: the digest itself, or
// its children when it is an index, those without a result too: a node may run
// any of them. What a pipeline said of the index holds for each: nobody knows
// which child it looked at.
func imagesOf(digest model.Digest, children []model.Digest, known []policy.KnownVerdict) []image {
	var images []image
	var whole []policy.KnownVerdict
	for _, child := range children {
		images = append(images, image{digest: child})
	}
	for _, v := range known {
		if v.Digest == digest {
			whole = append(whole, v)
			continue
		}
		i := slices.IndexFunc(images, func(im image) bool { return im.digest == v.Digest })
		if i < 0 {
			i = len(images)
			images = append(images, image{digest: v.Digest})
		}
		images[i].verdicts = append(images[i].verdicts, v)
	}
	if len(images) == 0 {
		return []image{{digest: digest, verdicts: whole}}
	}
	for i := range images {
		images[i].verdicts = append(images[i].verdicts, whole...)
	}
	return images
}

// facts merges the results of one image. The counts are those of our own scan;
// without one, or where it could not judge everything, the greatest that anybody
// reports, severity by severity: a lower bound of their union that needs no
// finding list.
func (s *Service) facts(ctx context.Context, im image, withCVEs bool) (policy.Facts, error) {
	f := policy.Facts{Digest: im.digest}
	var counted []policy.KnownVerdict
	if own, ok := newestScan(im.verdicts); ok {
		f.Scanned, f.Counts, f.Incomplete = policy.ScannedOwn, own.Counts, own.Incomplete
		if own.SecretsSought {
			f.Secrets = &own.Secrets
		}
		if own.SetIDsSought {
			f.SetIDs = &own.SetIDs
		}
		counted = append(counted, own)
	}
	for _, v := range im.verdicts {
		if v.Source != model.SourceCI {
			continue
		}
		counted = append(counted, v)
		f.Most = greatest(f.Most, v.Counts)
		if f.Scanned != policy.ScannedOwn {
			f.Scanned = policy.ScannedCI
		}
		if f.Scanned == policy.ScannedCI || f.Incomplete {
			f.Counts = greatest(f.Counts, v.Counts)
		}
	}
	if !withCVEs {
		f.CVEs.Partial = true
		return f, nil
	}
	for _, v := range counted {
		if v.Counts == (model.Counts{}) {
			continue // nothing was found, so there is nothing to wait for
		}
		cves, ok, err := s.cveList(ctx, v.Findings)
		switch {
		case err != nil:
			return policy.Facts{}, err
		case !ok:
			f.CVEs.Partial = true
		case !slices.Contains(f.CVEs.Lists, cves):
			f.CVEs.Lists = append(f.CVEs.Lists, cves)
		}
	}
	return f, nil
}

func (s *Service) cveList(ctx context.Context, hash string) (*policy.CVEList, bool, error) {
	if cves, ok := s.cves.get(hash); ok {
		return cves, true, nil
	}
	found, ok, err := s.o.Results.CVEs(ctx, hash)
	if err != nil || !ok {
		return nil, false, err
	}
	cves := policy.NewCVEList(found)
	s.cves.put(hash, cves)
	return cves, true, nil
}

// newestScan is our own scan of an image that knows most: this cluster and the
// primary may both have scanned it.
func newestScan(verdicts []policy.KnownVerdict) (policy.KnownVerdict, bool) {
	own := slices.DeleteFunc(slices.Clone(verdicts), func(v policy.KnownVerdict) bool { return v.Source != model.SourceScan })
	if len(own) == 0 {
		return policy.KnownVerdict{}, false
	}
	return slices.MaxFunc(own, func(a, b policy.KnownVerdict) int { return asOf(a).Compare(asOf(b)) }), true
}

// asOf is when a result was last made certain: a re-match with a newer
// vulnerability database counts like a scan.
func asOf(v policy.KnownVerdict) time.Time {
	if v.DB.UpdatedAt.After(v.ScannedAt) {
		return v.DB.UpdatedAt
	}
	return v.ScannedAt
}

func greatest(a, b model.Counts) model.Counts {
	return model.Counts{
		Critical: max(a.Critical, b.Critical), High: max(a.High, b.High), Medium: max(a.Medium, b.Medium),
		Low: max(a.Low, b.Low), Unknown: max(a.Unknown, b.Unknown),
		CriticalFix: max(a.CriticalFix, b.CriticalFix), HighFix: max(a.HighFix, b.HighFix), MediumFix: max(a.MediumFix, b.MediumFix),
	}
}

// unscanned says whether some image behind the reference has no result.
func (r resolved) unscanned() bool {
	return slices.ContainsFunc(r.candidates, func(f policy.Facts) bool { return f.Scanned == policy.ScannedNot })
}

// sortResults puts own scans before CI results and newer before older.
func sortResults(results []policy.KnownVerdict) {
	slices.SortStableFunc(results, func(a, b policy.KnownVerdict) int {
		return cmp.Or(-cmp.Compare(a.Source, b.Source), asOf(b).Compare(asOf(a)))
	})
}
