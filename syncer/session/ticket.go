package session

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/muster-sec/muster/syncer"
)

// ErrToken says that a join token cannot be read.
var ErrToken = errors.New("not a join token")

// maxToken bounds the text of a join token.
const maxToken = 4096

// JoinToken is what an administrator carries from the primary to a joining
// cluster: base64 of JSON with s, p and t, so that clients can read the address.
type JoinToken struct {
	Server string `json:"s"`
	Port   int    `json:"p"`
	Ticket Ticket `json:"t"`
}

// Ticket is the part that only the joiner reads. It is a secret.
type Ticket struct {
	// Federation is the id of the federation, Pin that of its CA.
	Federation string
	Pin        Pin
	// Token is the id under which the primary knows the public half of the key.
	Token string
	// Seed is that of the Ed25519 key. It never leaves the joiner.
	Seed [ed25519.SeedSize]byte
}

// NewTicket makes a ticket; the primary keeps only the public key.
func NewTicket(federation string, pin Pin, token string) (Ticket, ed25519.PublicKey, error) {
	t := Ticket{Federation: federation, Pin: pin, Token: token}
	if _, err := io.ReadFull(rand.Reader, t.Seed[:]); err != nil {
		return Ticket{}, nil, fmt.Errorf("session: make ticket: %w", err)
	}
	return t, t.key().Public().(ed25519.PublicKey), nil
}

// Trust returns what the joiner trusts at first contact.
func (t Ticket) Trust() Trust { return Trust{Federation: t.Federation, Pins: []Pin{t.Pin}} }

func (t Ticket) key() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(t.Seed[:]) }

// String hides the secret.
func (t Ticket) String() string { return fmt.Sprintf("ticket of token %q", t.Token) }

// GoString hides the secret.
func (t Ticket) GoString() string { return t.String() }

// ticketFields is the form of a ticket inside a token.
type ticketFields struct {
	Federation string `json:"f"`
	Pin        []byte `json:"c"`
	Token      string `json:"i"`
	Seed       []byte `json:"k"`
}

// MarshalJSON returns the ticket as one opaque string.
func (t Ticket) MarshalJSON() ([]byte, error) {
	inner, err := json.Marshal(ticketFields{Federation: t.Federation, Pin: t.Pin[:], Token: t.Token, Seed: t.Seed[:]})
	if err != nil {
		return nil, err
	}
	return json.Marshal(base64.RawURLEncoding.EncodeToString(inner))
}

// UnmarshalJSON reads the opaque string.
func (t *Ticket) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	inner, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	var f ticketFields
	if err := json.Unmarshal(inner, &f); err != nil {
		return err
	}
	if len(f.Pin) != len(t.Pin) || len(f.Seed) != len(t.Seed) || f.Federation == "" || f.Token == "" {
		return errors.New("ticket is incomplete")
	}
	t.Federation, t.Token = f.Federation, f.Token
	copy(t.Pin[:], f.Pin)
	copy(t.Seed[:], f.Seed)
	return nil
}

// Encode returns the token as text.
func (j JoinToken) Encode() (string, error) {
	b, err := json.Marshal(j)
	if err != nil {
		return "", fmt.Errorf("session: encode join token: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// ParseJoinToken reads a token; blanks and line ends around it do not matter.
// The error never repeats the text.
func ParseJoinToken(text string) (JoinToken, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxToken {
		return JoinToken{}, fmt.Errorf("session: %d characters: %w", len(text), errors.Join(ErrToken, syncer.ErrTooLarge))
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return JoinToken{}, fmt.Errorf("session: the text is not base64: copy the whole token: %w", ErrToken)
	}
	var j JoinToken
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&j); err != nil {
		return JoinToken{}, fmt.Errorf("session: the token's content is damaged: %w", ErrToken)
	}
	if j.Server == "" || j.Port < 1 || j.Port > 65535 || j.Ticket.Token == "" {
		return JoinToken{}, fmt.Errorf("session: the token names no primary: %w", ErrToken)
	}
	return j, nil
}
