package admission

import (
	"encoding/json"
	"errors"

	"github.com/muster-sec/muster/core/policy"
)

// carrier says where in an object of some kind the pod specification lies.
type carrier func(object) *podSpec

// carriers are the kinds that start containers. Groups are matched and versions
// are not: the pod specification is the same in all of them.
func carriers() map[groupKind]carrier {
	pod := func(o object) *podSpec { return &o.Spec.podSpec }
	template := func(o object) *podSpec { return o.Spec.Template.spec() }
	bare := func(o object) *podSpec { return o.Template.spec() }
	nested := func(o object) *podSpec { return o.Spec.JobTemplate.Spec.Template.spec() }
	return map[groupKind]carrier{
		{"", "Pod"}:                               pod,
		{"", "PodTemplate"}:                       bare,
		{"", "ReplicationController"}:             template,
		{"apps", "DaemonSet"}:                     template,
		{"apps", "Deployment"}:                    template,
		{"apps", "ReplicaSet"}:                    template,
		{"apps", "StatefulSet"}:                   template,
		{"apps.openshift.io", "DeploymentConfig"}: template,
		{"batch", "CronJob"}:                      nested,
		{"batch", "Job"}:                          template,
	}
}

// object is the union of what is read of all carriers. A field that a kind does
// not have stays empty.
type object struct {
	Spec struct {
		podSpec
		Template    *podTemplate `json:"template"`
		JobTemplate struct {
			Spec struct {
				Template *podTemplate `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
	Template *podTemplate `json:"template"` // of a PodTemplate
}

type podTemplate struct {
	Spec podSpec `json:"spec"`
}

type podSpec struct {
	InitContainers      []containerIn `json:"initContainers"`
	Containers          []containerIn `json:"containers"`
	EphemeralContainers []containerIn `json:"ephemeralContainers"`
}

type containerIn struct {
	Name  string `json:"name"`
	Image string `json:"image"`
}

// spec of no template is empty: some controllers allow one without.
func (t *podTemplate) spec() *podSpec {
	if t == nil {
		return &podSpec{}
	}
	return &t.Spec
}

func (c carrier) containers(raw json.RawMessage) ([]Container, error) {
	if !present(raw) {
		return nil, errors.New("it is missing")
	}
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, err
	}
	spec := c(o)
	all := make([]Container, 0, len(spec.InitContainers)+len(spec.Containers)+len(spec.EphemeralContainers))
	for _, part := range []struct {
		kind policy.ContainerKind
		list []containerIn
	}{
		{policy.InitContainers, spec.InitContainers},
		{policy.Containers, spec.Containers},
		{policy.EphemeralContainers, spec.EphemeralContainers},
	} {
		for _, in := range part.list {
			all = append(all, Container{Name: in.Name, Kind: part.kind, Image: in.Image})
		}
	}
	return all, nil
}
