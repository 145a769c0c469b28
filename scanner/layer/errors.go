package layer

import "errors"

// Errors that say why a layer could not be read. Exceeded bounds are errors of
// package limit.
var (
	// ErrDigest says that a blob or its unpacked tar is not what its digest names.
	ErrDigest = errors.New("layer: content does not match its digest")
	// ErrMalformed says that the compression or the tar is broken or ends early.
	ErrMalformed = errors.New("layer: malformed archive")
	// ErrCompression says that a layer is packed in a way that is not read. Images
	// have gzip and zstd (OCI image specification, layer media types); container
	// runtimes refuse the rest too.
	ErrCompression = errors.New("layer: compression not supported")
)
