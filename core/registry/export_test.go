package registry

import (
	"context"
	"time"
)

// StartPushed is what the loop of Run does about pushes.
func (s *Service) StartPushed(ctx context.Context) time.Duration { return s.startPushed(ctx) }
