package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
)

// The bounds of what a test lists, so that it answers while a person waits.
const (
	previewRepositories = 2000
	previewSample       = 5   // repositories whose tags are looked at
	previewTags         = 200 // of each
	previewNames        = 5   // that are shown
	previewWithin       = 30 * time.Second
)

// errEnough ends a listing that has shown what it is asked for.
var errEnough = errors.New("enough")

// preview is what the settings would select, as far as a bounded look tells.
type preview struct {
	registry model.Registry
	filters  filters

	listed, matched int      // repositories
	cut             bool     // there may be more of them
	sample          []string // the first that match
	others          []string // the first that do not
	tags, selected  int      // of the sample
	names           []string // the first that are selected
}

// sampled looks at a registry and tells what a run would select, as the last
// step of a test.
func (s *Service) sampled(ctx context.Context, r model.Registry) model.DiagnosisStep {
	ctx, cancel := context.WithTimeout(ctx, previewWithin)
	defer cancel()
	p := preview{registry: r, filters: newFilters(r.Filters)}
	err := p.repositories(ctx, s.Lister)
	for i := 0; err == nil && i < len(p.sample); i++ {
		err = p.tagsOf(ctx, s.Lister, p.sample[i])
	}
	step := model.DiagnosisStep{Name: "select", OK: true, Detail: p.detail()}
	switch {
	case errors.Is(err, context.DeadlineExceeded) && p.listed > 0:
		step.Detail += fmt.Sprintf("; the rest was not looked at within %s", previewWithin)
	case err != nil:
		step.OK, step.Detail, step.Hint = false, err.Error(), fault.HintOf(err)
	case p.selected == 0:
		step.Warning, step.Hint = p.warning()
	}
	return step
}

func (p *preview) repositories(ctx context.Context, lister Lister) error {
	known := map[string]bool{}
	yield := func(repository string) error {
		if known[repository] {
			return ctx.Err()
		}
		known[repository] = true
		p.listed++
		switch matches := p.filters.repository(repository); {
		case matches && len(p.sample) < previewSample:
			p.sample = append(p.sample, repository)
			fallthrough
		case matches:
			p.matched++
		case len(p.others) < previewNames:
			p.others = append(p.others, repository)
		}
		if p.listed == previewRepositories {
			p.cut = true
			return errEnough
		}
		return ctx.Err()
	}
	var err error
	if len(p.registry.Repositories) == 0 {
		err = lister.ListRepositories(ctx, p.registry, yield)
	}
	for i := 0; err == nil && i < len(p.registry.Repositories); i++ {
		err = yield(p.registry.Repositories[i])
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func (p *preview) tagsOf(ctx context.Context, lister Lister, repository string) error {
	seen := 0
	err := lister.ListTags(ctx, p.registry, repository, func(img model.ListedImage) error {
		img.Repository = repository
		seen++
		p.tags++
		if p.filters.takes(img) {
			if p.selected++; len(p.names) < previewNames {
				p.names = append(p.names, shownName(img))
			}
		}
		if seen == previewTags {
			return errEnough
		}
		return ctx.Err()
	})
	if errors.Is(err, errEnough) || seen == 0 && len(p.registry.Repositories) == 0 && fault.KindOf(err) == fault.NotFound {
		return nil // NotFound: its last tag was deleted
	}
	return err
}

func shownName(img model.ListedImage) string {
	if img.Tag == "" {
		return img.Repository + "@" + string(img.Digest)
	}
	return img.Repository + ":" + img.Tag
}

func (p *preview) detail() string {
	of := ""
	if p.cut {
		of = "the first "
	}
	text := fmt.Sprintf("%d of %s%d repositories match", p.matched, of, p.listed)
	if len(p.sample) > 0 {
		text += fmt.Sprintf("; %d of %d tags looked at in %d of them", p.selected, p.tags, len(p.sample))
	}
	if len(p.names) > 0 {
		text += ": " + strings.Join(p.names, ", ")
	}
	if p.selected > len(p.names) {
		text += ", …"
	}
	return text
}

func (p *preview) warning() (warning, hint string) {
	switch {
	case p.listed == 0:
		return "the registry lists no repository", "if it hides its catalog, name repositories; or the credential sees none"
	case p.matched == 0:
		return "no repository matches the filters: nothing would be scanned", "the registry has for instance " + strings.Join(p.others, ", ")
	case p.tags == 0:
		return "the repositories looked at have no tags", "push an image, or look at what the filters select"
	}
	return "no tag looked at matches the filters", "a filter is REPOSITORY[:TAG]; without a tag part it selects every tag"
}
