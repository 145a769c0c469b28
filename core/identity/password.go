package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost is what one argon2id hash takes.
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// DefaultCost is OWASP's first choice for argon2id: 46 MiB, one pass.
func DefaultCost() Cost { return Cost{MemoryKiB: 46 << 10, Passes: 1, Lanes: 1} }

// Bounds of what a stored hash may ask for, so that a damaged row cannot take
// the machine's memory.
const (
	maxMemoryKiB = 1 << 20
	maxPasses    = 64
	saltBytes    = 16
	hashBytes    = 32
)

var errHash = errors.New("not a stored password hash")

// hasher makes and verifies password hashes, only so many at a time: each
// takes its cost in memory, and logins are open to anybody.
type hasher struct {
	cost  Cost
	slots chan struct{}
	dummy string // verified against for an unknown user, at equal cost
}

func newHasher(cost Cost) (*hasher, error) {
	if cost.MemoryKiB == 0 || cost.MemoryKiB > maxMemoryKiB || cost.Passes == 0 || cost.Passes > maxPasses || cost.Lanes == 0 {
		return nil, fmt.Errorf("identity: password cost %+v is out of bounds", cost)
	}
	salt, sum := make([]byte, saltBytes), make([]byte, hashBytes)
	return &hasher{
		cost:  cost,
		slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0)/2)),
		dummy: encodeHash(cost, salt, sum), // no password is known to hash to zeros
	}, nil
}

// hash makes a stored hash, with its parameters in the PHC text form.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails: the runtime ends the process instead
	sum, err := h.derive(ctx, h.cost, password, salt, hashBytes)
	if err != nil {
		return "", err
	}
	return encodeHash(h.cost, salt, sum), nil
}

// verify says whether the password is the one that was stored.
func (h *hasher) verify(ctx context.Context, password, stored string) (bool, error) {
	cost, salt, want, err := decodeHash(stored)
	if err != nil {
		return false, fmt.Errorf("identity: read a stored password: %w", err)
	}
	got, err := h.derive(ctx, cost, password, salt, len(want))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// outdated says whether a stored hash was made at another cost.
func (h *hasher) outdated(stored string) bool {
	cost, _, _, err := decodeHash(stored)
	return err == nil && cost != h.cost
}

func (h *hasher) derive(ctx context.Context, cost Cost, password string, salt []byte, size int) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(password), salt, cost.Passes, cost.MemoryKiB, cost.Lanes, uint32(size)), nil
}

func encodeHash(c Cost, salt, sum []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.MemoryKiB, c.Passes, c.Lanes,
		b64.EncodeToString(salt), b64.EncodeToString(sum))
}

func decodeHash(stored string) (c Cost, salt, sum []byte, err error) {
	fields := strings.Split(stored, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return Cost{}, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &c.MemoryKiB, &c.Passes, &c.Lanes); err != nil {
		return Cost{}, nil, nil, errHash
	}
	if c.MemoryKiB == 0 || c.MemoryKiB > maxMemoryKiB || c.Passes == 0 || c.Passes > maxPasses || c.Lanes == 0 {
		return Cost{}, nil, nil, errHash
	}
	salt, errSalt := base64.RawStdEncoding.DecodeString(fields[4])
	sum, errSum := base64.RawStdEncoding.DecodeString(fields[5])
	if errSalt != nil || errSum != nil || len(salt) < 8 || len(sum) < 16 || len(sum) > 64 {
		return Cost{}, nil, nil, errHash
	}
	return c, salt, sum, nil
}
