package cmd

import "github.com/muster-sec/muster/core/httpapi/api"

// pageSize is how many items are asked for at a time.
const pageSize = 100

// pages joins the pages of a list till limit items, 0 being all. Next of the
// result is where the rest begins.
func pages[T any](limit int, page func(cursor string, size int) (api.List[T], error)) (api.List[T], error) {
	all := itemsOf([]T{})
	for {
		size := pageSize
		if limit > 0 {
			size = min(size, limit-len(all.Items))
		}
		p, err := page(all.Next, size)
		if err != nil {
			return all, err
		}
		all.Items = append(all.Items, p.Items...)
		done := p.Next == "" || p.Next == all.Next || (limit > 0 && len(all.Items) >= limit)
		if all.Next = p.Next; done {
			return all, nil
		}
	}
}
