package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-sec/muster/core/model"
)

func crit(name, op, value string) Criterion { return Criterion{Name: name, Op: op, Value: value} }

func rule(id uint32, owner CfgType, kind RuleType, criteria ...Criterion) Rule {
	return Rule{ID: id, CfgType: owner, RuleType: kind, Criteria: criteria}
}

func list(ids ...string) *CVEList {
	var cves []CVE
	for _, id := range ids {
		cves = append(cves, CVE{ID: id, Severity: model.High})
	}
	return NewCVEList(cves)
}

// own is an image that muster scanned.
func own(counts model.Counts, ids ...string) Facts {
	return Facts{Digest: "sha256:a", Scanned: ScannedOwn, Counts: counts, CVEs: CVESet{Lists: []*CVEList{list(ids...)}}}
}

// coming is an image whose verdict is here and whose finding list is not.
func coming(counts model.Counts, ids ...string) Facts {
	f := own(counts, ids...)
	f.CVEs.Partial = true
	return f
}

func subject(t *testing.T, image string, candidates ...Facts) *Subject {
	t.Helper()
	if len(candidates) == 0 {
		candidates = []Facts{{}}
	}
	s := &Subject{Namespace: "prod", Kind: Containers, Candidates: candidates}
	if ref, err := ParseReference(image); err == nil {
		s.Image = &ref
	}
	return s
}

// outcomeOf evaluates one criterion list in a rule of each type.
func outcomeOf(kind RuleType, s *Subject, criteria ...Criterion) string {
	return Compile([]Rule{rule(1000, UserCreated, kind, criteria...)}).Evaluate(s, Protect).Trace[0].Outcome
}

// What was not found in an image whose distribution nobody could judge is unknown,
// to denials and to exceptions.
func TestWhatCouldNotBeJudgedIsUnknown(t *testing.T) {
	t.Parallel()
	const yes, no, unknown = "match", "no match", "unknown"
	part := own(model.Counts{High: 2}, "CVE-2024-1")
	part.Incomplete = true
	tests := []struct {
		kind RuleType
		crit Criterion
		want string
	}{
		{Deny, crit("cveHighCount", ">=", "2"), yes},
		{Deny, crit("cveHighCount", ">=", "3"), unknown},
		{Exception, crit("cveHighCount", "<=", "2"), unknown},
		{Exception, crit("cveHighCount", "<=", "1"), no},
		{Deny, crit("cveNames", "containsAny", "CVE-2024-1"), yes},
		{Deny, crit("cveNames", "containsAny", "CVE-2024-2"), unknown},
		{Exception, crit("cveNames", "notContainsAny", "CVE-2024-2"), unknown},
		{Exception, crit("cveNames", "notContainsAny", "CVE-2024-1"), no},
	}
	for _, tt := range tests {
		if got := outcomeOf(tt.kind, subject(t, "web", part), tt.crit); got != tt.want {
			t.Errorf("%s %+v: %s, want %s", tt.kind, tt.crit, got, tt.want)
		}
	}
}

func TestFlaggedImages(t *testing.T) {
	t.Parallel()
	const yes, no, unknown = "match", "no match", "unknown"
	n := func(n int) *int { return &n }
	for name, tt := range map[string]struct {
		secrets, setIDs *int
		want            string
	}{
		"both sought, none found":         {n(0), n(0), no},
		"a secret":                        {n(1), n(0), yes},
		"a set-id file, secrets unsought": {nil, n(2), yes},
		"none found, secrets unsought":    {nil, n(0), unknown},
		"nothing sought":                  {nil, nil, unknown},
	} {
		f := own(model.Counts{})
		f.Secrets, f.SetIDs = tt.secrets, tt.setIDs
		if got := outcomeOf(Deny, subject(t, "web", f), crit("imageCompliance", "=", "true")); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		inverse := map[string]string{yes: no, no: yes, unknown: unknown}[tt.want]
		if got := outcomeOf(Exception, subject(t, "web", f), crit("imageCompliance", "=", "false")); got != inverse {
			t.Errorf("%s: not flagged is %s, want %s", name, got, inverse)
		}
	}
}

