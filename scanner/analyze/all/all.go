// Package all is the explicit list of the analyzers that a scan runs. It exists
// apart from package analyze so that an ecosystem's package can import that one.
package all

import (
	"github.com/muster-sec/muster/scanner/analyze"
	"github.com/muster-sec/muster/scanner/analyze/apk"
	"github.com/muster-sec/muster/scanner/analyze/binary"
	"github.com/muster-sec/muster/scanner/analyze/bottlerocket"
	"github.com/muster-sec/muster/scanner/analyze/cargo"
	"github.com/muster-sec/muster/scanner/analyze/composer"
	"github.com/muster-sec/muster/scanner/analyze/conda"
	"github.com/muster-sec/muster/scanner/analyze/dpkg"
	"github.com/muster-sec/muster/scanner/analyze/gem"
	"github.com/muster-sec/muster/scanner/analyze/jar"
	"github.com/muster-sec/muster/scanner/analyze/julia"
	"github.com/muster-sec/muster/scanner/analyze/npm"
	"github.com/muster-sec/muster/scanner/analyze/nuget"
	"github.com/muster-sec/muster/scanner/analyze/osrelease"
	"github.com/muster-sec/muster/scanner/analyze/python"
	"github.com/muster-sec/muster/scanner/analyze/redhat"
	"github.com/muster-sec/muster/scanner/analyze/rpm"
	"github.com/muster-sec/muster/scanner/analyze/sbomfile"
	"github.com/muster-sec/muster/scanner/analyze/secret"
	"github.com/muster-sec/muster/scanner/analyze/setid"
)

// Analyzers returns every analyzer that looks for packages. A new ecosystem is one
// more line.
func Analyzers() []analyze.Analyzer { return WithIndex(nil) }

// WithIndex returns every analyzer that looks for packages, with an index of Java
// archives (javadb.Open) that outlives their use; nil means without one.
func WithIndex(index jar.Index) []analyze.Analyzer {
	return []analyze.Analyzer{
		osrelease.Analyzer{},
		apk.Analyzer{},
		dpkg.Analyzer{},
		rpm.Analyzer{},
		bottlerocket.Analyzer{},
		redhat.Analyzer{},
		npm.Analyzer{},
		python.Analyzer{},
		gem.Analyzer{},
		binary.Analyzer{},
		jar.Analyzer{Index: index},
		composer.Analyzer{},
		nuget.Analyzer{},
		cargo.Analyzer{},
		julia.Analyzer{},
		sbomfile.Packages{},
		conda.Analyzer{},
	}
}

// Secrets returns the analyzers that look for credentials. They read most text
// files of an image, which takes a while.
func Secrets() []analyze.Analyzer { return []analyze.Analyzer{secret.New()} }

// SetIDs returns the analyzers that look for files with set-id bits.
func SetIDs() []analyze.Analyzer { return []analyze.Analyzer{setid.Analyzer{}} }

// SBOMs returns the analyzers that name the bills of materials in an image.
func SBOMs() []analyze.Analyzer { return []analyze.Analyzer{sbomfile.Analyzer{}} }
