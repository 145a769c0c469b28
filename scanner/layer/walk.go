package layer

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/spool"
)

// maxProblems bounds how many files that could not be read a layer reports.
const maxProblems = 100

// leastCost is what a file counts at least towards KeptBytes: however small it
// is, a package set of it is kept. An analyzer that streams bounds by itself what
// it keeps, and most of its files give nothing.
const leastCost = 2048

// walk is the passage through the tar of one layer.
type walk struct {
	analyzers []analyze.Analyzer
	runs      []analyze.Run
	limits    limit.Limits
	memory    *spool.Budget
	result    inventory.LayerAnalysis
	kept      int64
	unnamed   int
}

func newWalk(analyzers []analyze.Analyzer, limits limit.Limits, memory *spool.Budget) *walk {
	w := &walk{analyzers: analyzers, limits: limits, memory: memory}
	for _, a := range analyzers {
		w.runs = append(w.runs, a.Begin())
	}
	return w
}

// run walks the tar to its end marker.
func (w *walk) run(ctx context.Context, r io.Reader) error {
	tr := tar.NewReader(r)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return err
		}
		w.result.Stats.Entries++
		if err := limit.Check("entries", int64(w.limits.Entries), int64(w.result.Stats.Entries)); err != nil {
			return err
		}
		if err := w.entry(ctx, hdr, tr); err != nil {
			return err
		}
	}
}

func (w *walk) entry(ctx context.Context, hdr *tar.Header, body io.Reader) error {
	if err := limit.Check("path_bytes", int64(w.limits.PathBytes), int64(len(hdr.Name))); err != nil {
		return err
	}
	name, ok := CleanPath(hdr.Name)
	if !ok {
		w.problem(hdr.Name, "", "path leads out of the image; container runtimes refuse such a layer")
		return nil
	}
	if kind, target := whiteout(name); kind != notWhiteout {
		if err := w.keep(int64(len(target))); err != nil {
			return err
		}
		if kind == opaque {
			w.result.Opaque = append(w.result.Opaque, target)
		} else {
			w.result.Whiteouts = append(w.result.Whiteouts, target)
		}
		return nil
	}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
	default:
		return nil // directories and links carry no content
	}
	return w.file(ctx, analyze.File{Path: name, Size: hdr.Size, Mode: hdr.FileInfo().Mode()}, body, sparse(hdr))
}

