package sdktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"

	"github.com/muster-sec/muster/plugins/sdk"
)

func registryChecks(conn grpc.ClientConnInterface, about sdk.Description, o Options) []check {
	r := sdk.NewRegistryClient(conn)
	const strict = "decode the configuration with Config.Decode and return its error"
	return []check{
		{"refuses a configuration that is not JSON", func(ctx context.Context) error {
			return refused(r.Credential(ctx, sdk.Config(`{"`), "library/x"))
		}, strict},
		{"refuses unknown settings", func(ctx context.Context) error {
			return refused(r.Credential(ctx, sdk.Config(`{"no such setting": 1}`), "library/x"))
		}, strict},
		{"lists repositories and tags, the same ones twice", func(ctx context.Context) error { return checkListing(ctx, r, o.Config) },
			"yield every repository once, and end an incomplete listing with an error"},
		{"ends a listing whose caller has left", func(ctx context.Context) error { return checkLeaving(ctx, r, o.Config) },
			"hand the context on to every request"},
		{"diagnoses a configuration", func(ctx context.Context) error { return checkDiagnosis(ctx, r, o.Config) },
			"return the steps tried, the last one with a Fix if it failed"},
		{"resolves a tag", func(ctx context.Context) error { return checkResolve(ctx, r, about, o.Config) },
			`return the digest as "sha256:" and 64 hexadecimal digits`},
	}
}

func refused[T any](_ T, err error) error {
	if !errors.Is(err, sdk.ErrInvalid) {
		return fmt.Errorf("it gives %v and not an error that is sdk.ErrInvalid", err)
	}
	return nil
}

func repositories(ctx context.Context, r sdk.Registry, cfg sdk.Config) ([]string, error) {
	if cfg == nil {
		return nil, skip("no configuration was given")
	}
	var all []string
	for repo, err := range r.Repositories(ctx, cfg) {
		switch {
		case err != nil:
			return nil, err
		case repo == "":
			return nil, errors.New("a repository has no name")
		}
		all = append(all, repo)
	}
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
		return nil, fmt.Errorf("%d of %d repositories are listed twice", len(all)-n, len(all))
	}
	return all, nil
}

func checkListing(ctx context.Context, r sdk.Registry, cfg sdk.Config) error {
	first, err := repositories(ctx, r, cfg)
	if err != nil {
		return err
	}
	second, err := repositories(ctx, r, cfg)
	if err != nil {
		return err
	}
	if !slices.Equal(first, second) {
		return fmt.Errorf("two listings differ: %d and %d repositories", len(first), len(second))
	}
	for _, repo := range first[:min(len(first), 10)] {
		for tag, err := range r.Tags(ctx, cfg, repo) {
			if err != nil {
				return fmt.Errorf("tags of %s: %w", repo, err)
			}
			if tag.Name == "" && tag.Digest == "" {
				return fmt.Errorf("%s has a tag with neither name nor digest", repo)
			}
		}
		if _, err := r.Credential(ctx, cfg, repo); err != nil {
			return fmt.Errorf("credential for %s: %w", repo, err)
		}
	}
	return nil
}

