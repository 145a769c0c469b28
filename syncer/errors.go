package syncer

import "errors"

var (
	// ErrCorrupt says that stored or received bytes contradict their own hash or form.
	ErrCorrupt = errors.New("corrupt data")
	// ErrSignature says that a signature does not verify, or that its key is not trusted.
	ErrSignature = errors.New("signature not accepted")
	// ErrTooLarge says that a limit on received bytes was exceeded.
	ErrTooLarge = errors.New("limit exceeded")
	// ErrVersion says that the other side speaks a version or uses a mandatory
	// element that this side does not know.
	ErrVersion = errors.New("unsupported version")
)