// sparse reports whether the tar may store fewer bytes of the file than it has
// (GNU's formats: the old one, and 0.0, 0.1 and 1.0 in PAX records).
func sparse(hdr *tar.Header) bool {
	if hdr.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// file hands a regular file to the analyzers that want it. The holes of a sparse
// one come from nowhere, past the bounds of what is unpacked, so it counts with
// its whole size even where it is only streamed.
func (w *walk) file(ctx context.Context, f analyze.File, body io.Reader, sparse bool) error {
	var wanted []int
	streamed := true
	for i, a := range w.analyzers {
		switch {
		case !a.Required(f):
		case glances(a):
			w.read(i, f, eof{})
		default:
			wanted = append(wanted, i)
			streamed = streamed && streams(a)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	cost := int64(len(f.Path))
	if !streamed {
		if err := limit.Check("file_bytes", w.limits.FileBytes, f.Size); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		cost += max(f.Size, leastCost)
	} else if sparse {
		cost += f.Size
	}
	if err := w.keep(cost); err != nil {
		return err
	}
	w.result.Stats.Files++
	source := &sourceReader{r: body}
	spooled := w.memory.Body(ctx, source, f.Size)
	if len(wanted) == 1 {
		w.read(wanted[0], f, spooled)
		return source.err
	}
	shared, open, err := spool.Share(spooled, f.Size, "held_bytes")
	if source.err != nil {
		return source.err
	}
	if err != nil {
		w.problem(f.Path, "", err.Error())
		return nil
	}
	for _, i := range wanted {
		w.read(i, f, open())
	}
	return shared.Close()
}

// streams reports whether an analyzer reads files of any size in bounded memory.
func streams(a analyze.Analyzer) bool {
	s, ok := a.(analyze.Streamer)
	return ok && s.Streams()
}

// glances reports whether an analyzer never looks at a file's content.
func glances(a analyze.Analyzer) bool {
	g, ok := a.(analyze.Glancer)
	return ok && g.Glances()
}

// eof is an empty reader.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// read lets one analyzer read a file. What it cannot understand is noted, and
// the walk goes on: one broken file must not hide the rest of an image.
func (w *walk) read(i int, f analyze.File, body io.Reader) {
	err := contained(func() error { return w.runs[i].Read(f, body) })
	if err != nil {
		w.problem(f.Path, w.analyzers[i].Name(), err.Error())
	}
}

// contained turns a panic into an error. Analyzers hand bytes that anybody may
// have written to parsers of other people; a daemon must outlive them.
func contained(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("layer: the analyzer failed: %v", r)
		}
	}()
	return f()
}

func (w *walk) keep(n int64) error {
	w.kept += n
	return limit.Check("kept_bytes", w.limits.KeptBytes, w.kept)
}

func (w *walk) problem(name, analyzer, reason string) {
	if len(w.result.Problems) >= maxProblems {
		w.unnamed++
		return
	}
	w.result.Problems = append(w.result.Problems, inventory.Problem{
		Path:     strings.ToValidUTF8(name, "\uFFFD"),
		Analyzer: analyzer,
		Reason:   strings.ToValidUTF8(reason, "\uFFFD"),
	})
}

// finish collects what the analyzers found, without language packages that
// belong to packages of the operating system.
func (w *walk) finish() inventory.LayerAnalysis {
	results := make([]analyze.Result, 0, len(w.runs))
	for i, r := range w.runs {
		var result analyze.Result
		err := contained(func() error { result = r.Result(); return nil })
		if err != nil {
			w.problem("", w.analyzers[i].Name(), err.Error())
		}
		results = append(results, result)
	}
	for _, r := range results {
		w.result.OS = append(w.result.OS, r.OS...)
		for _, s := range r.Sightings {
			// What a distribution's package contains is public, whatever it looks like.
			if s.Kind == inventory.SecretSighting && owned(results, s.Path) {
				continue
			}
			s.Path = strings.ToValidUTF8(s.Path, "\uFFFD")
			w.result.Sightings = append(w.result.Sightings, s)
		}
		w.result.Build = mergeBuilds(w.result.Build, r.Build)
		for _, s := range r.Sets {
			if !s.Set.Ecosystem.IsOS() {
				if owned(results, s.Path) {
					continue
				}
				// A bill of materials tells where its packages lie.
				s.Set.Packages = slices.DeleteFunc(s.Set.Packages, func(p inventory.Package) bool {
					return s.Claim != nil && p.Path != "" && owned(results, p.Path)
				})
			}
			s.Path = strings.ToValidUTF8(s.Path, "\uFFFD")
			w.result.Sets = append(w.result.Sets, s)
		}
	}
	if w.unnamed > 0 {
		w.result.Problems = append(w.result.Problems, inventory.Problem{
			Reason: fmt.Sprintf("%d more files could not be read", w.unnamed),
		})
	}
	w.result.Sort()
	return w.result
}

// mergeBuilds joins what several files say about the making of a layer.
func mergeBuilds(a, b *inventory.Build) *inventory.Build {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &inventory.Build{ContentSets: slices.Concat(a.ContentSets, b.ContentSets), Name: cmp.Or(a.Name, b.Name)}
}

func owned(results []analyze.Result, name string) bool {
	if slices.Contains(unlistedFiles(), name) {
		return true
	}
	for _, r := range results {
		if r.Owned.Has(name) {
			return true
		}
	}
	return false
}

// unlistedFiles belong to Debian's Python 2.7, whose distroless images have lost
// the lists of files that packages own.
func unlistedFiles() []string {
	return []string{
		"usr/lib/python2.7/argparse.egg-info",
		"usr/lib/python2.7/lib-dynload/Python-2.7.egg-info",
		"usr/lib/python2.7/wsgiref.egg-info",
	}
}

// CleanPath returns a tar entry's name as a clean path relative to the image's
// root, without a leading slash; the root itself is "". It returns false for a
// name that would leave the root.
func CleanPath(name string) (string, bool) {
	cleaned := path.Clean(strings.TrimLeft(name, "/"))
	switch {
	case cleaned == ".":
		return "", true
	case cleaned == ".." || strings.HasPrefix(cleaned, "../"):
		return "", false
	}
	return cleaned, true
}

// sourceReader tells an error of the archive from one of an analyzer.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
