package cmd

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/diff"
	"github.com/muster-sec/muster/scanner/vulndb/fetch"
)

func (a *App) dbCommand() *cli.Command {
	dir := &cli.StringFlag{Name: "dir", Usage: "`FOLDER` with the database (also MUSTER_DB_DIR; default: muster/db in the user's cache)"}
	force := &cli.BoolFlag{Name: "force", Usage: "take a database that is older than the one in place, or the same"}
	return &cli.Command{
		Name: "db", Category: groupDaemon, Usage: "the vulnerability database",
		Subcommands: []*cli.Command{
			{
				Name: "status", Usage: "which database is in use, and how old it is",
				Description: "Asks the daemon, or with --dir looks into a folder here.",
				Flags:       []cli.Flag{&cli.StringFlag{Name: "dir", Usage: "look at this `FOLDER`, or database file, and ask no daemon"}},
				Action: func(c *cli.Context) error {
					if c.String("dir") != "" {
						return a.local(dbFolder)(c)
					}
					return a.remote(dbStatus)(c)
				},
			},
			{
				Name: "update", Usage: "pull the newest database into a folder here",
				Description: `Repositories are asked in order until one has a good database. A database that
is damaged, of another schema or older never takes the place of a good one.`,
				Flags: append([]cli.Flag{
					dir, force,
					&cli.StringSliceFlag{Name: "repository", Usage: "`HOST/REPOSITORY[:TAG]` instead of the public ones; may be repeated, in order"},
				}, pullFlags()...),
				Action: a.local(dbUpdate),
			},
			{
				Name: "import", Usage: "take a database out of a file", ArgsUsage: "FILE",
				Description: "FILE is trivy.db, the same packed with zstd or gzip, or the archive of the artifact.",
				Flags:       []cli.Flag{dir, force},
				Action:      a.local(dbImport),
			},
			{
				Name: "diff", Usage: "compare two databases, advisories by ecosystem", ArgsUsage: "OLD NEW",
				Action: a.local(dbDiff),
			},
		},
	}
}

