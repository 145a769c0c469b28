package bench

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/stream"

	"github.com/muster-sec/muster/scanner/sampleimage"
)

const (
	mib            = 1 << 20
	debianPackages = 2000
)

func packageName(i int) string { return fmt.Sprintf("package-%04d", i) }

// content gives the bytes of files: a quarter does not compress, the rest is
// words, so that all of it packs to about the half, like real layers.
type content struct {
	pool   []byte
	random *rand.Rand
}

func newContent(seed uint64) *content {
	random := rand.New(rand.NewPCG(seed, 7))
	words := make([]string, 3000)
	for i := range words {
		words[i] = fmt.Sprintf("%x", random.Uint64N(1<<(8+random.IntN(32))))
	}
	var pool bytes.Buffer
	for pool.Len() < 16*mib {
		for range 512 {
			fmt.Fprintf(&pool, "%08x", random.Uint32())
		}
		for range 512 {
			var raw [8]byte
			for i := range raw {
				raw[i] = byte(random.Uint32())
			}
			pool.Write(raw[:])
		}
		for range 1500 {
			pool.WriteString(words[random.IntN(len(words))] + " ")
		}
	}
	return &content{pool: pool.Bytes(), random: random}
}

// writeTo writes n bytes from somewhere in the pool.
func (c *content) writeTo(w io.Writer, n int) error {
	for n > 0 {
		at := c.random.IntN(len(c.pool) / 2)
		part := c.pool[at:min(len(c.pool), at+n)]
		if _, err := w.Write(part); err != nil {
			return err
		}
		n -= len(part)
	}
	return nil
}

// jar is a Java archive of about so many bytes that says what it is.
func (c *content) jar(name string, size int) ([]byte, error) {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	w, err := z.Create("META-INF/maven/org.example/" + name + "/pom.properties")
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(w, "groupId=org.example\nartifactId=%s\nversion=1.0\n", name); err != nil {
		return nil, err
	}
	for i := 0; i*mib < size; i++ {
		w, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("org/example/Class%d.class", i), Method: zip.Store})
		if err != nil {
			return nil, err
		}
		if err := c.writeTo(w, mib); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// entry is a file of a layer: its body, or so many bytes of content.
type entry struct {
	path string
	body []byte
	size int
}

// layer packs entries while they are pushed; nothing is held or written.
func layer(seed uint64, entries []entry) v1.Layer {
	r, w := io.Pipe()
	go func() { w.CloseWithError(writeLayer(w, newContent(seed), entries)) }()
	return stream.NewLayer(r, stream.WithCompressionLevel(gzip.BestSpeed))
}

func writeLayer(w io.Writer, c *content, entries []entry) error {
	t := tar.NewWriter(w)
	for _, e := range entries {
		size := max(e.size, len(e.body))
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.path, Size: int64(size), Mode: 0o755}); err != nil {
			return err
		}
		if _, err := t.Write(e.body); err != nil {
			return err
		}
		if err := c.writeTo(t, size-len(e.body)); err != nil {
			return err
		}
	}
	return t.Close()
}

// debian is a base layer with a package database and files of this many MiB.
func debian(size int) []entry {
	packages := make([]sampleimage.Package, debianPackages)
	for i := range packages {
		packages[i] = sampleimage.Package{Name: packageName(i), Version: fmt.Sprintf("1.%d-1", i%6)}
	}
	var entries []entry
	for _, f := range sampleimage.Debian("12.5", packages...) {
		entries = append(entries, entry{path: f.Path, body: []byte(f.Body)})
	}
	return append(entries, files("usr/share", size)...)
}

// files are of the sizes that files have: most small, most bytes in large ones.
func files(folder string, size int) []entry {
	var entries []entry
	for i, left := 0, size*mib; left > 0; i++ {
		n := min(left, 4<<10)
		switch {
		case i%50 == 0:
			n = min(left, 2*mib)
		case i%5 == 0:
			n = min(left, 64<<10)
		}
		entries = append(entries, entry{path: fmt.Sprintf("%s/%d/%d", folder, i/100, i), size: n})
		left -= n
	}
	return entries
}

// jars are Java archives of this many MiB each.
func jars(b *testing.B, folder string, sizes ...int) []entry {
	b.Helper()
	c := newContent(9)
	var entries []entry
	for i, size := range sizes {
		name := fmt.Sprintf("library-%d", i)
		body, err := c.jar(name, size*mib)
		if err != nil {
			b.Fatal(err)
		}
		entries = append(entries, entry{path: folder + "/" + name + "-1.0.jar", body: body})
	}
	return entries
}

// binaries are copies of a Go program.
func binaries(b *testing.B, folder, program string, n int) []entry {
	b.Helper()
	body, err := os.ReadFile(program)
	if err != nil {
		b.Fatal(err)
	}
	var entries []entry
	for i := range n {
		entries = append(entries, entry{path: fmt.Sprintf("%s/tool-%d", folder, i), body: body})
	}
	return entries
}

func image(b *testing.B, layers ...v1.Layer) v1.Image {
	b.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		b.Fatal(err)
	}
	return img
}

// pushMade pushes a few images of a size that images have, all on one base.
func pushMade(b *testing.B, registry, program string) {
	b.Helper()
	base := debian(100)
	for name, more := range map[string][]entry{
		"made/debian:1": nil,
		"made/java:1":   jars(b, "srv/lib", 1, 2, 3, 5, 8, 13, 21),
		"made/tools:1":  binaries(b, "usr/local/bin", program, 2),
		"made/data:1":   files("srv/data", 200),
	} {
		layers := []v1.Layer{layer(1, base)}
		if more != nil {
			layers = append(layers, layer(2, more))
		}
		push(b, registry, name, image(b, layers...))
	}
}

// pushHuge pushes an image of five gigabytes: ten layers of 512 MiB, some with
// archives and programs as large as the scanner holds in memory.
func pushHuge(b *testing.B, registry, program string) string {
	b.Helper()
	const layers, size = 10, 512
	var all []v1.Layer
	for n := range layers {
		var entries []entry
		switch n {
		case 0:
			entries = debian(size)
		case 3:
			entries = append(jars(b, "srv/lib", 100, 60, 60, 20), files("srv/data", size-240)...)
		case 6:
			entries = append(binaries(b, "usr/local/bin", program, 4), files("srv/data", size-160)...)
		default:
			entries = files(strings.Repeat("d/", n)+"data", size)
		}
		all = append(all, layer(uint64(n), entries))
	}
	return push(b, registry, "huge/image:1", image(b, all...))
}

// pushMany pushes an image of nearly as many packages as an image may have.
func pushMany(b *testing.B, registry string) string {
	b.Helper()
	const layers, each = 2, 95_000
	var all []v1.Layer
	for n := range layers {
		var entries []entry
		if n == 0 {
			entries = append(entries, entry{path: "etc/alpine-release", body: []byte("3.20.0\n")})
		}
		for i := range each {
			name := fmt.Sprintf("@many-%d/package-%d-%d", i%50, n, i)
			entries = append(entries, entry{
				path: fmt.Sprintf("srv/%d/%d/node_modules/%s/package.json", n, i/1000, name),
				body: fmt.Appendf(nil, `{"name":%q,"version":"%d.%d.%d","description":%q}`, name, i%7, i%13, i%29, strings.Repeat("x", 200)),
			})
		}
		all = append(all, layer(uint64(n), entries))
	}
	return push(b, registry, "many/image:1", image(b, all...))
}
