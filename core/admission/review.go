package admission

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/muster-sec/muster/core/fault"
	"github.com/muster-sec/muster/core/policy"
)

// MaxReview is the size in bytes up to which a review is read: an API server
// takes objects of 3 MiB, and an update carries two of them.
const MaxReview = 8 << 20

// MaxContainers is how many containers one object may have.
const MaxContainers = 1000

const (
	reviewVersion = "admission.k8s.io/v1"
	reviewKind    = "AdmissionReview"
)

// Request is what an AdmissionReview asks.
type Request struct {
	UID         string
	Operation   string // CREATE, UPDATE, DELETE, CONNECT
	Kind        string // of the object: "Deployment"
	Namespace   string
	Name        string // empty when the API server will make one up
	Subresource string
	User        string // who asks the API server
	// DryRun requests are judged like others and not counted.
	DryRun     bool
	Containers []Container // in the order in which a pod runs them
	Previous   []Container // of the object before an update
	// Note says why there is nothing to judge; empty when there is.
	Note string
}

// Container is one container of a pod or pod template.
type Container struct {
	Name  string
	Kind  policy.ContainerKind
	Image string // as written
}

// reviewIn is the part of an admission.k8s.io/v1 AdmissionReview that is read.
type reviewIn struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Request    *requestIn `json:"request"`
}

type requestIn struct {
	UID         string          `json:"uid"`
	Kind        groupKind       `json:"kind"`
	SubResource string          `json:"subResource"`
	Operation   string          `json:"operation"`
	Namespace   string          `json:"namespace"`
	Name        string          `json:"name"`
	DryRun      bool            `json:"dryRun"`
	Object      json.RawMessage `json:"object"`
	OldObject   json.RawMessage `json:"oldObject"`
	UserInfo    struct {
		Username string `json:"username"`
	} `json:"userInfo"`
}

type groupKind struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
}

// ParseReview reads an AdmissionReview of admission.k8s.io/v1. Malformed input
// gives fault.Invalid, too much of it fault.TooLarge.
func ParseReview(body []byte) (Request, error) {
	if len(body) > MaxReview {
		return Request{}, fault.New(fault.TooLarge, "admission: a review of %d bytes; %d are read", len(body), MaxReview)
	}
	var in reviewIn
	if err := decodeOne(body, &in); err != nil {
		return Request{}, fault.New(fault.Invalid, "admission: the body is no AdmissionReview: %w", err)
	}
	switch {
	case in.APIVersion != reviewVersion || in.Kind != reviewKind:
		return Request{}, fault.New(fault.Invalid, "admission: the body is %q %q, not %s %s", in.APIVersion, in.Kind, reviewVersion, reviewKind).
			WithHint("list v1 in admissionReviewVersions of the webhook configuration")
	case in.Request == nil || in.Request.UID == "":
		return Request{}, fault.New(fault.Invalid, "admission: the review has no request with a uid")
	case in.Request.Operation == "":
		return Request{}, fault.New(fault.Invalid, "admission: the request has no operation")
	}
	return in.Request.request()
}

// request picks the containers out of the objects.
func (in *requestIn) request() (Request, error) {
	req := Request{
		UID: in.UID, Operation: in.Operation, Kind: in.Kind.Kind, Namespace: in.Namespace, Name: in.Name,
		Subresource: in.SubResource, User: in.UserInfo.Username, DryRun: in.DryRun,
	}
	carrier, ok := carriers()[in.Kind]
	switch {
	case in.Operation != "CREATE" && in.Operation != "UPDATE":
		req.Note = "the operation " + in.Operation + " starts no container"
	case !ok:
		req.Note = "objects of kind " + in.Kind.Kind + " start no container by themselves"
	case in.SubResource != "" && in.SubResource != "ephemeralcontainers":
		req.Note = "the subresource " + in.SubResource + " changes no image"
	}
	if req.Note != "" {
		return req, nil
	}
	var err error
	if req.Containers, err = carrier.containers(in.Object); err != nil {
		return Request{}, fault.New(fault.Invalid, "admission: the object: %w", err)
	}
	if in.Operation == "UPDATE" && present(in.OldObject) {
		if req.Previous, err = carrier.containers(in.OldObject); err != nil {
			return Request{}, fault.New(fault.Invalid, "admission: the old object: %w", err)
		}
	}
	if n := max(len(req.Containers), len(req.Previous)); n > MaxContainers {
		return Request{}, fault.New(fault.TooLarge, "admission: an object of %d containers; %d are judged", n, MaxContainers)
	}
	return req, nil
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }

// decodeOne reads exactly one JSON value.
func decodeOne(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the end")
	}
	return nil
}
