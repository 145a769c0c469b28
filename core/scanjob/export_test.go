package scanjob

import (
	"context"

	"github.com/muster-sec/muster/core/model"
)

// Handle lets tests do one job without the loops of Run.
func (s *Service) Handle(ctx context.Context, job int64, keepAlive func() error) bool {
	return s.handle(ctx, job, keepAlive)
}

// Save lets benchmarks write results without a scanner.
func (s *Service) Save(ctx context.Context, job model.Job, found Found) error {
	return s.save(ctx, job, found)
}
