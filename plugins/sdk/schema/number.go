package schema

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

const (
	maxDigits   = 64
	maxExponent = 400 // beyond what a float64 holds
)

var errNumber = errors.New("a number is too long or has too large an exponent")

// checkNumber refuses numbers that are short to write and huge to calculate
// with: the validator makes exact fractions of them.
func checkNumber(n json.Number) error {
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(n.String()), "e")
	if len(mantissa) > maxDigits {
		return errNumber
	}
	if !scientific {
		return nil
	}
	if e, err := strconv.Atoi(exponent); err != nil || e > maxExponent || e < -maxExponent {
		return errNumber
	}
	return nil
}

func checkNumbers(node any) error {
	switch node := node.(type) {
	case json.Number:
		return checkNumber(node)
	case map[string]any:
		for _, value := range node {
			if err := checkNumbers(value); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range node {
			if err := checkNumbers(item); err != nil {
				return err
			}
		}
	}
	return nil
}
