package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-sec/muster/core/model"
)

// maxNamed bounds how many vulnerabilities an explanation names.
const maxNamed = 10

// test is a criterion without its negation.
type test interface {
	// holds must be quick: it is asked for every rule of every container. Tests of
	// the image reference are asked only when there is one.
	holds(s *Subject, f *Facts) Truth
	// saw is what holds looked at to come to t, for the explanation.
	saw(s *Subject, f *Facts, t Truth) string
}

// namer is a test that can name the vulnerabilities behind a match.
type namer interface {
	named(f *Facts) []string
}

// unreadableTest is a criterion that this version does not know.
type unreadableTest struct{ reason string }

func (t unreadableTest) holds(*Subject, *Facts) Truth { return Unknown }

func (t unreadableTest) saw(*Subject, *Facts, Truth) string { return t.reason }

type namespaceTest struct{ any []pattern }

func (t namespaceTest) holds(s *Subject, _ *Facts) Truth { return truth(matchAny(t.any, s.Namespace)) }

func (t namespaceTest) saw(s *Subject, _ *Facts, _ Truth) string {
	return "the namespace is " + strconv.Quote(s.Namespace)
}

type imageTest struct{ any []imagePattern }

func (t imageTest) holds(s *Subject, _ *Facts) Truth {
	return truth(slices.ContainsFunc(t.any, func(p imagePattern) bool { return p.match(*s.Image) }))
}

func (t imageTest) saw(s *Subject, _ *Facts, _ Truth) string { return sawImage(s) }

type hostTest struct{ any []hostPattern }

func (t hostTest) holds(s *Subject, _ *Facts) Truth {
	return truth(slices.ContainsFunc(t.any, func(p hostPattern) bool { return p.match(s.Image.Host) }))
}

func (t hostTest) saw(s *Subject, _ *Facts, _ Truth) string { return sawImage(s) }

func sawImage(s *Subject) string { return "the image is " + s.Image.String() }

// scannedTest knows its answer even without a result: that there is none.
type scannedTest struct{ want string }

func (t scannedTest) holds(_ *Subject, f *Facts) Truth {
	switch t.want {
	case scannedOwn:
		return truth(f.Scanned == ScannedOwn)
	case scannedCI:
		return truth(f.Scanned == ScannedCI)
	case scannedNo:
		return truth(f.Scanned == ScannedNot)
	}
	return truth(f.Scanned != ScannedNot)
}

func (t scannedTest) saw(_ *Subject, f *Facts, _ Truth) string {
	switch f.Scanned {
	case ScannedOwn:
		return "scanned"
	case ScannedCI:
		return "scanned (ci): only a pipeline's result is known"
	}
	return noResult
}

// flaggedTest asks whether an image holds credentials or set-id files.
type flaggedTest struct{ want bool }

func (t flaggedTest) holds(_ *Subject, f *Facts) Truth {
	found := Unknown
	switch {
	case positive(f.Secrets) || positive(f.SetIDs):
		found = Yes
	case f.Secrets != nil && f.SetIDs != nil:
		found = No
	}
	if t.want {
		return found
	}
	return not(found)
}

func positive(n *int) bool { return n != nil && *n > 0 }

func (t flaggedTest) saw(_ *Subject, f *Facts, _ Truth) string {
	if f.Scanned == ScannedNot {
		return noResult
	}
	return number(f.Secrets, "secrets") + ", " + number(f.SetIDs, "set-id files")
}

func number(n *int, of string) string {
	if n == nil {
		return of + " were not looked for"
	}
	return strconv.Itoa(*n) + " " + of
}

const (
	noResult = "no result is known here"
	unjudged = ", but the distribution's packages could not be judged"
)

type countTest struct {
	count   func(model.Counts) int
	atLeast bool // else: at most
	n       int
	worst   model.Severity // the least severity that counts
}

func (t countTest) holds(_ *Subject, f *Facts) Truth {
	if f.Scanned == ScannedNot {
		return Unknown
	}
	found := t.seen(f)
	switch {
	case t.atLeast && found < t.n && f.Incomplete, !t.atLeast && found <= t.n && f.Incomplete:
		return Unknown // there may be more
	case t.atLeast:
		return truth(found >= t.n)
	}
	return truth(found <= t.n)
}

