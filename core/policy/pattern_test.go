package policy

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/muster-sec/muster/core/model"
)

// asRegexp is a pattern in a language whose engine takes linear time.
func asRegexp(t testing.TB, text string) *regexp.Regexp {
	t.Helper()
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for _, c := range []byte(text) {
		switch c {
		case '*':
			b.WriteString(`.*`)
		case '?':
			b.WriteString(`.`)
		default:
			b.WriteString(regexp.QuoteMeta(string(rune(c))))
		}
	}
	return regexp.MustCompile(b.String() + `\z`)
}

func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"a*a*a*b", "aaaaaaaaaa"}, {"*", ""}, {"", ""}, {"?", "a"}, {"a?*?b", "a12b"}, {"a*", "a"}, {"*a*", "bab"}, {"a*a", "a"}, {"**", "x"}, {"*?a", "ba"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, s string) {
		for _, c := range []byte(text + s) {
			if c >= 0x80 {
				t.Skip("the oracle reads characters, patterns read bytes")
			}
		}
		if got, want := newPattern(text).match(s), asRegexp(t, text).MatchString(s); got != want {
			t.Errorf("%q on %q: %v, want %v", text, s, got, want)
		}
	})
}

// TestPatternsDoNotBlowUp has patterns on which a matcher that goes back to
// earlier stars does not end in this life. All are as large as a rule may have
// them, or larger, as a primary's may be.
func TestPatternsDoNotBlowUp(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 1<<20)
	for name, tt := range map[string]struct {
		pattern, text string
		want          bool
	}{
		"stars that fit":             {strings.Repeat("a*", 50_000), long, true},
		"stars that fail at the end": {strings.Repeat("a*", 50_000) + "b", long, false},
		"stars that fail inside":     {strings.Repeat("a*", 50_000) + "b*", long, false},
		"stars alone":                {strings.Repeat("*", 1<<16), long, true},
		"long parts":                 {"*" + strings.Repeat("a", 1000) + "b*", long, false},
		"question marks":             {strings.Repeat("*?a", 500) + "b", long, false},
		"longer than the text":       {strings.Repeat("a*", 1<<16), "aaa", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := newPattern(tt.pattern).match(tt.text); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// TestLargeRulesDoNotBlowUp evaluates the largest rules that may be written on
// names and finding lists that are made for them.
func TestLargeRulesDoNotBlowUp(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 20_000 {
		names = append(names, "CVE-2024-"+strconv.Itoa(i))
	}
	facts := own(model.Counts{Critical: 1}, names...)
	var wild, plain []string
	for i := range MaxPatterns {
		wild = append(wild, "*-*-*"+strconv.Itoa(i)+"x")
	}
	for i := range 4000 {
		plain = append(plain, "CVE-2025-"+strconv.Itoa(i))
	}
	// 251 bytes are a name as long as a runtime takes it.
	image := "reg.example/" + strings.Repeat("a", 239)
	for name, c := range map[string]Criterion{
		"patterns of vulnerabilities": crit("cveNames", "containsAny", strings.Join(wild, ",")),
		"other than patterns":         crit("cveNames", "containsOtherThan", strings.Join(wild[:100], ",")+",CVE-*"),
		"names of vulnerabilities":    crit("cveNames", "containsAny", strings.Join(plain, ",")),
		"all of many":                 crit("cveNames", "containsAll", strings.Join(plain, ",")),
		"other than names":            crit("cveNames", "containsOtherThan", strings.Join(names[:4000], ",")),
		"patterns of images":          crit("image", "containsAny", strings.TrimSuffix(strings.Repeat("*"+strings.Repeat("a*", 30)+"b,", 900), ",")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, kind := range []RuleType{Deny, Exception} {
				r := rule(1000, UserCreated, kind, c)
				if err := Validate(r); err != nil {
					t.Fatal(err)
				}
				step := Compile([]Rule{r}).Evaluate(subject(t, image, facts), Protect).Trace[0]
				want := "no match"
				if name == "other than names" {
					want = "match"
				}
				if step.Outcome != want || len(strings.Join(step.Why, "")) > 4096 {
					t.Errorf("%s, explained in %d bytes; want %s", step.Outcome, len(strings.Join(step.Why, "")), want)
				}
			}
		})
	}
}
