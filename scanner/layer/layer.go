// Package layer reads one layer of an image as a stream: it unpacks and hashes
// while walking the tar, hands the few files that analyzers want to them, and
// writes nothing anywhere. Nothing it found counts unless the digests of both
// the blob and the unpacked tar are right at the end.
package layer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/spool"
)

// Blob is one layer as it comes from a registry.
type Blob struct {
	// Digest and DiffID name the blob and its unpacked tar ("sha256:…"). An empty
	// DiffID is not checked.
	Digest, DiffID string
	// Body is the blob: a tar, plain or compressed with gzip or zstd. The
	// compression is told by its first bytes, because media types lie.
	Body io.Reader
}

// Reader analyses layers. It is safe for concurrent use.
type Reader struct {
	analyzers   []analyze.Analyzer
	fingerprint string
	limits      limit.Limits
	memory      *spool.Budget
	// wide is taken by a layer whose decoder needs much memory.
	wide chan struct{}
}

// New returns a reader that runs the analyzers within the limits.
func New(analyzers []analyze.Analyzer, limits limit.Limits) *Reader {
	limits = limits.WithDefaults()
	return &Reader{
		analyzers:   analyzers,
		fingerprint: analyze.Fingerprint(analyzers),
		limits:      limits,
		memory:      spool.New(limits.HeldBytes),
		wide:        make(chan struct{}, 1),
	}
}

// Key returns the key under which the analysis of the blob with this digest may
// be kept.
func (r *Reader) Key(digest string) inventory.LayerKey {
	return inventory.LayerKey{Digest: digest, Analyzers: r.fingerprint}
}

// Analyze reads the blob to its end. It returns ErrDigest, ErrMalformed, an
// error of package limit, or what reading the body returned. When the archive
// is broken and the digest is wrong too, the digest is what it complains of.
func (r *Reader) Analyze(ctx context.Context, blob Blob) (inventory.LayerAnalysis, error) {
	in := readAhead(limit.Reader(blob.Body, "layer_bytes", r.limits.LayerBytes))
	defer in.close()
	analysis, err := r.unpack(ctx, in, blob.DiffID)
	if errors.Is(err, limit.ErrExceeded) || ctx.Err() != nil || in.err != nil {
		return inventory.LayerAnalysis{}, errors.Join(context.Cause(ctx), firstOf(in.err, err))
	}
	if _, drainErr := io.Copy(io.Discard, in); drainErr != nil {
		return inventory.LayerAnalysis{}, fmt.Errorf("layer: read %s: %w", blob.Digest, drainErr)
	}
	if got := in.digest(); got != blob.Digest {
		return inventory.LayerAnalysis{}, fmt.Errorf("%w: blob is %s, expected %s", ErrDigest, got, blob.Digest)
	}
	if err != nil {
		return inventory.LayerAnalysis{}, fmt.Errorf("layer: %s: %w", blob.Digest, err)
	}
	analysis.Key = r.Key(blob.Digest)
	analysis.Stats.Compressed = in.n
	return analysis, nil
}

// unpack walks the tar inside the stream and reads the stream's own end.
func (r *Reader) unpack(ctx context.Context, in *ahead, diffID string) (inventory.LayerAnalysis, error) {
	tarStream, closeStream, err := r.decompress(ctx, in)
	if err != nil {
		return inventory.LayerAnalysis{}, err
	}
	defer closeStream()
	out := hashBehind(&ratioReader{r: tarStream, in: in, limits: r.limits})
	w := newWalk(r.analyzers, r.limits, r.memory)
	err = w.run(ctx, out)
	if err == nil {
		// A tar ends with zeros that the walk does not read; they belong to the diff ID.
		_, err = io.Copy(io.Discard, out)
	}
	out.close()
	if err != nil {
		return inventory.LayerAnalysis{}, classify(err, in, out)
	}
	got := out.digest()
	if diffID != "" && got != diffID {
		return inventory.LayerAnalysis{}, fmt.Errorf("%w: unpacked tar is %s, the image says %s", ErrDigest, got, diffID)
	}
	analysis := w.finish()
	analysis.DiffID = got
	analysis.Stats.Uncompressed = out.n
	return analysis, nil
}

// classify tells a broken archive from a bound or a source that failed.
func classify(err error, in *ahead, out *behind) error {
	if errors.Is(err, limit.ErrExceeded) || in.err != nil {
		return err
	}
	return fmt.Errorf("%w after %d unpacked bytes: %w", ErrMalformed, out.n, err)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// ratioReader bounds what comes out of a decompressor, absolutely and relative
// to what went in.
type ratioReader struct {
	r      io.Reader
	in     *ahead
	limits limit.Limits
	n      int64
}

func (r *ratioReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.n += int64(n)
	if err := limit.Check("unpacked_bytes", r.limits.UnpackedBytes, r.n); err != nil {
		return n, err
	}
	if r.n > r.limits.RatioFloor {
		if err := limit.Check("ratio", r.limits.Ratio, r.n/max(1, r.in.n)); err != nil {
			return n, err
		}
	}
	return n, err
}