func TestCriteria(t *testing.T) {
	t.Parallel()
	const yes, no, unknown = "match", "no match", "unknown"
	three := own(model.Counts{Critical: 1, High: 2, Medium: 4}, "CVE-2024-1", "CVE-2024-2", "GHSA-x")
	digest, long := "sha256:"+strings.Repeat("a", 64), "sha512:"+strings.Repeat("a", 128)
	tests := []struct {
		name  string
		image string
		facts Facts
		crit  Criterion
		want  string
	}{
		{"exact", "nginx:1.25", three, crit("image", "containsAny", "nginx:1.25"), yes},
		{"implied library", "nginx:1.25", three, crit("image", "containsAny", "docker.io/library/nginx"), yes},
		{"every tag", "nginx", three, crit("image", "containsAny", "nginx"), yes},
		{"other tag", "nginx:1.25", three, crit("image", "containsAny", "nginx:1.26"), no},
		{"tag glob", "nginx:1.25", three, crit("image", "containsAny", "nginx:1.*"), yes},
		{"one of several", "nginx:1.25", three, crit("image", "containsAny", " redis , nginx "), yes},
		{"url", "reg.example:5000/team/app:1", three, crit("image", "containsAny", "https://REG.example:5000/team/app"), yes},
		{"no host is Docker Hub", "reg.example/nginx", three, crit("image", "containsAny", "nginx"), no},
		{"every host", "reg.example/nginx", three, crit("image", "containsAny", "*/nginx"), yes},
		{"star crosses slashes", "reg.example/a/b/app:1", three, crit("image", "containsAny", "reg.example/*"), yes},
		{"no substring", "reg.example.evil.com/a:1", three, crit("image", "containsAny", "reg.example/a"), no},
		{"negative", "nginx:1.25", three, crit("image", "notContainsAny", "redis,nginx"), no},
		{"negative other", "nginx:1.25", three, crit("image", "notContainsAny", "redis"), yes},
		{"a digest hides the tag", "nginx:1.25@" + digest, three, crit("image", "containsAny", "nginx:1.25"), no},
		{"a digest has any tag", "nginx:1.25@" + digest, three, crit("image", "containsAny", "nginx"), yes},
		{"by digest", "nginx@" + digest, three, crit("image", "containsAny", "nginx@"+digest), yes},
		{"by digest, with a tag on both", "nginx:1.25@" + digest, three, crit("image", "containsAny", "nginx:1.24@"+digest), yes},
		{"by another digest", "nginx:1.25@" + digest, three, crit("image", "containsAny", "nginx:1.25@sha256:"+strings.Repeat("b", 64)), no},
		{"https's port", "evil.io:443/x:1", three, crit("image", "containsAny", "evil.io/x"), yes},
		{"https's port with zeros", "evil.io:0443/x:1", three, crit("image", "containsAny", "evil.io/x:1"), yes},
		{"https's port in the rule", "evil.io/x", three, crit("image", "containsAny", "https://evil.io:443/x"), yes},
		{"https's port of every host", "evil.io/x", three, crit("image", "containsAny", "*:0443/x"), yes},
		{"any port is https's too", "evil.io/x", three, crit("image", "containsAny", "evil.io:*/x"), yes},
		{"any port", "evil.io:5000/x", three, crit("image", "containsAny", "evil.io:*/x"), yes},
		{"by a SHA-512 digest", "evil.io/x@" + long, three, crit("image", "containsAny", "evil.io/x"), yes},
		{"by that SHA-512 digest", "evil.io/x@" + long, three, crit("image", "containsAny", "evil.io/x@"+long), yes},

		{"host", "reg.example:5000/app", three, crit("imageRegistry", "containsAny", "reg.example:5000"), yes},
		{"host url", "reg.example:5000/app", three, crit("imageRegistry", "containsAny", "https://reg.example:5000/"), yes},
		{"host without port", "reg.example:5000/app", three, crit("imageRegistry", "containsAny", "reg.example"), no},
		{"host, https's port", "evil.io:443/x:1", three, crit("imageRegistry", "containsAny", "evil.io"), yes},
		{"host, https's port with zeros", "evil.io:0443/x:1", three, crit("imageRegistry", "containsAny", "evil.io"), yes},
		{"host, https's port in the rule", "evil.io/x", three, crit("imageRegistry", "containsAny", "https://evil.io:443"), yes},
		{"host, another port with zeros", "evil.io:05000/x", three, crit("imageRegistry", "containsAny", "evil.io:5000"), yes},
		{"host, any port", "evil.io/x", three, crit("imageRegistry", "containsAny", "evil.io:*"), yes},
		{"host, port of another length", "evil.io/x", three, crit("imageRegistry", "containsAny", "evil.io:4430"), no},
		{"host with wildcard and port", "a.evil.io/x", three, crit("imageRegistry", "containsAny", "*.evil.io:443"), yes},
		{"a wildcard sees no implied port", "evil.io/x", three, crit("imageRegistry", "containsAny", "evil*3"), no},
		{"IPv6 host", "[::1]:443/x", three, crit("imageRegistry", "containsAny", "https://[0:0::1]"), yes},
		{"IPv6 group is no port", "[::443]/x", three, crit("imageRegistry", "containsAny", "[::443]"), yes},
		{"Docker Hub with a port", "docker.io:443/nginx", three, crit("imageRegistry", "containsAny", "index.docker.io:443"), yes},
		{"dockerhub", "nginx", three, crit("imageRegistry", "containsAny", "dockerhub"), yes},
		{"alias", "nginx", three, crit("imageRegistry", "containsAny", "https://registry-1.docker.io"), yes},
		{"host glob", "a.example/app", three, crit("imageRegistry", "containsAny", "*.example"), yes},
		{"not from", "evil.io/app", three, crit("imageRegistry", "notContainsAny", "docker.io,*.example"), yes},
		{"not from, by a SHA-512 digest", "evil.io/x@" + long, three, crit("imageRegistry", "notContainsAny", "good.io"), yes},

		{"namespace", "nginx", three, crit("namespace", "containsAny", "dev,prod"), yes},
		{"namespace glob", "nginx", three, crit("namespace", "containsAny", "pr?d"), yes},
		{"namespace is whole", "nginx", three, crit("namespace", "containsAny", "pro"), no},
		{"other namespace", "nginx", three, crit("namespace", "notContainsAny", "dev"), yes},

		{"scanned", "nginx", three, crit("imageScanned", "=", "true"), yes},
		{"scanned own", "nginx", three, crit("imageScanned", "=", "own"), yes},
		{"scanned not only by ci", "nginx", three, crit("imageScanned", "=", "ci"), no},
		{"ci is scanned", "nginx", Facts{Scanned: ScannedCI}, crit("imageScanned", "=", "true"), yes},
		{"ci is not own", "nginx", Facts{Scanned: ScannedCI}, crit("imageScanned", "=", "own"), no},
		{"ci only", "nginx", Facts{Scanned: ScannedCI}, crit("imageScanned", "=", "ci"), yes},
		{"unscanned", "nginx", Facts{}, crit("imageScanned", "=", "false"), yes},
		{"unscanned is not true", "nginx", Facts{}, crit("imageScanned", "=", "true"), no},

		{"critical", "nginx", three, crit("cveCriticalCount", ">=", "1"), yes},
		{"critical below", "nginx", three, crit("cveCriticalCount", ">=", "2"), no},
		{"high counts critical", "nginx", three, crit("cveHighCount", ">=", "3"), yes},
		{"high below", "nginx", three, crit("cveHighCount", ">=", "4"), no},
		{"medium", "nginx", three, crit("cveMediumCount", ">=", "4"), yes},
		{"no result, no count", "nginx", Facts{}, crit("cveHighCount", ">=", "1"), unknown},
		{"no result, not zero", "nginx", Facts{}, crit("cveHighCount", ">=", "0"), unknown},
		{"counts come before lists", "nginx", coming(model.Counts{High: 1}), crit("cveHighCount", ">=", "1"), yes},

		{"any", "nginx", three, crit("cveNames", "containsAny", "CVE-1,cve-2024-2"), yes},
		{"any none", "nginx", three, crit("cveNames", "containsAny", "CVE-1"), no},
		{"any glob", "nginx", three, crit("cveNames", "containsAny", "ghsa-*"), yes},
		{"all", "nginx", three, crit("cveNames", "containsAll", "CVE-2024-1,CVE-2024-2"), yes},
		{"all but one", "nginx", three, crit("cveNames", "containsAll", "CVE-2024-1,CVE-1"), no},
		{"not any", "nginx", three, crit("cveNames", "notContainsAny", "CVE-1"), yes},
		{"not any found", "nginx", three, crit("cveNames", "notContainsAny", "CVE-2024-1"), no},
		{"other", "nginx", three, crit("cveNames", "containsOtherThan", "CVE-*"), yes},
		{"other none", "nginx", three, crit("cveNames", "containsOtherThan", "CVE-*,GHSA-X"), no},
		{"empty any", "nginx", own(model.Counts{}), crit("cveNames", "containsAny", "*"), no},
		{"empty all", "nginx", own(model.Counts{}), crit("cveNames", "containsAll", "CVE-1"), no},
		{"empty other", "nginx", own(model.Counts{}), crit("cveNames", "containsOtherThan", "CVE-1"), no},
		{"empty not any", "nginx", own(model.Counts{}), crit("cveNames", "notContainsAny", "CVE-1"), yes},
		{"coming any", "nginx", coming(model.Counts{High: 9}), crit("cveNames", "containsAny", "CVE-1"), unknown},
		{"coming any, found", "nginx", coming(model.Counts{High: 9}, "CVE-1"), crit("cveNames", "containsAny", "CVE-1"), yes},
		{"coming all", "nginx", coming(model.Counts{High: 9}, "CVE-1"), crit("cveNames", "containsAll", "CVE-1,CVE-2"), unknown},
		{"coming other", "nginx", coming(model.Counts{High: 9}, "CVE-1"), crit("cveNames", "containsOtherThan", "CVE-1"), unknown},
		{"coming not any", "nginx", coming(model.Counts{High: 9}), crit("cveNames", "notContainsAny", "CVE-1"), unknown},
		{"coming not any, found", "nginx", coming(model.Counts{High: 9}, "CVE-1"), crit("cveNames", "notContainsAny", "CVE-1"), no},
		{"no result, no names", "nginx", Facts{}, crit("cveNames", "notContainsAny", "CVE-1"), unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := subject(t, tt.image, tt.facts)
			for _, kind := range []RuleType{Deny, Exception} {
				if got := outcomeOf(kind, s, tt.crit); got != tt.want {
					t.Errorf("%s: %v is %q, want %q", kind, tt.crit, got, tt.want)
				}
			}
		})
	}
}

