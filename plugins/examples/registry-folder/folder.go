package main

import (
	"context"
	_ "embed" // the schema
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"regexp"

	"github.com/muster-sec/muster/plugins/sdk"
)

// schema is what the host holds every configuration against.
//
//go:embed schema.json
var schema string

// repositories is where a distribution registry keeps them below its root:
// NAME/_manifests/tags/TAG/current/link holds the digest that TAG names.
const repositories = "docker/registry/v2/repositories"

// maxLink is more than a digest has bytes.
const maxLink = 256

var digestSyntax = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// folder lists the registry whose data lies below root. It holds no state, so
// its methods may be called at the same time.
type folder struct {
	root string
}

// The SDK finds out by itself which abilities a plugin has.
var (
	_ sdk.Registry    = (*folder)(nil)
	_ sdk.TagResolver = (*folder)(nil)
)

// Repositories yields every folder that holds manifests, or those that the
// configuration names.
func (f *folder) Repositories(ctx context.Context, cfg sdk.Config) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		settings, root, err := f.open(cfg)
		if err != nil {
			yield("", err)
			return
		}
		defer root.Close()
		if len(settings.Repositories) > 0 {
			eachOf(ctx, settings.Repositories, yield)
			return
		}
		err = fs.WalkDir(root.FS(), repositories, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			case !entry.IsDir() || entry.Name() != "_manifests":
				return nil
			case !yield(path.Dir(name)[len(repositories)+1:], nil):
				return fs.SkipAll
			default:
				return fs.SkipDir
			}
		})
		if err != nil { // what was yielded so far is not all there is
			yield("", explain(err))
		}
	}
}

func eachOf(ctx context.Context, names []string, yield func(string, error) bool) {
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			yield("", err)
			return
		}
		if !yield(name, nil) {
			return
		}
	}
}

// Tags yields the tags of a repository with the digests that they name.
func (f *folder) Tags(ctx context.Context, cfg sdk.Config, repository string) iter.Seq2[sdk.Tag, error] {
	return func(yield func(sdk.Tag, error) bool) {
		_, root, err := f.open(cfg)
		if err != nil {
			yield(sdk.Tag{}, err)
			return
		}
		defer root.Close()
		entries, err := fs.ReadDir(root.FS(), path.Join(repositories, path.Clean(repository), "_manifests/tags"))
		if err != nil {
			yield(sdk.Tag{}, explain(err))
			return
		}
		for _, entry := range entries {
			tag := sdk.Tag{Name: entry.Name()}
			if err = ctx.Err(); err == nil {
				tag.Digest, err = digestOf(root, repository, tag.Name)
			}
			if errors.Is(err, fs.ErrNotExist) {
				continue // the tag was deleted while we looked
			}
			if err != nil {
				yield(sdk.Tag{}, explain(err))
				return
			}
			if !yield(tag, nil) {
				return
			}
		}
	}
}

// ResolveTag returns the digest that a tag names now.
func (f *folder) ResolveTag(_ context.Context, cfg sdk.Config, repository, tag string) (sdk.Manifest, error) {
	_, root, err := f.open(cfg)
	if err != nil {
		return sdk.Manifest{}, err
	}
	defer root.Close()
	digest, err := digestOf(root, repository, tag)
	return sdk.Manifest{Digest: digest}, explain(err)
}

// Credential hands through what was configured.
func (f *folder) Credential(_ context.Context, cfg sdk.Config, _ string) (sdk.Credential, error) {
	settings, err := decode(cfg)
	return sdk.Credential{Username: settings.Username, Password: settings.Password, Token: settings.Token}, err
}

// Diagnose looks whether the folder is there and holds a registry.
func (f *folder) Diagnose(ctx context.Context, cfg sdk.Config) ([]sdk.Step, error) {
	settings, err := decode(cfg)
	if err != nil {
		return nil, err
	}
	steps := []sdk.Step{{Name: "folder", OK: true, Detail: f.root + " can be read"}}
	root, err := os.OpenRoot(f.root)
	if err != nil {
		steps[0] = sdk.Step{Name: "folder", Detail: err.Error(), Fix: "start the plugin with --root FOLDER, and let the daemon's user read it"}
		return steps, nil
	}
	if err := root.Close(); err != nil {
		return nil, err
	}
	n := 0
	for _, err := range f.Repositories(ctx, cfg) {
		if err != nil {
			return append(steps, sdk.Step{Name: "list", Detail: err.Error(), Fix: "--root is the registry's rootdirectory, the folder that contains docker/registry/v2"}), nil
		}
		n++
	}
	return append(steps, sdk.Step{Name: "list", OK: true, Detail: fmt.Sprintf("%d repositories, to be pulled from %s", n, settings.URL)}), nil
}

// open checks the configuration and opens the registry's data. Below the root
// no name and no link leads out of it.
func (f *folder) open(cfg sdk.Config) (sdk.RegistrySettings, *os.Root, error) {
	settings, err := decode(cfg)
	if err != nil {
		return settings, nil, err
	}
	root, err := os.OpenRoot(f.root)
	return settings, root, explain(err)
}

func decode(cfg sdk.Config) (sdk.RegistrySettings, error) {
	var settings sdk.RegistrySettings
	if err := cfg.Decode(&settings); err != nil {
		return settings, err
	}
	if settings.URL == "" {
		return settings, fmt.Errorf("%w: url: say where images are pulled from", sdk.ErrInvalid)
	}
	return settings, nil
}

func digestOf(root *os.Root, repository, tag string) (string, error) {
	link, err := root.Open(path.Join(repositories, repository, "_manifests/tags", tag, "current/link"))
	if err != nil {
		return "", err
	}
	defer link.Close()
	text, err := io.ReadAll(io.LimitReader(link, maxLink))
	if err != nil {
		return "", err
	}
	if !digestSyntax.Match(text) {
		return "", fmt.Errorf("tag %s of %s does not name a digest", tag, repository)
	}
	return string(text), nil
}

// explain wraps the SDK's error that fits, so that the host knows what to do.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", sdk.ErrNotFound, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", sdk.ErrDenied, err)
	default:
		return err
	}
}