// databaseDir is the folder that db update keeps.
func (in *invocation) databaseDir() (string, error) {
	if dir := in.Env("MUSTER_DB_DIR"); dir != "" {
		return dir, nil
	}
	cache := in.Env("XDG_CACHE_HOME")
	if cache == "" {
		home := in.Env("HOME")
		if home == "" {
			return "", usagef("neither XDG_CACHE_HOME nor HOME is set: there is no place for the database").withTry("--dir FOLDER")
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "muster", "db"), nil
}

func (in *invocation) updater(o fetch.Options) (*fetch.Updater, error) {
	dir := in.text("dir")
	if dir == "" {
		var err error
		if dir, err = in.databaseDir(); err != nil {
			return nil, err
		}
	}
	o.Now, o.Wait, o.UserAgent = in.Now, in.Wait, "muster/"+in.Version
	return fetch.New(dir, o)
}

func dbUpdate(ctx context.Context, in *invocation) error {
	registry, err := in.pullOptions()
	if err != nil {
		return err
	}
	u, err := in.updater(fetch.Options{
		Repositories: in.flags.StringSlice("repository"), Keychain: registry.Keychain, Transport: registry.Transport, PlainHTTP: registry.PlainHTTP,
	})
	if err != nil {
		return err
	}
	r, err := u.Update(ctx, in.flags.Bool("force"))
	if err != nil {
		return explainScan(err)
	}
	for _, s := range r.Skipped {
		in.hint("warning: %s", s)
	}
	return in.printDB(r, r.Status)
}

func dbImport(ctx context.Context, in *invocation) error {
	u, err := in.updater(fetch.Options{})
	if err != nil {
		return err
	}
	r, err := u.Import(ctx, in.arg(0), in.flags.Bool("force"))
	if err != nil {
		return failf("%w", err).withCheck("the file holds a vulnerability database of schema 2")
	}
	return in.printDB(r, r.Status)
}

func dbFolder(_ context.Context, in *invocation) error {
	s, err := fetch.StatusOf(in.text("dir"))
	if err != nil {
		return failf("%w", err).withTry("muster db update --dir %s", in.text("dir"))
	}
	db, err := vulndb.Open(s.Path)
	if err != nil {
		return failf("%w", err).withCheck("open %s", s.Path)
	}
	defer db.Close() //nolint:errcheck // opened for reading
	known, err := db.Ecosystems()
	if err != nil {
		return err
	}
	return in.printDB(folderStatus{s, known}, s, known...)
}

// folderStatus is what db status --dir tells.
type folderStatus struct {
	fetch.Status
	Ecosystems []vulndb.Ecosystem `json:"ecosystems"`
}

// printDB shows the state of a folder; value is what JSON and YAML show.
func (in *invocation) printDB(value any, s fetch.Status, known ...vulndb.Ecosystem) error {
	if built := s.Metadata.UpdatedAt; !built.IsZero() && in.Now().Sub(built) > oldDB {
		in.hint("warning: the vulnerability database is %s old: newer vulnerabilities are missed", span(in.Now().Sub(built)))
	}
	return in.print(value, func(t *output.Table) {
		if r, ok := value.(fetch.Result); ok {
			t.Row("Changed:", yesNo(r.Changed))
		}
		t.Field("File", s.Path)
		t.Field("Revision", s.Revision)
		t.Field("Built", stamp(s.Metadata.UpdatedAt))
		t.Field("Next", stamp(s.Metadata.NextUpdate))
		t.Field("From", s.Source.Repository+s.Source.File)
		t.Field("Digest", s.Source.Digest)
		t.Field("Taken", stamp(s.Source.At))
		showEcosystems(t, known)
	})
}

func dbDiff(_ context.Context, in *invocation) error {
	before, err := openAny(in.arg(0))
	if err != nil {
		return err
	}
	defer before.Close() //nolint:errcheck // opened for reading
	after, err := openAny(in.arg(1))
	if err != nil {
		return err
	}
	defer after.Close() //nolint:errcheck // opened for reading
	r, err := diff.Compare(before, after)
	if err != nil {
		return err
	}
	return in.print(r, func(t *output.Table) {
		t.Header("ECOSYSTEM", "ADDED", "REMOVED", "CHANGED", "BEFORE", "AFTER", "EXAMPLES")
		for _, e := range r.Ecosystems {
			t.Row(e.Name, e.Added, e.Removed, e.Changed, e.Before, e.After, strings.Join(e.Examples, ", "))
		}
		if len(r.Ecosystems) == 0 {
			t.Row("no advisory differs")
		}
	})
}

// openAny opens a database by its file or by its folder.
func openAny(path string) (*vulndb.DB, error) {
	s, err := fetch.StatusOf(path)
	if err != nil {
		return nil, failf("%w", err).withCheck("open %s", path)
	}
	db, err := vulndb.Open(s.Path)
	if err != nil {
		return nil, failf("%w", err).withCheck("open %s", path)
	}
	return db, nil
}

func dbStatus(ctx context.Context, in *invocation, c *client.Client) error {
	db, err := c.DB(ctx)
	if err != nil {
		return err
	}
	err = in.print(db, func(t *output.Table) {
		t.Row("Present:", yesNo(db.Present))
		t.Field("Revision", db.Revision)
		t.Field("Built", stamp(db.UpdatedAt))
		t.Row("Stale:", yesNo(db.Stale))
		t.Field("Next", stamp(db.NextUpdate))
		t.Field("From", db.Source)
		t.Field("Digest", db.Digest)
		t.Field("Loaded", stamp(db.LoadedAt))
		t.Field("Checked", stamp(db.CheckedAt))
		t.Field("Next check", stamp(db.NextCheck))
		ecosystems := make([]vulndb.Ecosystem, len(db.Ecosystems))
		for i, e := range db.Ecosystems {
			ecosystems[i] = vulndb.Ecosystem(e)
		}
		showEcosystems(t, ecosystems)
	})
	if db.UpdateError != "" {
		in.hint("warning: the last update failed: %s", db.UpdateError)
	}
	in.dbHint(db)
	return err
}

// showEcosystems shows how much a database knows of each.
func showEcosystems(t *output.Table, list []vulndb.Ecosystem) {
	if len(list) == 0 {
		return
	}
	t.Gap()
	t.Header("ECOSYSTEM", "RELEASES", "ADVISORIES")
	for _, e := range list {
		releases := "" // a language has none
		if e.Releases > 0 {
			releases = strconv.Itoa(e.Releases)
		}
		t.Row(e.Name, releases, e.Advisories)
	}
}
