package scanjob

import "context"

// Handle lets tests do one job without the loops of Run.
func (s *Service) Handle(ctx context.Context, job int64, keepAlive func() error) bool {
	return s.handle(ctx, job, keepAlive)
}
