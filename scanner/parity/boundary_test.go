package parity_test

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/muster-sec/muster/scanner/sampleimage"
	"github.com/muster-sec/muster/scanner/sampleimage/rpmdb"
	"github.com/muster-sec/muster/scanner/vulndb"
)

var (
	seed     = flag.Uint64("seed", 1, "seed of the versions around advisories")
	packages = flag.Int("packages", 120, "packages of each bucket that are tried")
)

// TestVersionsAroundAdvisories makes an image for each bucket of the fixtures'
// database, full of packages at versions around those that its advisories name.
func TestVersionsAroundAdvisories(t *testing.T) {
	t.Parallel()
	_ = trivy(t)
	folder := fixtures(t)
	dir := fixtureDB(t, folder)
	peers := newPair(t, dir, filepath.Join(folder, "javadb"))
	db, err := vulndb.Open(filepath.Join(dir, "trivy.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	languages := map[string][]string{}
	for _, bucket := range db.Buckets() {
		if language, _, found := strings.Cut(bucket, "::"); found {
			languages[language] = append(languages[language], bucket)
			continue
		}
		layers := imageOfBucket(bucket)
		if layers == nil {
			continue
		}
		t.Run(bucket, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(*seed, hashOf(bucket)))
			differ(t, peers, layers(random, nearAdvisories(t, random, db, *packages, bucket))...)
		})
	}
	for language, buckets := range languages {
		layer := imageOfLanguage(language)
		if layer == nil {
			continue
		}
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(*seed, hashOf(language)))
			differ(t, peers, layer(nearAdvisories(t, random, db, *packages*3, buckets...)))
		})
	}
}

func hashOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}

// differ fails when the peers disagree about an image.
func differ(t *testing.T, peers *pair, layers ...sampleimage.Layer) {
	t.Helper()
	differing := peers.compare(t, stacked(layers...).store(t))
	if len(differing) > 40 {
		t.Logf("%d lines differ", len(differing))
		differing = differing[:40]
	}
	if len(differing) > 0 {
		t.Errorf("(-trivy +ours):\n%s", strings.Join(differing, "\n"))
	}
}

func imageOf(t *testing.T, s sampleimage.Spec) v1.Image {
	t.Helper()
	s.Created = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	image, err := sampleimage.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// imageOfBucket returns how to make a distribution's layers with packages whose
// advisories are in the bucket; nil for one of which there is no image.
func imageOfBucket(bucket string) func(*rand.Rand, []installed) []sampleimage.Layer {
	family, release, _ := cutLast(bucket, " ")
	plain, extended := strings.CutSuffix(release, "-ESM")
	var layer func(packages ...sampleimage.Package) sampleimage.Layer
	switch family {
	case "alpine":
		layer = func(p ...sampleimage.Package) sampleimage.Layer { return sampleimage.Alpine(release, p...) }
	case "debian":
		layer = func(p ...sampleimage.Package) sampleimage.Layer { return sampleimage.Debian(release+".1", p...) }
	case "ubuntu":
		layer = func(p ...sampleimage.Package) sampleimage.Layer { return sampleimage.Ubuntu(plain, p...) }
	}
	if r, known := rpmReleases()[family]; known {
		return func(random *rand.Rand, list []installed) []sampleimage.Layer {
			return []sampleimage.Layer{{r.file(release), rpmDatabase(random, r, list)}}
		}
	}
	if layer == nil {
		return nil
	}
	return func(_ *rand.Rand, list []installed) []sampleimage.Layer {
		layers := []sampleimage.Layer{layer(sources(list)...)}
		if extended {
			layers = append(layers, subscription())
		}
		return layers
	}
}

// subscription is the layer that tells Ubuntu's extended maintenance. In one layer
// with the release files Trivy's answer depends on which of them it reads first.
func subscription() sampleimage.Layer {
	return sampleimage.Layer{{Path: "var/lib/ubuntu-advantage/status.json",
		Body: `{"services":[{"name":"esm-infra","status":"enabled"}]}`}}
}

func cutLast(text, mark string) (before, after string, found bool) {
	i := strings.LastIndex(text, mark)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(mark):], true
}