func TestUnreadableReferenceMeetsDenialsOnly(t *testing.T) {
	t.Parallel()
	s := subject(t, "NOT AN IMAGE")
	inDev, high := crit("namespace", "containsAny", "dev"), crit("cveHighCount", ">=", "1")
	for _, about := range []Criterion{
		crit("image", "containsAny", "nginx"), crit("image", "notContainsAny", "nginx"),
		crit("imageRegistry", "containsAny", "good.io"), crit("imageRegistry", "notContainsAny", "good.io"),
	} {
		tests := []struct {
			name     string
			kind     RuleType
			criteria []Criterion
			want     string
		}{
			{"denial", Deny, []Criterion{about}, "match"},
			{"denial of another namespace", Deny, []Criterion{about, inDev}, "no match"},
			{"denial that also waits for a result", Deny, []Criterion{about, high}, "unknown"},
			{"exception", Exception, []Criterion{about}, "no match"},
		}
		for _, tt := range tests {
			if got := outcomeOf(tt.kind, s, tt.criteria...); got != tt.want {
				t.Errorf("%s, %s %s: %q, want %q", tt.name, about.Name, about.Op, got, tt.want)
			}
		}
	}
	lenient := rule(1000, UserCreated, Exception, crit("image", "containsAny", "*"))
	lenient.OnMissing = OnMissingMatch
	denial := rule(1001, UserCreated, Deny, crit("imageRegistry", "notContainsAny", "good.io"))
	out := Compile([]Rule{lenient, denial}).Evaluate(s, Protect)
	if out.Allowed || out.Decisive == nil || !strings.Contains(out.Decisive.Because[0], "cannot be read, which meets a denial (match)") {
		t.Errorf("%+v", out)
	}
}

