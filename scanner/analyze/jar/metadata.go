package jar

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/muster-sec/muster/scanner/limit"
)

// parseProperties reads a pom.properties, lines of "key=value".
func parseProperties(text string) Artifact {
	var a Artifact
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "groupId":
			a.GroupID = value
		case "artifactId":
			a.ArtifactID = value
		case "version":
			a.Version = value
		}
	}
	return a
}

// readMainSection reads a manifest up to its first empty line or a little further.
// It fails when there is none within that many bytes.
func readMainSection(r io.Reader, name string, most int64) ([]byte, error) {
	const step = 4 << 10
	var text []byte
	bounded := limit.Reader(r, name, most)
	for {
		text = slices.Grow(text, step)
		n, err := bounded.Read(text[len(text) : len(text)+step])
		// The line may have begun at the end of what was read before.
		from := max(0, len(text)-2)
		text = text[:len(text)+n]
		if hasEmptyLine(text[from:]) || errors.Is(err, io.EOF) {
			return text, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func hasEmptyLine(text []byte) bool {
	for _, end := range []string{"\n\n", "\n\r", "\r\r"} {
		if bytes.Contains(text, []byte(end)) {
			return true
		}
	}
	return false
}

// manifest is the main section of a MANIFEST.MF, by attribute.
type manifest map[string]string

// parseManifest reads the main section, which ends at the first empty line
// (https://docs.oracle.com/en/java/javase/21/docs/specs/jar/jar.html#jar-manifest).
// A line that begins with a blank continues the one before.
func parseManifest(text string) manifest {
	m := manifest{}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	if strings.HasPrefix(text, "\n") {
		return m
	}
	main, _, _ := strings.Cut(text, "\n\n")
	main = strings.ReplaceAll(main, "\n ", "")
	for line := range strings.SplitSeq(main, "\n") {
		name, value, ok := strings.Cut(line, ":")
		words := strings.Fields(value)
		// A value of "%bundleName" is translated elsewhere.
		if !ok || len(words) == 0 || strings.HasPrefix(words[0], "%") || !strings.HasPrefix(value, " ") {
			continue
		}
		m[name] = strings.TrimSpace(value)
	}
	return m
}

// artifact guesses what the archive is. None of the attributes was made for it.
func (m manifest) artifact() Artifact {
	return Artifact{
		GroupID:    m.group(),
		ArtifactID: m.first("Implementation-Title", "Specification-Title", "Bundle-Name"),
		Version:    m.first("Implementation-Version", "Specification-Version", "Bundle-Version"),
	}
}

func (m manifest) group() string {
	if id := m["Implementation-Vendor-Id"]; id != "" {
		return id
	}
	// "com.fasterxml.jackson.core.jackson-databind" is of the group before the last dot.
	if symbolic := m["Bundle-SymbolicName"]; symbolic != "" {
		if i := strings.LastIndexByte(symbolic, '.'); i > 0 {
			return symbolic[:i]
		}
		return symbolic
	}
	return m.first("Implementation-Vendor", "Specification-Vendor")
}

func (m manifest) first(names ...string) string {
	for _, name := range names {
		if value := m[name]; value != "" {
			return value
		}
	}
	return ""
}
