package cmd

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/muster-sec/muster/cli/output"
	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/report"
	"github.com/muster-sec/muster/scanner/vex"
	"github.com/muster-sec/muster/scanner/vulndb"
	"github.com/muster-sec/muster/scanner/vulndb/fetch"
)

// The words of --scanners.
const (
	scanVulnerabilities = "vuln"
	scanSecrets         = "secret"
	scanSetIDs          = "setid"
	scanCompliance      = "compliance"
	scanSBOMs           = "sbom"
)

// scanPlan is what the flags of scan say.
type scanPlan struct {
	scanners   []string
	format     report.Format
	filter     report.Filter
	failOn     *match.Severity
	profile    compliance.Profile
	statements *vex.Set
}

func (p scanPlan) wants(what string) bool { return slices.Contains(p.scanners, what) }

// scanPlan reads the flags before anything is done.
func (in *invocation) scanPlan() (scanPlan, error) {
	var p scanPlan
	var err error
	if (in.arg(0) == "") == (in.text("sbom") == "") {
		return p, usagef("one of IMAGE and --sbom FILE is needed")
	}
	if p.scanners, err = scannerWords(in.text("scanners")); err != nil {
		return p, err
	}
	if p.format, err = report.ParseFormat(in.text("format")); err != nil {
		return p, usagef("--format: %w", err).withTry("one of %v", report.Formats())
	}
	if in.text("output") != "" {
		p.format = "" // the three that all commands know
	}
	if p.format == report.FormatJSON {
		p.format, in.format = "", output.JSON
	}
	if p.profile, err = compliance.ParseProfile(in.text("compliance-profile")); err != nil {
		return p, usagef("--compliance-profile: %w", err)
	}
	p.filter = report.Filter{Unfixed: in.flags.Bool("ignore-unfixed"), Settled: in.flags.Bool("hide-settled")}
	if p.filter.Severities, err = severityWords(in.text("severity")); err != nil {
		return p, usagef("--severity: %w", err)
	}
	if in.text("fail-on") != "" {
		severity, err := match.ParseSeverity(in.text("fail-on"))
		if err != nil {
			return p, usagef("--fail-on: %w", err)
		}
		p.failOn = &severity
	}
	p.statements, err = in.statements()
	return p, err
}

func scannerWords(text string) ([]string, error) {
	words := list(text)
	known := []string{scanVulnerabilities, scanSecrets, scanSetIDs, scanCompliance, scanSBOMs}
	for _, w := range words {
		if !slices.Contains(known, w) {
			return nil, usagef("--scanners: there is no %q: use %s", w, strings.Join(known, ", "))
		}
	}
	if len(words) == 0 {
		return nil, usagef("--scanners: the list is empty: use %s", strings.Join(known, ", "))
	}
	return words, nil
}

func severityWords(text string) ([]match.Severity, error) {
	var result []match.Severity
	for _, w := range list(text) {
		s, err := match.ParseSeverity(w)
		if err != nil {
			return nil, err
		}
		result = append(result, s)
	}
	return result, nil
}

// list cuts "a,b" and drops blanks.
func list(text string) []string {
	var words []string
	for _, w := range strings.Split(text, ",") {
		if w = strings.ToLower(strings.TrimSpace(w)); w != "" {
			words = append(words, w)
		}
	}
	return words
}

// statements reads VEX documents and ignore files, and names entries that ran out.
func (in *invocation) statements() (*vex.Set, error) {
	var all []vex.Statement
	for _, kind := range []struct {
		flag string
		read func(io.Reader, string) ([]vex.Statement, error)
	}{{"vex", vex.Read}, {"ignorefile", vex.ReadIgnore}} {
		for _, file := range in.flags.StringSlice(kind.flag) {
			statements, err := in.readStatements(file, kind.read)
			if err != nil {
				return nil, err
			}
			all = append(all, statements...)
		}
	}
	set := vex.NewSet(all)
	said := map[string]bool{}
	for _, s := range set.Expired(in.Now()) {
		if text := s.IDs[0] + s.Mark.Source; !said[text] {
			said[text] = true
			in.hint("warning: %s in %s ran out on %s and counts no more", s.IDs[0], s.Mark.Source, s.Mark.Until.Format("2006-01-02"))
		}
	}
	return set, nil
}

func (in *invocation) readStatements(file string, read func(io.Reader, string) ([]vex.Statement, error)) ([]vex.Statement, error) {
	f, err := in.open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	statements, err := read(f, sourceName(file))
	if err != nil {
		return nil, usagef("%w", err)
	}
	return statements, nil
}

// openDB opens the database that the flags or the environment name, or else the
// one that db update keeps.
func (in *invocation) openDB() (*vulndb.DB, error) {
	file := in.setting("vulndb", "MUSTER_VULNDB_FILE")
	if file == "" {
		if dir, err := in.databaseDir(); err == nil {
			file = filepath.Join(dir, fetch.DatabaseFile)
		}
		if _, err := os.Stat(file); err != nil {
			return nil, usagef("a vulnerability database is needed").withTry("--vulndb FILE, or muster db update")
		}
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, fetch.DatabaseFile)
	}
	db, err := vulndb.Open(file)
	if err != nil {
		return nil, failf("%s: %w", file, err).withCheck("open the vulnerability database").withTry("muster db update, or download the file again and compare its checksum")
	}
	return db, nil
}
