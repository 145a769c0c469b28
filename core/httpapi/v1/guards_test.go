package v1_test

import (
	"github.com/muster-sec/muster/core/admission"
	"github.com/muster-sec/muster/core/federation"
	"github.com/muster-sec/muster/core/fleet"
	"github.com/muster-sec/muster/core/httpapi"
	v1 "github.com/muster-sec/muster/core/httpapi/v1"
	"github.com/muster-sec/muster/core/httpapi/webhook"
	"github.com/muster-sec/muster/core/identity"
	"github.com/muster-sec/muster/core/intake"
	"github.com/muster-sec/muster/core/registry"
	"github.com/muster-sec/muster/core/store"
)

// The services that the daemon wires fit the interfaces of the handlers.
var (
	_ httpapi.Authenticator = (*identity.Service)(nil)
	_ v1.Sessions           = (*identity.Service)(nil)
	_ v1.Accounts           = (*identity.Service)(nil)
	_ v1.APIKeys            = (*identity.Service)(nil)
	_ v1.Images             = (*fleet.Service)(nil)
	_ v1.Results            = (*intake.Service)(nil)
	_ v1.Rules              = (*admission.Service)(nil)
	_ v1.Admission          = (*admission.Service)(nil)
	_ webhook.Reviewer      = (*admission.Service)(nil)
	_ v1.AuditTrail         = (*store.Store)(nil)
	_ v1.Registries         = (*registry.Service)(nil)
	_ v1.RegistryRuns       = (*registry.Service)(nil)
	_ v1.Federation         = (*federation.Service)(nil)
	_ v1.FedSettings        = (*federation.Service)(nil)
	_ v1.Tokens             = (*federation.Service)(nil)
	_ v1.Clusters           = (*federation.Service)(nil)
)