func TestCountsAtMost(t *testing.T) {
	t.Parallel()
	for facts, want := range map[*Facts]string{
		{Scanned: ScannedOwn, Counts: model.Counts{High: 1}}:              "match",
		{Scanned: ScannedOwn, Counts: model.Counts{High: 1, Critical: 1}}: "no match",
		{}: "unknown", // an image without a result has no zero vulnerabilities
	} {
		if got := outcomeOf(Exception, subject(t, "nginx", *facts), crit("cveHighCount", "<=", "1")); got != want {
			t.Errorf("%+v: %q, want %q", facts, got, want)
		}
	}
}

func TestCombination(t *testing.T) {
	t.Parallel()
	s := subject(t, "nginx", own(model.Counts{High: 1}, "CVE-1"))
	inProd, inDev := crit("namespace", "containsAny", "prod"), crit("namespace", "containsAny", "dev")
	notProd, notDev := crit("namespace", "notContainsAny", "prod"), crit("namespace", "notContainsAny", "dev")
	hub, arrives := crit("imageRegistry", "containsAny", "dockerhub"), crit("cveNames", "containsAny", "CVE-1")
	tests := []struct {
		name     string
		criteria []Criterion
		want     string
	}{
		{"nothing never matches", nil, "no match"},
		{"different names: and", []Criterion{inProd, hub, arrives}, "match"},
		{"different names: one fails", []Criterion{inProd, hub, crit("image", "containsAny", "redis")}, "no match"},
		{"positives of a name: or", []Criterion{inDev, inProd}, "match"},
		{"negatives of a name: and", []Criterion{notDev, notProd}, "no match"},
		{"a positive beside negatives", []Criterion{notProd, notDev, inProd}, "match"},
		{"in any order", []Criterion{inProd, notProd, notDev}, "match"},
		{"all of a mix fail", []Criterion{notProd, inDev}, "no match"},
		{"this version does not know it", []Criterion{inProd, crit("imageSigned", "=", "true")}, "unknown"},
		{"not known, and another fails", []Criterion{inDev, crit("imageSigned", "=", "true")}, "no match"},
		{"not known, or another holds", []Criterion{inProd, crit("namespace", "regex", "x")}, "match"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := outcomeOf(Deny, s, tt.criteria...); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestOrderAndModes(t *testing.T) {
	t.Parallel()
	always := crit("namespace", "containsAny", "*")
	builtIn := rule(1, BuiltIn, Exception, crit("namespace", "containsAny", "kube-system"))
	fedAllow, fedDeny := rule(100002, Federal, Exception, always), rule(100001, Federal, Deny, always)
	allow, deny := rule(1001, UserCreated, Exception, always), rule(1000, UserCreated, Deny, always)
	mode := func(r Rule, m Mode) Rule { r.RuleMode = m; return r }
	disabled := func(r Rule) Rule { r.Disable = true; return r }
	tests := []struct {
		name       string
		rules      []Rule
		mode       Mode
		allowed    bool
		decisive   uint32
		violations []uint32
		trace      []uint32
	}{
		{"no rule", nil, Protect, true, 0, nil, nil},
		{"federated allow beats federated deny", []Rule{fedDeny, fedAllow}, Protect, true, 100002, nil, []uint32{100002}},
		{"federated allow beats local deny", []Rule{deny, fedAllow}, Protect, true, 100002, nil, []uint32{100002}},
		{"federated deny beats local allow", []Rule{allow, deny, fedDeny}, Protect, false, 100001, nil, []uint32{100001}},
		{"local allow beats local deny", []Rule{deny, allow}, Protect, true, 1001, nil, []uint32{1001}},
		{"built-in is for its namespaces", []Rule{deny, builtIn}, Protect, false, 1000, nil, []uint32{1, 1000}},
		{"global monitor", []Rule{deny, fedDeny}, Monitor, true, 0, []uint32{100001, 1000}, []uint32{100001, 1000}},
		{"own protect beats global monitor", []Rule{mode(deny, Protect), fedDeny}, Monitor, false, 1000, []uint32{100001}, []uint32{100001, 1000}},
		{"own monitor beats global protect", []Rule{mode(fedDeny, Monitor), deny}, Protect, false, 1000, []uint32{100001}, []uint32{100001, 1000}},
		{"a violation, then an exception", []Rule{mode(fedDeny, Monitor), allow, deny}, Protect, true, 1001, []uint32{100001}, []uint32{100001, 1001}},
		{"disabled", []Rule{disabled(fedDeny), disabled(allow), deny}, Protect, false, 1000, nil, []uint32{100001, 1001, 1000}},
		{"by id within a group", []Rule{rule(1005, UserCreated, Deny, always), deny}, Protect, false, 1000, nil, []uint32{1000}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out := Compile(tt.rules).Evaluate(subject(t, "nginx"), tt.mode)
			var decisive uint32
			if out.Decisive != nil {
				decisive = out.Decisive.Rule.ID
			}
			var violations, trace []uint32
			for _, v := range out.Violations {
				violations = append(violations, v.Rule.ID)
				if v.Mode != Monitor {
					t.Errorf("violation %d in mode %q", v.Rule.ID, v.Mode)
				}
			}
			for _, s := range out.Trace {
				trace = append(trace, s.ID)
			}
			if out.Allowed != tt.allowed || decisive != tt.decisive || !slices.Equal(violations, tt.violations) || !slices.Equal(trace, tt.trace) {
				t.Errorf("allowed %v by %d, violations %v, trace %v", out.Allowed, decisive, violations, trace)
			}
		})
	}
}

func TestOnMissing(t *testing.T) {
	t.Parallel()
	for _, kind := range []RuleType{Deny, Exception} {
		r := rule(1000, UserCreated, kind, crit("namespace", "containsAny", "prod"), crit("cveMediumCount", ">=", "1"))
		unknown := Compile([]Rule{r}).Evaluate(subject(t, "nginx"), Protect)
		if unknown.Decisive != nil || unknown.Trace[0].Outcome != "unknown" {
			t.Errorf("%s: by default %+v", kind, unknown)
		}
		r.OnMissing = OnMissingMatch
		matched := Compile([]Rule{r}).Evaluate(subject(t, "nginx"), Protect)
		want := []string{
			`namespace containsAny "prod": the namespace is "prod" (match)`,
			`cveMediumCount >= "1": no result is known here (unknown)`,
			`on_missing is match: what is unknown counts as a match`,
		}
		if matched.Decisive == nil || matched.Allowed != (kind == Exception) {
			t.Fatalf("%s: on_missing match gives %+v", kind, matched)
		}
		if diff := cmp.Diff(want, matched.Decisive.Because); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
}

func TestSeveralImagesBehindOneName(t *testing.T) {
	t.Parallel()
	clean, bad, none := own(model.Counts{}), own(model.Counts{Critical: 1}, "CVE-1"), Facts{}
	bad.Digest = "sha256:bad"
	tests := []struct {
		name       string
		candidates []Facts
		deny       string // cveCriticalCount >= 1
		allow      string // cveCriticalCount <= 0
	}{
		{"all clean", []Facts{clean, clean}, "no match", "match"},
		{"any denies, not all allow", []Facts{clean, bad}, "match", "no match"},
		{"any denies beside an unknown", []Facts{none, bad}, "match", "no match"},
		{"an unknown is no clean one", []Facts{clean, none}, "unknown", "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := subject(t, "nginx", tt.candidates...)
			if got := outcomeOf(Deny, s, crit("cveCriticalCount", ">=", "1")); got != tt.deny {
				t.Errorf("deny: %q, want %q", got, tt.deny)
			}
			if got := outcomeOf(Exception, s, crit("cveCriticalCount", "<=", "0")); got != tt.allow {
				t.Errorf("allow: %q, want %q", got, tt.allow)
			}
		})
	}
}

func TestContainerKinds(t *testing.T) {
	t.Parallel()
	r := rule(1000, UserCreated, Deny, crit("namespace", "containsAny", "*"))
	narrowed := r
	narrowed.Containers = []ContainerKind{InitContainers, EphemeralContainers}
	for kind, want := range map[ContainerKind]string{InitContainers: "match", Containers: "no match", EphemeralContainers: "match"} {
		s := subject(t, "nginx")
		s.Kind = kind
		if got := Compile([]Rule{r}).Evaluate(s, Protect).Trace[0].Outcome; got != "match" {
			t.Errorf("no kinds named: %s is %q", kind, got)
		}
		if got := Compile([]Rule{narrowed}).Evaluate(s, Protect).Trace[0].Outcome; got != want {
			t.Errorf("narrowed: %s is %q, want %q", kind, got, want)
		}
	}
}

func TestBuiltInRulesNeedNoResults(t *testing.T) {
	t.Parallel()
	rules := append(BuiltInRules("muster"), rule(100001, Federal, Deny, crit("namespace", "containsAny", "*")))
	set := Compile(rules)
	for ns, want := range map[string]uint32{"kube-system": SystemNamespacesID, "kube-public": SystemNamespacesID, "muster": OwnNamespaceID, "prod": 0, "kube-system-2": 0} {
		s := subject(t, "nginx")
		s.Namespace = ns
		out, decisive := set.EvaluateBuiltIn(s)
		if decisive != (want != 0) || decisive && (out.Decisive.Rule.ID != want || !out.Allowed) {
			t.Errorf("%s: %+v", ns, out)
		}
		if all := set.Evaluate(s, Protect); all.Allowed != decisive {
			t.Errorf("%s: allowed %v by all rules", ns, all.Allowed)
		}
	}
	if len(BuiltInRules("")) != 1 {
		t.Error("outside a cluster there is no namespace of our own")
	}
}

func TestUnreadableRuleIsUnknownAsAWhole(t *testing.T) {
	t.Parallel()
	body := []byte(`{"rule_type":"deny","criteria":[{"name":"namespace","op":"containsAny","value":"*","sub_criteria":[{}]}]}`)
	r := Parse(model.Federated, 100001, body)
	out := Compile([]Rule{r}).Evaluate(subject(t, "nginx"), Protect)
	if !out.Allowed || out.Trace[0].Outcome != "unknown" || !strings.Contains(out.Trace[0].Why[0], "sub_criteria") {
		t.Errorf("%+v", out)
	}
}

// A newer primary's on_missing: match is about data: on an older member it must
// neither let everything in nor keep everything out.
func TestOnMissingIsNotForWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	waiting := crit("cveHighCount", ">=", "1")
	unreadable := func(kind RuleType) Rule {
		return Parse(model.Federated, 100001, []byte(`{"rule_type":"`+string(kind)+`","on_missing":"match","criteria":[{"name":"namespace","op":"containsAny","value":"*","sub_criteria":[{}]}]}`))
	}
	partly := func(kind RuleType) Rule {
		r := rule(100001, Federal, kind, crit("imageSigned", "=", "true"), waiting)
		r.OnMissing = OnMissingMatch
		return r
	}
	for name, tt := range map[string]struct {
		rule Rule
		want string
	}{
		"unreadable exception":                   {unreadable(Exception), "unknown"},
		"unreadable denial":                      {unreadable(Deny), "unknown"},
		"exception with an unreadable criterion": {partly(Exception), "unknown"},
		"denial with an unreadable criterion":    {partly(Deny), "match"},
		"exception with an unreadable operator":  {rule(100001, Federal, Exception, crit("namespace", "notContainsAny", "dev"), crit("namespace", "notRegex", "p.*d")), "unknown"},
	} {
		out := Compile([]Rule{tt.rule}).Evaluate(subject(t, "nginx"), Protect)
		step := out.Trace[0]
		if step.Outcome != tt.want || (out.Decisive != nil) != (tt.want == "match") {
			t.Errorf("%s: %q, want %q: %v", name, step.Outcome, tt.want, step.Why)
		}
		if !slices.ContainsFunc(step.Why, func(why string) bool { return strings.Contains(why, "(unknown)") }) {
			t.Errorf("%s: explained as %q", name, step.Why)
		}
		if why := step.Why[len(step.Why)-1]; tt.rule.OnMissing == OnMissingMatch && tt.want == "unknown" && !strings.Contains(why, "cannot read: the rule is not applied") {
			t.Errorf("%s: explained as %q", name, why)
		}
	}
}

func TestHitNamesTheWorstVulnerabilities(t *testing.T) {
	t.Parallel()
	lists := []*CVEList{
		NewCVEList([]CVE{{"CVE-9", model.Critical}, {"CVE-5", model.High}, {"CVE-5", model.High}, {"CVE-1", model.Medium}}),
		NewCVEList([]CVE{{"CVE-5", model.High}, {"CVE-7", model.High}}),
	}
	f := own(model.Counts{Critical: 1, High: 1})
	f.CVEs = CVESet{Lists: lists}
	out := Compile([]Rule{rule(1000, UserCreated, Deny, crit("cveHighCount", ">=", "1"))}).Evaluate(subject(t, "nginx", f), Protect)
	if diff := cmp.Diff([]string{"CVE-9", "CVE-5", "CVE-7"}, out.Decisive.CVEs); diff != "" {
		t.Error(diff)
	}
}
