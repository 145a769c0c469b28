package nvapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/muster-sec/muster/core/httpapi/nvapi"
)

func TestProbesOfTheDocumentation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, path string
		handler            http.Handler
		status, code       int
	}{
		{"the API port", "GET", "/v1/eula", nvapi.Handler(), 200, 0},
		{"the fed port", "GET", "/v1/eula", nvapi.FedPortHandler(), 404, 1},
		{"the fed port, anything", "POST", "/v1/fed/ping_internal", nvapi.FedPortHandler(), 404, 1},
		{"unknown", "GET", "/v1/group", nvapi.Handler(), 404, 1},
		{"another method", "DELETE", "/v1/eula", nvapi.Handler(), 405, 2},
	}
	for _, tt := range tests {
		rec := httptest.NewRecorder()
		tt.handler.ServeHTTP(rec, httptest.NewRequest(tt.method, tt.path, nil))
		var body struct {
			EULA struct {
				Accepted bool `json:"accepted"`
			} `json:"eula"`
			Code  int    `json:"code"`
			Error string `json:"error"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
			t.Errorf("%s: %v in %s", tt.name, err, rec.Body)
		}
		if rec.Code != tt.status || body.Code != tt.code || body.EULA.Accepted != (tt.status == 200) {
			t.Errorf("%s: %d %s", tt.name, rec.Code, rec.Body)
		}
		if tt.status == 404 && body.Error != "URL not found" {
			t.Errorf("%s: error %q", tt.name, body.Error)
		}
	}
}
