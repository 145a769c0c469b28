package admission

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/model"
	"github.com/muster-sec/muster/core/policy"
)

// Decision is an answer with everything that led to it.
type Decision struct {
	Allowed    bool
	Message    string       // for people, one line
	Rule       *policy.Hit  // the first decisive denial; of an allowed request, the first exception
	Violations []policy.Hit // denials in monitor mode, of all containers
	Containers []ContainerDecision
	Warnings   []string // for whoever made the request
}

// ContainerDecision is the answer for one container.
type ContainerDecision struct {
	Container
	Allowed    bool
	Note       string                // why no rule was looked at; else empty
	Results    []policy.KnownVerdict // own scans first, newest first
	Rule       *policy.Hit           // the decisive one
	Violations []policy.Hit
	Trace      []policy.Step // every rule looked at, in order

	unreadable, unscanned bool
	dbAge                 time.Duration // of the oldest vulnerability database behind Results that is too old, else zero
}

// Review judges a request. An error means that no decision could be made, which
// the webhook's failurePolicy then makes; it never means a denial.
func (s *Service) Review(ctx context.Context, req Request) (Decision, error) {
	d, err := s.decide(ctx, req)
	if !req.DryRun {
		s.tally.count(s.o.Now(), req, d, err)
	}
	return d, err
}

func (s *Service) decide(ctx context.Context, req Request) (Decision, error) {
	now := s.current.Load()
	switch {
	case now == nil:
		return Decision{}, fault.New(fault.Unavailable, "admission: the rules have not been loaded yet")
	case !now.state.Enable:
		return Decision{Allowed: true, Message: "allowed: admission control is disabled on this cluster"}, nil
	case req.Note != "":
		return Decision{Allowed: true, Message: "allowed: " + req.Note}, nil
	}
	j := judge{service: s, snapshot: now, req: req, images: map[string]resolved{}}
	d := Decision{Allowed: true, Containers: make([]ContainerDecision, 0, len(req.Containers))}
	for _, c := range req.Containers {
		cd, err := j.container(ctx, c)
		if err != nil {
			return Decision{}, fmt.Errorf("admission: look up %s: %w", c.Image, err)
		}
		d.add(cd)
	}
	d.Message = d.message()
	return d, nil
}

// judge is one review under way.
type judge struct {
	*snapshot
	service *Service
	req     Request
	images  map[string]resolved // by reference as written: one pod often runs an image twice
}

func (j *judge) container(ctx context.Context, c Container) (ContainerDecision, error) {
	cd := ContainerDecision{Container: c, Allowed: true}
	if slices.ContainsFunc(j.req.Previous, func(old Container) bool { return old.Kind == c.Kind && old.Image == c.Image }) {
		cd.Note = "the object had this image before the update"
		return cd, nil
	}
	sub := &policy.Subject{Namespace: j.req.Namespace, Kind: c.Kind, Candidates: []policy.Facts{{}}}
	if out, ok := j.rules.EvaluateBuiltIn(sub); ok {
		cd.apply(out)
		return cd, nil
	}
	res, err := j.resolve(ctx, c.Image, j.rules.NeedsCVEs())
	if err != nil {
		return cd, err
	}
	cd.Results, cd.unreadable, cd.unscanned = res.results, res.ref == nil, res.unscanned()
	cd.dbAge = j.service.oldest(res.results)
	sub.Image, sub.Candidates = res.ref, res.candidates
	out := j.rules.Evaluate(sub, j.state.Mode)
	if (!out.Allowed || len(out.Violations) > 0) && !j.rules.NeedsCVEs() {
		// Only now is it worth loading the names, for the explanation.
		if res, err = j.resolve(ctx, c.Image, true); err != nil {
			return cd, err
		}
		sub.Candidates = res.candidates
		out = j.rules.Evaluate(sub, j.state.Mode)
	}
	cd.apply(out)
	return cd, nil
}

func (j *judge) resolve(ctx context.Context, image string, withCVEs bool) (resolved, error) {
	if res, ok := j.images[image]; ok && (res.withCVEs || !withCVEs) {
		return res, nil
	}
	res, err := j.service.resolve(ctx, image, withCVEs)
	if err == nil {
		j.images[image] = res
	}
	return res, err
}

