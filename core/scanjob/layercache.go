package scanjob

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/muster-sec/muster/scanner"
	"github.com/muster-sec/muster/scanner/inventory"
)

// LayerCache lets the scanner keep its layers' analyses in the store, so that a
// base layer is read once for all images that have it.
type LayerCache struct{ layers Layers }

var _ scanner.LayerCache = LayerCache{}

// NewLayerCache makes a cache over the store's rows.
func NewLayerCache(layers Layers) LayerCache { return LayerCache{layers} }

// Get implements scanner.LayerCache. An analysis that this version cannot read
// is like none: the layer is read again.
func (c LayerCache) Get(ctx context.Context, key inventory.LayerKey) (inventory.LayerAnalysis, bool, error) {
	body, err := c.layers.Layer(ctx, key.String())
	if err != nil || body == nil {
		return inventory.LayerAnalysis{}, false, err
	}
	var analysis inventory.LayerAnalysis
	if json.Unmarshal(body, &analysis) != nil || analysis.Key != key {
		return inventory.LayerAnalysis{}, false, nil
	}
	return analysis, true, nil
}

// Put implements scanner.LayerCache.
func (c LayerCache) Put(ctx context.Context, analysis inventory.LayerAnalysis) error {
	body, err := json.Marshal(analysis)
	if err != nil {
		return fmt.Errorf("scanjob: encode layer %s: %w", analysis.Key, err)
	}
	return c.layers.PutLayer(ctx, analysis.Key.String(), body)
}
