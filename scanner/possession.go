package scanner

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/muster-sec/muster/scanner/pull"
)

const (
	// maxProofs bounds what is remembered; a proof that is forgotten costs one
	// request.
	maxProofs = 100_000
	// maxAsked bounds the questions about layers under way, over all images: they
	// are small, and a registry's limits on requests are not.
	maxAsked = 16
)

// possession remembers which repositories have shown that they hold a layer.
// An analysis of the cache counts only for those: whoever knows the digests of
// somebody else's image could otherwise push a manifest that names them, and be
// told what is inside.
//
// Credentials are not part of it. Registries grant access by repository, and the
// image's manifest has just been read from this one with the credentials at hand.
type possession struct {
	asking chan struct{}
	mu     sync.Mutex
	proofs map[[sha256.Size]byte]struct{}
}

func newPossession() *possession {
	return &possession{asking: make(chan struct{}, maxAsked), proofs: map[[sha256.Size]byte]struct{}{}}
}

// proved says whether the image's repository has the n-th layer, and asks it if
// that is not known.
func (p *possession) proved(ctx context.Context, image *pull.Image, n int) bool {
	at := place(image, n)
	p.mu.Lock()
	_, known := p.proofs[at]
	p.mu.Unlock()
	if known {
		return true
	}
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	case <-ctx.Done():
		return false
	}
	if !image.Holds(ctx, n) {
		return false
	}
	p.note(image, n)
	return true
}

// note remembers that the image's repository has the n-th layer.
func (p *possession) note(image *pull.Image, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.proofs) >= maxProofs {
		clear(p.proofs)
	}
	p.proofs[place(image, n)] = struct{}{}
}

// place names a layer in a repository in few bytes. None of its parts holds a
// zero byte.
func place(image *pull.Image, n int) [sha256.Size]byte {
	return sha256.Sum256([]byte(image.Origin() + "\x00" + image.Repository() + "\x00" + image.Manifest.Layers[n].Digest.String()))
}
