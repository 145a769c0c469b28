package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/muster-sec/muster/core/model"
)

const (
	opContainsAll       = "containsAll"
	opContainsAny       = "containsAny"
	opNotContainsAny    = "notContainsAny"
	opContainsOtherThan = "containsOtherThan"
	opEqual             = "="
	opAtLeast           = ">="
	opAtMost            = "<="

	scannedYes = "true"
	scannedNo  = "false"
	scannedOwn = "own"
	scannedCI  = "ci"
)

// kind is what one criterion name accepts and how it is compiled.
type kind struct {
	deny, allow []string // operators by rule type
	compile     func(op string, values []string) (test, error)
	ofName      bool // whether it is about the image reference
}

// kinds are the criteria of this version by name. A new criterion is a new line.
func kinds() map[string]kind {
	listed := []string{opContainsAny, opNotContainsAny}
	sets := []string{opContainsAll, opContainsAny, opNotContainsAny, opContainsOtherThan}
	least, most := []string{opAtLeast}, []string{opAtMost, opAtLeast}
	equal := []string{opEqual}
	return map[string]kind{
		"image":         {listed, listed, compileImage, true},
		"imageRegistry": {listed, listed, compileHost, true},
		"namespace":     {listed, listed, compileNamespace, false},
		"imageScanned":  {equal, equal, compileScanned, false},
		// NeuVector's word for an image with credentials or set-id files in it.
		"imageCompliance": {equal, equal, compileFlagged, false},
		cveNames:          {sets, sets, compileCVEs, false},
		"cveCriticalCount": {least, most, compileCount(model.Critical,
			func(c model.Counts) int { return c.Critical }), false},
		"cveHighCount": {least, most, compileCount(model.High,
			func(c model.Counts) int { return c.Critical + c.High }), false},
		"cveMediumCount": {least, most, compileCount(model.Medium,
			func(c model.Counts) int { return c.Medium }), false},
	}
}

const cveNames = "cveNames"

func (k kind) ops(t RuleType) []string {
	if t == Exception {
		return k.allow
	}
	return k.deny
}

// compileCriterion gives the condition of a criterion or says precisely why
// there is none.
func compileCriterion(t RuleType, c Criterion) (condition, error) {
	k, ok := kinds()[c.Name]
	if !ok {
		return condition{}, fmt.Errorf("this version knows no criterion %q", c.Name)
	}
	if ops := k.ops(t); !slices.Contains(ops, c.Op) {
		return condition{}, fmt.Errorf("%s takes %s in rules of type %s, not %q", c.Name, strings.Join(ops, " and "), t, c.Op)
	}
	values := splitValues(c.Value)
	if len(values) == 0 {
		return condition{}, fmt.Errorf("%s has no value", c.Name)
	}
	test, err := k.compile(c.Op, values)
	if err != nil {
		return condition{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	return condition{
		text: criterionText(c), negative: c.Op == opNotContainsAny, test: test,
		ofName: k.ofName, badName: truth(t != Exception),
	}, nil
}

func compileImage(_ string, values []string) (test, error) {
	t := imageTest{}
	for _, v := range values {
		p := newImagePattern(v)
		if p.digest != "" {
			if err := checkDigest(string(p.digest)); err != nil {
				return nil, err
			}
		}
		t.any = append(t.any, p)
	}
	return t, nil
}

func compileHost(_ string, values []string) (test, error) {
	t := hostTest{}
	for _, v := range values {
		p := newHostPattern(v)
		if p.text == "" {
			return nil, fmt.Errorf("%q names no host", v)
		}
		t.any = append(t.any, p)
	}
	return t, nil
}

func compileNamespace(_ string, values []string) (test, error) {
	return namespaceTest{newPatterns(values)}, nil
}

func compileScanned(_ string, values []string) (test, error) {
	known := []string{scannedYes, scannedNo, scannedOwn, scannedCI}
	if len(values) != 1 || !slices.Contains(known, values[0]) {
		return nil, fmt.Errorf("the value is one of %s", strings.Join(known, ", "))
	}
	return scannedTest{values[0]}, nil
}

func compileFlagged(_ string, values []string) (test, error) {
	if len(values) != 1 || values[0] != "true" && values[0] != "false" {
		return nil, errors.New("the value is true or false")
	}
	return flaggedTest{values[0] == "true"}, nil
}

func compileCVEs(op string, values []string) (test, error) {
	for i, v := range values {
		values[i] = strings.ToUpper(v)
	}
	if op == opNotContainsAny {
		op = opContainsAny // the condition negates
	}
	return cveTest{op: op, values: newPatterns(values)}, nil
}

func compileCount(worst model.Severity, count func(model.Counts) int) func(string, []string) (test, error) {
	return func(op string, values []string) (test, error) {
		n, err := strconv.ParseUint(values[0], 10, 31)
		if err != nil || len(values) != 1 {
			return nil, fmt.Errorf("the value is one whole number, not %q", strings.Join(values, ","))
		}
		return countTest{count: count, atLeast: op == opAtLeast, n: int(n), worst: worst}, nil
	}
}
