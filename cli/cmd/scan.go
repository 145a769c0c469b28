package cmd

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/all"
	"github.com/muster-sec/muster/scanner/analyze/jar"
	"github.com/muster-sec/muster/scanner/baseimage"
	"github.com/muster-sec/muster/scanner/compliance"
	"github.com/muster-sec/muster/scanner/inventory"
	"github.com/muster-sec/muster/scanner/javadb"
	"github.com/muster-sec/muster/scanner/match"
	"github.com/muster-sec/muster/scanner/pull"
	"github.com/muster-sec/muster/scanner/report"
	"github.com/muster-sec/muster/scanner/sbom"
	"github.com/muster-sec/muster/scanner/secrets"
	"github.com/muster-sec/muster/scanner/vulndb"
)

func (a *App) scanCommand() *cli.Command {
	return &cli.Command{
		Name: "scan", Category: groupImages, Usage: "scan an image or a bill of materials here, without a daemon", ArgsUsage: "[IMAGE]",
		Description: `IMAGE is [docker://]HOST/REPOSITORY:TAG, …@DIGEST, oci:DIR:REF or docker-archive:FILE. Without
--username the logins of docker login are used. Nothing is written to disk.

Vulnerabilities are what is looked for; --scanners adds secret (credentials in
files and configuration), setid (files that run as their owner), compliance
(image checks of the CIS benchmark, which needs both) and sbom (bills of materials
in the image are named; those attached to it are fetched, and what they list is
judged too). They read more of the image and take longer.

--vex and --ignorefile mark findings and settle some; settled ones do not count.`,
		Flags:  slices.Concat(scanFlags(), pullFlags()),
		Action: a.local(scan),
	}
}

func scanFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "vulndb", Usage: "vulnerability database `FILE`, trivy.db of schema 2 (also MUSTER_VULNDB_FILE; default: what db update keeps)"},
		&cli.StringFlag{Name: "javadb", Usage: "trivy-java.db `FILE` that tells Java archives by their checksums (also MUSTER_JAVADB_FILE)"},
		&cli.StringSliceFlag{Name: "platform", Usage: "`OS/ARCH` of a multi-platform image, a list of them, or all; may be repeated (default: linux/amd64)"},
		&cli.StringFlag{Name: "sbom", Usage: "scan this CycloneDX or SPDX JSON `FILE` instead of an image"},
		&cli.StringFlag{Name: "scanners", Usage: "`LIST` of vuln, secret, setid, compliance, sbom", Value: "vuln"},
		&cli.StringFlag{Name: "format", Usage: "write `FORMAT`: table, json, trivy, sarif, cyclonedx, spdx-json or neuvector; --output wins"},
		&cli.StringFlag{Name: "severity", Usage: "only findings of the severities in this `LIST`"},
		&cli.BoolFlag{Name: "ignore-unfixed", Usage: "only findings that a newer version repairs"},
		&cli.StringSliceFlag{Name: "vex", Usage: "VEX `FILE`: OpenVEX, CSAF or CycloneDX; may be repeated"},
		&cli.StringSliceFlag{Name: "ignorefile", Usage: "`FILE` of accepted findings, as .trivyignore or its YAML form; may be repeated"},
		&cli.BoolFlag{Name: "hide-settled", Usage: "leave out what VEX and ignore files settle"},
		&cli.StringSliceFlag{Name: "base-image", Usage: "`IMAGE` that this one may be built on, to tell whose findings are whose; may be repeated"},
		&cli.StringFlag{Name: "compliance-profile", Usage: "`PROFILE` of the image checks: level1 or level2", Value: "level2"},
		failOnFlag(),
	}
}

// scanRun is one run of the scan command: what its flags say, and what they name.
type scanRun struct {
	*invocation
	plan    scanPlan
	pull    pull.Options
	db      *vulndb.DB // nil when nobody asks for vulnerabilities
	matcher *match.Matcher
	scanner *scanner.Scanner
}

// scanMemory is from where on the garbage collector works harder, so that an image
// of a hundred thousand packages stays within 256 MiB like any other.
const scanMemory = 160 << 20

func scan(ctx context.Context, in *invocation) error {
	plan, err := in.scanPlan()
	if err != nil {
		return err
	}
	if in.Env("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(scanMemory)
	}
	r := &scanRun{invocation: in, plan: plan}
	if r.pull, err = in.pullOptions(); err != nil {
		return err
	}
	var index jar.Index
	if file := in.setting("javadb", "MUSTER_JAVADB_FILE"); file != "" {
		java, err := javadb.Open(ctx, file)
		if err != nil {
			return failf("%w", err).withCheck("open the Java database")
		}
		defer java.Close() //nolint:errcheck // opened for reading
		index = java
	}
	if r.scanner, err = scanner.New(scanner.Options{Analyzers: plan.analyzers(index)}); err != nil {
		return err
	}
	if plan.wants(scanVulnerabilities) {
		if r.db, err = in.openDB(); err != nil {
			return err
		}
		defer r.db.Close() //nolint:errcheck // opened for reading
		r.matcher = match.New(r.db)
	}
	images, problems := r.images(ctx)
	if len(images) > 0 {
		problems = errors.Join(problems, r.print(images))
	}
	if problems != nil {
		return explainScan(problems)
	}
	return failScan(images, plan.failOn)
}

