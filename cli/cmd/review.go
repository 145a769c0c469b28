package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// errNotReviewable is in the chain when a document is no Kubernetes object.
var errNotReviewable = errors.New("neither an AdmissionReview nor a Kubernetes object")

// groupVersionKind and its resource twin are Kubernetes' names of a type.
type groupVersionKind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

type groupVersionResource struct {
	Group    string `json:"group"`
	Version  string `json:"version"`
	Resource string `json:"resource"`
}

// reviewRequest is the part of admission.k8s.io/v1 AdmissionRequest that an API
// server fills when an object is created.
type reviewRequest struct {
	UID       string               `json:"uid"`
	Kind      groupVersionKind     `json:"kind"`
	Resource  groupVersionResource `json:"resource"`
	Name      string               `json:"name,omitempty"`
	Namespace string               `json:"namespace"`
	Operation string               `json:"operation"`
	Object    json.RawMessage      `json:"object"`
	DryRun    bool                 `json:"dryRun"`
}

type reviewDocument struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Request    reviewRequest `json:"request"`
}

// admissionReview gives the AdmissionReview that a document is, or the one that
// an API server would send when the object in the document is created.
func admissionReview(data []byte, namespace string) (json.RawMessage, error) {
	object, err := toJSON(data)
	if err != nil {
		return nil, err
	}
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(object, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotReviewable, err)
	}
	switch {
	case head.APIVersion == "" || head.Kind == "":
		return nil, fmt.Errorf("%w: apiVersion or kind is missing", errNotReviewable)
	case head.Kind == "AdmissionReview":
		return object, nil
	}
	group, version, ok := strings.Cut(head.APIVersion, "/")
	if !ok {
		group, version = "", head.APIVersion
	}
	if head.Metadata.Namespace != "" {
		namespace = head.Metadata.Namespace
	}
	return json.Marshal(reviewDocument{
		APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview",
		Request: reviewRequest{
			UID:  "00000000-0000-0000-0000-000000000000",
			Kind: groupVersionKind{Group: group, Version: version, Kind: head.Kind},
			// Every workload's resource is the plain plural of its kind.
			Resource: groupVersionResource{Group: group, Version: version, Resource: strings.ToLower(head.Kind) + "s"},
			Name:     head.Metadata.Name, Namespace: namespace, Operation: "CREATE", Object: object, DryRun: true,
		},
	})
}

// toJSON leaves JSON as it is, byte for byte, and converts YAML.
func toJSON(data []byte) (json.RawMessage, error) {
	if json.Valid(data) {
		return data, nil
	}
	var value map[string]any
	if err := yaml.Unmarshal(data, &value); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotReviewable, err)
	}
	out, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotReviewable, err)
	}
	return out, nil
}