// sources are binary packages of their own names that were built from the packages.
func sources(list []installed) []sampleimage.Package {
	var result []sampleimage.Package
	for i, p := range list {
		result = append(result, sampleimage.Package{Name: fmt.Sprintf("bin%d", i), Version: p.version, Source: p.name})
	}
	return result
}

// rpmRelease tells how an image of a distribution with rpm looks.
type rpmRelease struct {
	path, text, vendor string
	// bySource is set where advisories name source packages.
	bySource bool
}

func (r rpmRelease) file(release string) sampleimage.File {
	return sampleimage.File{Path: r.path, Body: fmt.Sprintf(r.text, release)}
}

// rpmReleases are the distributions by the prefix of their buckets.
func rpmReleases() map[string]rpmRelease {
	const osRelease = "etc/os-release"
	return map[string]rpmRelease{
		"alma":                        {"etc/redhat-release", "AlmaLinux release %s.4 (X)\n", "AlmaLinux", false},
		"rocky":                       {"etc/redhat-release", "Rocky Linux release %s.4 (X)\n", "Rocky", false},
		"Oracle Linux":                {"etc/oracle-release", "Oracle Linux Server release %s.4\n", "Oracle America", false},
		"amazon linux":                {"etc/system-release", "Amazon Linux release %s (Karoo)\n", "Amazon Linux", false},
		"Azure Linux":                 {osRelease, "ID=azurelinux\nVERSION_ID=\"%s\"\n", "Microsoft Corporation", true},
		"CBL-Mariner":                 {osRelease, "ID=mariner\nVERSION_ID=\"%s\"\n", "Microsoft Corporation", true},
		"Photon OS":                   {osRelease, "ID=photon\nVERSION_ID=%s\n", "VMware, Inc.", true},
		"SUSE Linux Enterprise":       {osRelease, "ID=sles\nVERSION_ID=\"%s\"\n", "SUSE LLC <https://www.suse.com/>", false},
		"SUSE Linux Enterprise Micro": {osRelease, "ID=sle-micro\nVERSION_ID=\"%s\"\n", "SUSE LLC <https://www.suse.com/>", false},
		"openSUSE Leap":               {osRelease, "ID=\"opensuse-leap\"\nVERSION_ID=\"%s\"\n", "openSUSE", false},
	}
}

func rpmDatabase(random *rand.Rand, r rpmRelease, list []installed) sampleimage.File {
	var db []rpmdb.Package
	seen := map[string]bool{}
	for i, p := range list {
		n := rpmdb.Package{Name: p.name, Arch: []string{"x86_64", "aarch64", "noarch"}[random.IntN(3)], Vendor: r.vendor}
		epoch, version, found := strings.Cut(p.version, ":")
		if _, err := fmt.Sscan(epoch, &n.Epoch); !found || err != nil {
			version = strings.ReplaceAll(p.version, ":", "")
		}
		n.Version, n.Release, found = cutLast(strings.ReplaceAll(version, ":", ""), "-")
		if !found {
			n.Release = "1"
		}
		n.Version = strings.ReplaceAll(n.Version, "-", ".")
		if module, name, ok := cutLast(p.name, "::"); ok {
			n.Name, n.Module = name, module+":8030020201124152102:229f0a1c"
		}
		n.SourceRPM = fmt.Sprintf("%s-%s-%s.src.rpm", n.Name, n.Version, n.Release)
		if r.bySource {
			n.Name = fmt.Sprintf("bin%d", i)
		}
		// No package is installed twice with versions that differ in the epoch only.
		if same := fmt.Sprint(n.Name, n.Version, n.Release, n.Arch); n.Version != "" && !seen[same] {
			seen[same] = true
			db = append(db, n)
		}
	}
	slices.SortFunc(db, func(a, b rpmdb.Package) int { return strings.Compare(a.Name, b.Name) })
	return sampleimage.File{Path: "var/lib/rpm/Packages.db", Body: string(rpmdb.NDB(db...))}
}