// seen is the number that the test compares: our own scan's, but for "at most",
// which nobody's report may contradict.
func (t countTest) seen(f *Facts) int {
	if t.atLeast {
		return t.count(f.Counts)
	}
	return max(t.count(f.Counts), t.count(f.Most))
}

func (t countTest) saw(_ *Subject, f *Facts, _ Truth) string {
	if f.Scanned == ScannedNot {
		return noResult
	}
	found := strconv.Itoa(t.seen(f)) + " found"
	if f.Scanned == ScannedCI {
		found += " (ci)"
	}
	if f.Incomplete {
		found += unjudged
	}
	return found
}

func (t countTest) named(f *Facts) []string {
	if f.Scanned == ScannedNot || !t.atLeast || t.count(f.Counts) == 0 {
		return nil
	}
	return f.CVEs.Worst(maxNamed, t.worst)
}

// cveTest is a set operator on the vulnerabilities of an image. One that was
// found is found, whatever else has not arrived.
type cveTest struct {
	op     string // containsAny, containsAll or containsOtherThan
	values []pattern
}

func (t cveTest) holds(_ *Subject, f *Facts) Truth {
	if f.Scanned == ScannedNot {
		return Unknown
	}
	found := false
	switch t.op {
	case opContainsAll:
		found = !slices.ContainsFunc(t.values, func(p pattern) bool { _, ok := f.CVEs.find(p); return !ok })
	case opContainsOtherThan:
		_, found = f.CVEs.findOther(t.values)
	default:
		found = slices.ContainsFunc(t.values, func(p pattern) bool { _, ok := f.CVEs.find(p); return ok })
	}
	if !found && (f.CVEs.Partial || f.Incomplete) {
		return Unknown
	}
	return truth(found)
}

func (t cveTest) saw(_ *Subject, f *Facts, found Truth) string {
	switch {
	case f.Scanned == ScannedNot:
		return noResult
	case found == Yes:
		return "found " + strings.Join(t.named(f), ", ")
	case found == Unknown && f.CVEs.Partial:
		return "the finding list has not arrived"
	case found == Unknown:
		return "not found" + unjudged
	}
	return "not found"
}

func (t cveTest) named(f *Facts) []string {
	if t.op == opContainsOtherThan {
		if id, ok := f.CVEs.findOther(t.values); ok {
			return []string{id}
		}
		return nil
	}
	var ids []string
	for _, p := range t.values {
		if id, ok := f.CVEs.find(p); ok && len(ids) < maxNamed {
			ids = append(ids, id)
		}
	}
	return ids
}

// condition is a compiled criterion.
type condition struct {
	text     string // as written, shortened
	negative bool
	test     test
	// ofName says that the test reads the image reference. One that cannot be read
	// is bad input, not data that may arrive: the criterion then is badName, which
	// meets a denial and never an exception.
	ofName  bool
	badName Truth
}

func (c condition) holds(s *Subject, f *Facts) Truth {
	if c.ofName && s.Image == nil {
		return c.badName
	}
	if c.negative {
		return not(c.test.holds(s, f))
	}
	return c.test.holds(s, f)
}

// explain is one line: what was asked, what was seen, what follows.
func (c condition) explain(s *Subject, f *Facts) string {
	if c.ofName && s.Image == nil {
		effect := "never meets an exception"
		if c.badName == Yes {
			effect = "meets a denial"
		}
		return c.text + ": the image reference cannot be read, which " + effect + " (" + c.badName.String() + ")"
	}
	found := c.test.holds(s, f)
	follows := found
	if c.negative {
		follows = not(found)
	}
	return c.text + ": " + c.test.saw(s, f, found) + " (" + follows.String() + ")"
}

// criterionText is how an explanation quotes a criterion.
func criterionText(c Criterion) string {
	const limit = 120
	value := c.Value
	if len(value) > limit {
		value = strings.ToValidUTF8(value[:limit], "") + "…"
	}
	return fmt.Sprintf("%s %s %q", c.Name, c.Op, value)
}
