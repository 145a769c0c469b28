package spool_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/muster-sec/muster/scanner/limit"
	"github.com/muster-sec/muster/scanner/spool"
)

func TestHold(t *testing.T) {
	t.Parallel()
	b := spool.New(1 << 20)
	large := strings.Repeat("x", 600<<10)
	for range 5 { // more than fits, one after the other
		f, err := spool.Hold(b.Body(t.Context(), strings.NewReader(large), int64(len(large))), int64(len(large)), 1<<20, "x_bytes")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Bytes(), []byte(large)) || f.Size() != int64(len(large)) || f.Reader().Size() != f.Size() {
			t.Error("the content differs")
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestHoldRefuses(t *testing.T) {
	t.Parallel()
	b := spool.New(1000)
	if _, err := spool.Hold(b.Body(t.Context(), strings.NewReader("x"), 2000), 2000, 5000, "x_bytes"); !errors.Is(err, limit.ErrExceeded) {
		t.Errorf("larger than the budget: %v", err)
	}
	if _, err := spool.Hold(strings.NewReader("xyz"), 3, 2, "x_bytes"); !errors.Is(err, limit.ErrExceeded) {
		t.Errorf("larger than allowed: %v", err)
	}
	if _, err := spool.Hold(strings.NewReader("xyz"), 4, 10, "x_bytes"); !errors.Is(err, spool.ErrSize) {
		t.Errorf("short: %v", err)
	}
	// A failed read gives its room back.
	for range 3 {
		if _, err := spool.Hold(b.Body(t.Context(), strings.NewReader(""), 1000), 1000, 1000, "x_bytes"); !errors.Is(err, spool.ErrSize) {
			t.Errorf("short: %v", err)
		}
	}
}

func TestHoldWaitsForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := spool.New(10)
		first, err := spool.Hold(b.Body(t.Context(), strings.NewReader("12345678"), 8), 8, 10, "x")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error)
		for _, c := range []context.Context{ctx, t.Context()} {
			go func() {
				f, err := spool.Hold(b.Body(c, strings.NewReader("12345"), 5), 5, 10, "x")
				if err == nil {
					err = f.Close()
				}
				results <- err
			}()
		}
		synctest.Wait()
		cancel()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("the cancelled wait: %v", err)
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		if err := <-results; err != nil {
			t.Errorf("the other wait: %v", err)
		}
	})
}

func TestShare(t *testing.T) {
	t.Parallel()
	b := spool.New(10)
	f, open, err := spool.Share(b.Body(t.Context(), strings.NewReader("12345678"), 8), 8, "x")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		held, err := spool.Hold(open(), 8, 10, "x") // there is no room for it twice
		if err != nil || string(held.Bytes()) != "12345678" {
			t.Fatalf("%v", err)
		}
		if err := held.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestPeek(t *testing.T) {
	t.Parallel()
	b := spool.New(10)
	for name, r := range map[string]io.Reader{
		"budgeted": b.Body(t.Context(), strings.NewReader("12345678"), 8),
		"plain":    strings.NewReader("12345678"),
	} {
		first, r, err := spool.Peek(r, 3)
		if err != nil || string(first) != "123" {
			t.Errorf("%s: %q, %v", name, first, err)
		}
		f, err := spool.Hold(r, 8, 10, "x")
		if err != nil || string(f.Bytes()) != "12345678" {
			t.Fatalf("%s: the rest differs: %v", name, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if first, _, err := spool.Peek(strings.NewReader("1"), 3); err != nil || string(first) != "1" {
		t.Errorf("short: %q, %v", first, err)
	}
}
