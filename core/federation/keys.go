package federation

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/syncer/session"
)

// The names of the secrets that are kept.
const (
	secretAuthority  = "authority"  // of a primary: authority
	secretCredential = "credential" // of a managed cluster: credential
	secretPending    = "pending"    // of a join under way: pendingJoin
)

// authority is what makes a cluster the primary of its federation.
type authority struct {
	CACert     []byte             `json:"ca_cert"`
	CAKey      ed25519.PrivateKey `json:"ca_key"`
	ContentKey ed25519.PrivateKey `json:"content_key"`
}

// credential is what a managed cluster proves itself with, and what it trusts.
type credential struct {
	Chain      [][]byte           `json:"chain"`
	Key        ed25519.PrivateKey `json:"key"`
	CAPins     []session.Pin      `json:"ca_pins"`
	ContentKey ed25519.PublicKey  `json:"content_key"`
}

// pendingJoin is what a join needs to be repeated after a crash. The ticket is
// stored in the form of its token.
type pendingJoin struct {
	Token string             `json:"token"`
	Name  string             `json:"name"`
	Key   ed25519.PrivateKey `json:"key"`
}

// vault keeps values sealed under names.
type vault struct {
	secrets Secrets
	sealer  Sealer
}

func (v vault) seal(name string, value any) ([]byte, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("federation: encode %s: %w", name, err)
	}
	sealed, err := v.sealer.Seal(body)
	if err != nil {
		return nil, fmt.Errorf("federation: seal %s: %w", name, err)
	}
	return sealed, nil
}

func (v vault) keep(ctx context.Context, name string, value any) error {
	sealed, err := v.seal(name, value)
	if err != nil {
		return err
	}
	return v.secrets.SetFedSecret(ctx, name, sealed)
}

func (v vault) forget(ctx context.Context, name string) error {
	return v.secrets.SetFedSecret(ctx, name, nil)
}

// load reads a secret into value; it fails with fault.NotFound when there is none.
func (v vault) load(ctx context.Context, name string, value any) error {
	sealed, err := v.secrets.FedSecret(ctx, name)
	if err != nil {
		return err
	}
	body, err := v.sealer.Open(sealed)
	if err != nil {
		return fault.New(fault.Internal, "federation: open %s: %w", name, err).
			WithHint("the key file that sealed it is not the one in use: restore the key file that belongs to this database")
	}
	if err := json.Unmarshal(body, value); err != nil {
		return fmt.Errorf("federation: decode %s: %w", name, err)
	}
	return nil
}

// newID makes a random id: 32 hex digits.
func newID() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("federation: make an id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}
