package sdk

import (
	"errors"
	"fmt"
	"io"
	"iter"
)

// sendPages sends the items of a sequence in pages. An error in the sequence
// ends it, after what came before has been sent.
func sendPages[T any](seq iter.Seq2[T, error], send func([]T) error) error {
	page := make([]T, 0, maxPage)
	flush := func() error {
		if len(page) == 0 {
			return nil
		}
		err := send(page)
		page = make([]T, 0, maxPage)
		return err
	}
	listed := 0
	for item, err := range seq {
		if err != nil {
			return errors.Join(flush(), err)
		}
		if listed++; listed > MaxListed {
			return fmt.Errorf("%w: the listing has more than %d entries", ErrLimit, MaxListed)
		}
		if page = append(page, item); len(page) == maxPage {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// receivePages is the other end: it opens a stream of pages and yields their
// items one by one. Breaking out of the loop cancels the stream.
func receivePages[T any](open func() (next func() ([]T, error), cancel func(), err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		next, cancel, err := open()
		if err != nil {
			yield(none, fromWire(err))
			return
		}
		defer cancel()
		for listed := 0; ; {
			page, err := next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(none, fromWire(err))
				return
			}
			if listed += len(page); listed > MaxListed {
				yield(none, fmt.Errorf("%w: the plugin lists more than %d entries", ErrLimit, MaxListed))
				return
			}
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}
