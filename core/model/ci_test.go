package model_test

import (
	"testing"

	"github.com/muster-sec/muster/core/model"
)

// Nobody's result takes the place of somebody else's.
func TestProducersAreToldApart(t *testing.T) {
	t.Parallel()
	seen := map[string]model.CIResult{}
	for _, r := range []model.CIResult{
		{Tool: "trivy", Source: "jenkins", Job: "nightly", PostedBy: "a"},
		{Tool: "trivy", Source: "jenkins", Job: "nightly", PostedBy: "b"},
		{Tool: "trivy", Job: "jenkins/nightly", PostedBy: "a"},
		{Tool: "trivy", Source: "jenkins/nightly", PostedBy: "a"},
		{Tool: "trivy/jenkins", Job: "nightly", PostedBy: "a"},
		{Tool: "trivy", Source: "jenkins", Job: "nightly@a", PostedBy: "a"},
		{Tool: "trivy", Source: "jenkins", PostedBy: "nightly@a"},
		{Tool: "trivy", Job: "x@y", PostedBy: "z"},
		{Tool: "trivy", Job: "x", PostedBy: "y@z"},
		{Tool: "trivy", PostedBy: "a"},
	} {
		if other, taken := seen[r.Producer()]; taken {
			t.Errorf("%+v and %+v are both %q", r, other, r.Producer())
		}
		seen[r.Producer()] = r
	}
	if got := (model.CIResult{Tool: "trivy", Source: "jenkins", Job: "nightly", PostedBy: "pipeline"}).Producer(); got != "trivy/jenkins/nightly@pipeline" {
		t.Error(got)
	}
}