func (cd *ContainerDecision) apply(out policy.Outcome) {
	cd.Allowed, cd.Rule, cd.Violations, cd.Trace = out.Allowed, out.Decisive, out.Violations, out.Trace
}

// add takes a container into the decision: one denied container denies.
func (d *Decision) add(cd ContainerDecision) {
	d.Containers = append(d.Containers, cd)
	switch {
	case cd.unreadable:
		d.Warnings = append(d.Warnings, fmt.Sprintf("container %q: %q is no image reference", cd.Name, cd.Image))
	case cd.unscanned && len(cd.Results) > 0:
		d.Warnings = append(d.Warnings, fmt.Sprintf("container %q: not every image behind %s has a scan result here", cd.Name, cd.Image))
	case cd.unscanned:
		d.Warnings = append(d.Warnings, fmt.Sprintf("container %q: no scan result of %s is known here", cd.Name, cd.Image))
	}
	if cd.dbAge > 0 {
		d.Warnings = append(d.Warnings, fmt.Sprintf("container %q: %s was looked up in a vulnerability database that is %d days old", cd.Name, cd.Image, cd.dbAge/(24*time.Hour)))
	}
	for _, v := range cd.Violations {
		d.Warnings = append(d.Warnings, cd.explain("would be refused", v))
		v.Because = append([]string{fmt.Sprintf("container %q", cd.Name)}, v.Because...)
		d.Violations = append(d.Violations, v)
	}
	if cd.Rule != nil && (d.Rule == nil || d.Allowed && !cd.Allowed) {
		d.Rule = cd.Rule
	}
	d.Allowed = d.Allowed && cd.Allowed
}

// oldest is the age of the oldest database that our own results were made with,
// where it is too old, else zero. Of CI results the database is often not known.
func (s *Service) oldest(results []policy.KnownVerdict) time.Duration {
	var oldest time.Duration
	for _, v := range results {
		if age := s.o.Now().Sub(v.DB.UpdatedAt); v.Source == model.SourceScan && !v.DB.UpdatedAt.IsZero() && s.o.MaxDBAge > 0 && age > s.o.MaxDBAge {
			oldest = max(oldest, age)
		}
	}
	return oldest
}

// named bounds how many containers a message explains.
const named = 3

func (d *Decision) message() string {
	var lines []string
	unchanged, denied := 0, 0
	for _, cd := range d.Containers {
		if cd.Note != "" {
			unchanged++
		}
		if cd.Allowed {
			continue
		}
		if denied++; denied <= named {
			lines = append(lines, cd.explain("is refused", *cd.Rule))
		}
	}
	if denied > named {
		lines = append(lines, fmt.Sprintf("%d more containers are refused", denied-named))
	}
	switch {
	case denied > 0:
		return strings.Join(lines, "; ")
	case len(d.Containers) == 0:
		return "allowed: there are no containers"
	case unchanged == len(d.Containers):
		return "allowed: the update changes no image"
	case len(d.Violations) > 0:
		return fmt.Sprintf("allowed, with %d violations of rules in monitor mode", len(d.Violations))
	case d.Rule != nil:
		return "allowed by " + ruleTitle(*d.Rule)
	}
	return "allowed: no rule refuses it"
}

// explain says, in one line, what a rule does to the container and why.
func (cd *ContainerDecision) explain(what string, hit policy.Hit) string {
	s := fmt.Sprintf("container %q with image %q %s by %s: %s",
		cd.Name, cd.Image, what, ruleTitle(hit), strings.Join(hit.Because, ", "))
	unnamed := slices.DeleteFunc(slices.Clone(hit.CVEs), func(id string) bool { return strings.Contains(s, id) })
	if len(unnamed) > 0 {
		s += ": " + strings.Join(unnamed, ", ")
	}
	return s
}

func ruleTitle(hit policy.Hit) string {
	owner := map[policy.CfgType]string{policy.Federal: "federated", policy.BuiltIn: "built-in"}[hit.Rule.CfgType]
	if owner == "" {
		owner = "local"
	}
	s := fmt.Sprintf("%s rule %d", owner, hit.Rule.ID)
	if hit.Rule.Comment != "" {
		s += fmt.Sprintf(" (%s)", hit.Rule.Comment)
	}
	return s
}