// analyzers are those that the plan needs. Packages are always read: they are
// what most formats list.
func (p scanPlan) analyzers(index jar.Index) []analyze.Analyzer {
	list := all.WithIndex(index)
	if p.wants(scanSecrets) || p.wants(scanCompliance) {
		list = append(list, all.Secrets()...)
	}
	if p.wants(scanSetIDs) || p.wants(scanCompliance) {
		list = append(list, all.SetIDs()...)
	}
	if p.wants(scanSBOMs) {
		list = append(list, all.SBOMs()...)
	}
	return list
}

// images scans what the command line names. When only some images of an index
// failed, the others come together with the error.
func (r *scanRun) images(ctx context.Context) ([]report.Image, error) {
	var inventories []scanner.ImageInventory
	var problems error
	if file := r.text("sbom"); file != "" {
		inv, err := r.readSBOM(file)
		if err != nil {
			return nil, err
		}
		inventories = append(inventories, inv)
	} else {
		inventories, problems = r.scanner.Inventory(ctx, r.arg(0), r.pull)
	}
	if len(inventories) == 0 {
		return nil, problems
	}
	known, err := r.baseImages(ctx)
	if err != nil {
		return nil, errors.Join(problems, err)
	}
	var images []report.Image
	for _, inv := range inventories {
		image, err := r.image(ctx, inv, known)
		if err != nil {
			problems = errors.Join(problems, err)
			continue
		}
		images = append(images, image)
	}
	return images, problems
}

func (r *scanRun) readSBOM(file string) (scanner.ImageInventory, error) {
	f, err := r.open(file)
	if err != nil {
		return scanner.ImageInventory{}, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	doc, err := sbom.Read(f)
	if err != nil {
		return scanner.ImageInventory{}, usagef("%s: %w", sourceName(file), err)
	}
	inv, sets := doc.Inventory(sourceName(file))
	return scanner.ImageInventory{Inventory: inv, Sets: sets}, nil
}

// baseImages describes the images that --base-image names; their layers stay
// where they are.
func (r *scanRun) baseImages(ctx context.Context) ([]inventory.Image, error) {
	var known []inventory.Image
	for _, ref := range r.flags.StringSlice("base-image") {
		images, err := pull.Open(ctx, ref, r.pull)
		if err != nil {
			return nil, err
		}
		for _, i := range images {
			known = append(known, i.Describe())
		}
	}
	return known, nil
}

// image puts together what is reported of one image.
func (r *scanRun) image(ctx context.Context, inv scanner.ImageInventory, known []inventory.Image) (report.Image, error) {
	var attached []report.SBOM
	if r.plan.wants(scanSBOMs) && r.text("sbom") == "" {
		inv, attached = r.attached(ctx, inv)
	}
	result := scanner.Result{ImageInventory: inv}
	if r.matcher != nil {
		var err error
		if result, err = scanner.Match(inv, r.matcher); err != nil {
			return report.Image{}, err
		}
	}
	image := result.Report()
	if len(known) > 0 {
		image.SetBase(baseimage.Detect(inv.Image, known))
	}
	if r.plan.wants(scanSecrets) {
		image.AddConfigured(compliance.Configured(inv.Image, secrets.New()))
	} else {
		image.Secrets = nil
	}
	if !r.plan.wants(scanSetIDs) {
		image.SetIDs = nil
	}
	if r.plan.wants(scanCompliance) && r.text("sbom") == "" { // which says nothing of how an image is built
		for _, c := range compliance.Run(inv.Inventory, r.plan.profile) {
			image.Checks = append(image.Checks, report.Check{Check: c})
		}
	}
	image.SBOMs = append(image.SBOMs, attached...)
	image.Judge(r.plan.statements, r.Now())
	image.Apply(r.plan.filter)
	return image, nil
}

func failScan(images []report.Image, failOn *match.Severity) error {
	if failOn == nil {
		return nil
	}
	n := 0
	for _, i := range images {
		for _, f := range i.Findings {
			if f.Severity >= *failOn && !f.Settled() {
				n++
			}
		}
	}
	if n == 0 {
		return nil
	}
	return policyf("%s of severity %s or worse", plural(n, "finding"), strings.ToLower(failOn.String()))
}
