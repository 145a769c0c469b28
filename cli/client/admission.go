package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/muster-sec/muster/core/httpapi/api"
)

// Rules lists the admission rules of a scope: "fed", "local", or "" for all.
func (c *Client) Rules(ctx context.Context, scope string) (api.List[api.Rule], error) {
	values := url.Values{}
	setAll(values, map[string]string{"scope": scope})
	return ask[api.List[api.Rule]](ctx, c, call{method: http.MethodGet, path: "/rules", query: values})
}

// Rule gives one admission rule.
func (c *Client) Rule(ctx context.Context, id uint32) (api.Rule, error) {
	return get[api.Rule](ctx, c, rulePath(id))
}

// AddRule makes an admission rule; the answer carries its id.
func (c *Client) AddRule(ctx context.Context, r api.Rule) (api.Rule, error) {
	return ask[api.Rule](ctx, c, call{method: http.MethodPost, path: "/rules", body: r})
}

// UpdateRule replaces the rule that has r's id.
func (c *Client) UpdateRule(ctx context.Context, r api.Rule) (api.Rule, error) {
	return ask[api.Rule](ctx, c, call{method: http.MethodPut, path: rulePath(r.ID), body: r})
}

// RemoveRule removes an admission rule.
func (c *Client) RemoveRule(ctx context.Context, id uint32) error {
	return c.send(ctx, call{method: http.MethodDelete, path: rulePath(id)}, nil)
}

// AdmissionState says whether admission control decides, and in which mode.
func (c *Client) AdmissionState(ctx context.Context) (api.AdmissionState, error) {
	return get[api.AdmissionState](ctx, c, "/admission/state")
}

// SetAdmissionState switches admission control.
func (c *Client) SetAdmissionState(ctx context.Context, s api.AdmissionState) (api.AdmissionState, error) {
	return ask[api.AdmissionState](ctx, c, call{method: http.MethodPut, path: "/admission/state", body: s})
}

// Review judges an AdmissionReview as the webhook would, with an explanation.
func (c *Client) Review(ctx context.Context, review json.RawMessage) (api.ReviewAnswer, error) {
	return ask[api.ReviewAnswer](ctx, c, call{method: http.MethodPost, path: "/admission/review", body: review})
}

func rulePath(id uint32) string { return path("rules", strconv.FormatUint(uint64(id), 10)) }
