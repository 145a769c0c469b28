package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"github.com/muster-sec/muster/cli/client"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	refused := func(status int) error { return fmt.Errorf("outer: %w", &client.Error{Status: status, Title: "t"}) }
	tests := map[string]struct {
		err  error
		want int
	}{
		"policy":                 {policyf("no"), 1},
		"usage":                  {usagef("what?"), 2},
		"unreachable":            {&client.Unreachable{Server: "s", Check: "connect", Err: errors.New("refused")}, 3},
		"a gateway's":            {refused(502), 3},
		"unavailable":            {refused(503), 3},
		"not logged in":          {refused(401), 4},
		"denied":                 {refused(403), 4},
		"not known yet":          {refused(425), 5},
		"not found":              {refused(404), 6},
		"conflict":               {refused(409), 6},
		"invalid":                {refused(400), 6},
		"internal":               {refused(500), 6},
		"interrupted":            {fmt.Errorf("x: %w", context.Canceled), 6},
		"anything":               {errors.New("x"), 6},
		"the problem's is first": {newProblem(5, "outer: %w", refused(401)), 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := explain(tt.err).code; got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
		})
	}
}

func TestProblemPrints(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	failf("cause\x1b[1m").withCheck("the check").withTry("this").print(&b)
	if want := "error: cause\ufffd[1m\ncheck: the check\ntry:   this\n"; b.String() != want {
		t.Errorf("printed %q", b.String())
	}
}

// TestPanicBecomesAnExitCode: main survives a fault of ours and says so.
func TestPanicBecomesAnExitCode(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	a := &App{
		Stdout: &out, Stderr: &errs, Stdin: strings.NewReader(""),
		Env: func(string) string { panic("boom") }, Now: time.Now,
	}
	if code := a.Main(t.Context(), []string{"muster", "status"}); code != exitOther {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(errs.String(), "error: muster has a fault: boom") {
		t.Errorf("stderr %q", errs.String())
	}
}

func TestCheckArgs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		usage string
		n     int
		ok    bool
	}{
		{"", 0, true}, {"", 1, false}, {"NAME", 0, false}, {"NAME", 1, true}, {"NAME", 2, false},
		{"[NAME]", 0, true}, {"[NAME]", 1, true}, {"[NAME]", 2, false},
		{"ID...", 0, false}, {"ID...", 1, true}, {"ID...", 9, true}, {"[WORD...]", 0, true}, {"[WORD...]", 3, true},
	}
	for _, tt := range tests {
		if err := checkArgs(tt.usage, make([]string, tt.n)); (err == nil) != tt.ok {
			t.Errorf("%q with %d arguments: %v", tt.usage, tt.n, err)
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 119 * time.Minute: "1h", 47 * time.Hour: "47h", 49 * time.Hour: "2d",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%s) = %s, want %s", d, got, want)
		}
	}
}

// TestProgressOffATerminal: a line per change, at most every few seconds.
func TestProgressOffATerminal(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	clock := time.Unix(1000, 0)
	p := &progress{w: &b, now: func() time.Time { return clock }}
	for i, step := range []struct {
		after time.Duration
		done  int
	}{{0, 1}, {time.Second, 2}, {4 * time.Second, 3}, {9 * time.Second, 3}, {9 * time.Second, 4}} {
		clock = clock.Add(step.after)
		p.update(step.done, 4, fmt.Sprintf("step %d", min(i, 2)))
	}
	p.end()
	if diff := cmp.Diff("1/4 step 0\n3/4 step 2\n4/4 step 2\n", b.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestBar(t *testing.T) {
	t.Parallel()
	for in, want := range map[[2]int]string{
		{0, 0}:  "[........................] 0/0",
		{1, 2}:  "[############............] 1/2",
		{3, 2}:  "[########################] 3/2",
		{-1, 2}: "[........................] -1/2",
	} {
		if got := bar(in[0], in[1]); got != want {
			t.Errorf("bar(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestReadLine(t *testing.T) {
	t.Parallel()
	r := strings.NewReader("one\ntwo\nlast")
	for _, want := range []string{"one", "two", "last"} {
		if got, err := readLine(r); err != nil || got != want {
			t.Errorf("readLine = %q, %v; want %q", got, err, want)
		}
	}
	if _, err := readLine(r); err == nil {
		t.Error("a line after the end")
	}
	if _, err := readLine(strings.NewReader(strings.Repeat("x", maxLine+1))); err == nil {
		t.Error("an endless line was accepted")
	}
}

func TestHelpPlaceholder(t *testing.T) {
	t.Parallel()
	for usage, want := range map[string][2]string{
		"`FILE` to read": {"FILE", "FILE to read"},
		"plain":          {"VALUE", "plain"},
		"one ` only":     {"VALUE", "one ` only"},
	} {
		value, text := placeholder(&cli.StringFlag{Name: "x", Usage: usage})
		if got := [2]string{value, text}; got != want {
			t.Errorf("placeholder(%q) = %q", usage, got)
		}
	}
}

// FuzzAdmissionReview: what comes out is always a JSON AdmissionReview.
func FuzzAdmissionReview(f *testing.F) {
	f.Add([]byte(`{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}}`))
	f.Add([]byte("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n"))
	f.Add([]byte("? {a: b}\n: c\n"))
	f.Add([]byte("a: .nan"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := admissionReview(data, "default")
		if err != nil {
			if !errors.Is(err, errNotReviewable) {
				t.Errorf("another error: %v", err)
			}
			return
		}
		var head struct {
			Kind string `json:"kind"`
		}
		if err := json.Unmarshal(out, &head); err != nil || head.Kind != "AdmissionReview" {
			t.Errorf("%q became %q: %v", data, out, err)
		}
	})
}
