package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/httpapi/api"
)

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{"name":"fed.hub","type":"oci","url":"https://h","filters":["a"],"last_run":{"id":1}}`,
		`{}`, `{}{}`, `{"x":1}`, `[`, `null`, "", `{"name":7}`, `{"next_run":"never"}`, "\x00", `{"name":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v api.Registry
		err := decodeJSON(bytes.NewReader(body), &v)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("%q: %v is a %v", body, err, fault.KindOf(err))
			}
			return
		}
		if !json.Valid(body) {
			t.Errorf("%q is accepted and is not one JSON value", body)
		}
	})
}

func TestCodesHaveTexts(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for kind := fault.Internal; kind <= fault.NotReady; kind++ {
		status, code := classify(fault.New(kind, "x"))
		if status < 400 || code.Text() == Code(0).Text() {
			t.Errorf("%v: %d, %d", kind, status, code)
		}
		seen[code.Text()] = true
	}
	if len(seen) < 6 {
		t.Errorf("texts %v", seen)
	}
	if status, _ := classify(errors.New("x")); status != 500 {
		t.Errorf("an error without a kind: %d", status)
	}
}
