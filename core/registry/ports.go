// Package registry keeps the sources of images: their settings, their cron
// schedules, their listings and what a listing means for the scans to do.
package registry

import (
	"context"

	"github.com/muster-sec/muster/core/model"
)

// Lister asks a registry plugin. Each call ends with its context; yield's
// error stops a listing and is returned.
type Lister interface {
	ListRepositories(ctx context.Context, r model.Registry, yield func(repository string) error) error
	ListTags(ctx context.Context, r model.Registry, repository string, yield func(tag string) error) error
	ResolveTag(ctx context.Context, r model.Registry, repository, tag string) (model.ListedImage, error)
	Test(ctx context.Context, r model.Registry) ([]model.DiagnosisStep, error)
	Types() []string
}
