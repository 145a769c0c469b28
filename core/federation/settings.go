package federation

import (
	"context"
	"fmt"

	"github.com/muster-sec/muster/core/model"
)

// Settings gives the federation's switches, on a managed cluster as the primary
// set them. Outside a federation all are off.
func (s *Service) Settings(ctx context.Context) (model.FedSettings, error) {
	return s.o.Store.Switches.FedSettings(ctx)
}

// SetSettings sets the switches for the whole federation, on its primary.
func (s *Service) SetSettings(ctx context.Context, actor model.Actor, settings model.FedSettings) (err error) {
	defer func() {
		s.audit(ctx, actor, "federation.settings", fmt.Sprintf("sync_ci_results=%t", settings.SyncCIResults), err)
	}()
	if err := allow(actor, model.FedWrite, "change the federation's settings"); err != nil {
		return err
	}
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	if _, err := s.as(ctx, model.Primary); err != nil {
		return err
	}
	return s.o.Store.Switches.SetFedSettings(ctx, settings)
}
