package admission

import (
	"container/list"
	"sync"

	"github.com/muster-sec/muster/core/policy"
)

// cveCache keeps decoded finding lists by hash, least recently used out first.
// Lists are content-addressed, so an entry is never stale. It is bounded in
// vulnerabilities, not in lists: their sizes differ a thousandfold.
type cveCache struct {
	mu     sync.Mutex
	limit  int
	size   int
	recent *list.List // of *cveEntry, most recent first
	byHash map[string]*list.Element
}

type cveEntry struct {
	hash string
	cves *policy.CVEList
}

// weight counts an empty list too, as it also takes room.
func (e *cveEntry) weight() int { return e.cves.Len() + 1 }

func newCVECache(limit int) *cveCache {
	return &cveCache{limit: limit, recent: list.New(), byHash: map[string]*list.Element{}}
}

func (c *cveCache) get(hash string) (*policy.CVEList, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byHash[hash]
	if !ok {
		return nil, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cveEntry).cves, true
}

func (c *cveCache) put(hash string, cves *policy.CVEList) {
	entry := &cveEntry{hash: hash, cves: cves}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byHash[hash]; ok || entry.weight() > c.limit {
		return
	}
	c.byHash[hash] = c.recent.PushFront(entry)
	c.size += entry.weight()
	for c.size > c.limit {
		last := c.recent.Remove(c.recent.Back()).(*cveEntry)
		delete(c.byHash, last.hash)
		c.size -= last.weight()
	}
}
