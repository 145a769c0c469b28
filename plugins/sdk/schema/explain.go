package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// maxReasons bounds how much is said about one configuration.
const maxReasons = 8

// explain says what does not fit and where, without a value of the configuration.
func explain(err *jsonschema.ValidationError) string {
	var reasons []string
	collect(err, &reasons)
	slices.Sort(reasons)
	reasons = slices.Compact(reasons)
	if n := len(reasons); n > maxReasons {
		reasons = append(reasons[:maxReasons], fmt.Sprintf("and %d more", n-maxReasons))
	}
	return strings.Join(reasons, "; ")
}

func collect(err *jsonschema.ValidationError, reasons *[]string) {
	for _, cause := range err.Causes {
		collect(cause, reasons)
	}
	if len(err.Causes) > 0 {
		return
	}
	where := strings.Join(err.InstanceLocation, ".")
	if where != "" {
		where += ": "
	}
	*reasons = append(*reasons, where+reason(err.ErrorKind))
}

func reason(why jsonschema.ErrorKind) string {
	switch why := why.(type) {
	case *kind.Required:
		return "is missing " + strings.Join(why.Missing, ", ")
	case *kind.AdditionalProperties:
		return "there is no setting " + strings.Join(why.Properties, ", ")
	case *kind.Type:
		return fmt.Sprintf("is of type %s, not %s", why.Got, strings.Join(why.Want, " or "))
	case *kind.Enum:
		return fmt.Sprintf("is not one of %v", why.Want)
	case *kind.Pattern:
		return "does not match " + why.Want
	case *kind.MinLength:
		return fmt.Sprintf("has %d characters, at least %d are needed", why.Got, why.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("has %d characters, at most %d are allowed", why.Got, why.Want)
	default:
		return fmt.Sprintf("does not fulfil %q", strings.Join(why.KeywordPath(), "/"))
	}
}