func checkLeaving(ctx context.Context, r sdk.Registry, cfg sdk.Config) error {
	if cfg == nil {
		return skip("no configuration was given")
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range r.Repositories(ctx, cfg) {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return fmt.Errorf("after the caller has left, the listing gives %v", err)
	}
	return errors.New("after the caller has left, the listing looks complete")
}

func checkDiagnosis(ctx context.Context, r sdk.Registry, cfg sdk.Config) error {
	if cfg == nil {
		return skip("no configuration was given")
	}
	steps, err := r.Diagnose(ctx, cfg)
	if err != nil {
		return err
	}
	if len(steps) == 0 {
		return errors.New("it tried nothing")
	}
	for i, s := range steps {
		switch {
		case s.Name == "" || s.Detail == "":
			return fmt.Errorf("step %d has no name or no detail", i+1)
		case !s.OK && s.Fix == "":
			return fmt.Errorf("step %s failed and does not say what to change", s.Name)
		}
	}
	return nil
}

func checkResolve(ctx context.Context, r *sdk.RegistryClient, about sdk.Description, cfg sdk.Config) error {
	if !about.Has(sdk.CapabilityResolveTag) {
		return skip("it does not have this ability")
	}
	repos, err := repositories(ctx, r, cfg)
	if err != nil {
		return err
	}
	for _, repo := range repos {
		for tag, err := range r.Tags(ctx, cfg, repo) {
			if err != nil {
				return err
			}
			m, err := r.ResolveTag(ctx, cfg, repo, tag.Name)
			if err != nil {
				return err
			}
			if sum, ok := strings.CutPrefix(m.Digest, "sha256:"); !ok || len(sum) != 64 {
				return fmt.Errorf("%s:%s resolves to %q", repo, tag.Name, m.Digest)
			}
			return nil
		}
	}
	return skip("the registry holds no tag")
}

func ingestChecks(conn grpc.ClientConnInterface, o Options) []check {
	in := sdk.NewIngestClient(conn)
	return []check{
		{"does not recognize what it cannot read", func(ctx context.Context) error {
			for _, head := range []string{"", "{", "[]", "\x00\xff\xfe", "<xml/>", strings.Repeat("[", 10_000)} {
				if format, err := in.Recognize(ctx, []byte(head)); err != nil || format != "" {
					return fmt.Errorf("%.20q is recognized as %q, error %v", head, format, err)
				}
			}
			return nil
		}, "return an empty format and no error for what is not yours"},
		{"refuses garbage", func(ctx context.Context) error {
			for _, doc := range []string{"", "{", "\x00\xff\xfe", strings.Repeat("[", 10_000)} {
				if err := in.Parse(ctx, strings.NewReader(doc), &sdk.Collector{}); err == nil {
					return fmt.Errorf("%.20q is accepted", doc)
				}
			}
			return nil
		}, "return an error that is sdk.ErrInvalid"},
		{"reads a document, twice the same", func(ctx context.Context) error { return checkDocument(ctx, in, o.Document) },
			"name the subject once, and let nothing depend on the order of maps"},
		{"refuses a document that is cut off", func(ctx context.Context) error { return checkTruncated(ctx, in, o.Document) },
			"treat the end of the document in the middle of it as sdk.ErrInvalid"},
	}
}

func checkDocument(ctx context.Context, in sdk.Ingester, doc []byte) error {
	if doc == nil {
		return skip("no document was given")
	}
	format, err := in.Recognize(ctx, doc[:min(len(doc), sdk.MaxHead)])
	if err != nil || format == "" {
		return fmt.Errorf("the document is recognized as %q, error %v", format, err)
	}
	var texts [2]string
	for i := range texts {
		var c sdk.Collector
		if err := in.Parse(ctx, bytes.NewReader(doc), &c); err != nil {
			return err
		}
		if c.Document.Subject.Tool == "" {
			return errors.New("the subject does not name the tool")
		}
		texts[i] = fmt.Sprintf("%+v", c.Document)
	}
	if texts[0] != texts[1] {
		return errors.New("two readings of the same document differ")
	}
	return nil
}

func checkTruncated(ctx context.Context, in sdk.Ingester, doc []byte) error {
	if doc == nil {
		return skip("no document was given")
	}
	doc = bytes.TrimSpace(doc)
	for _, n := range []int{1, len(doc) / 2, len(doc) - 1} {
		if err := in.Parse(ctx, bytes.NewReader(doc[:n]), &sdk.Collector{}); !errors.Is(err, sdk.ErrInvalid) {
			return fmt.Errorf("the first %d of %d bytes give %v", n, len(doc), err)
		}
	}
	return nil
}
