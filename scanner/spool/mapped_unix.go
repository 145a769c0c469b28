//go:build unix

package spool

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// mapped returns memory that the garbage collector neither counts nor keeps.
func mapped(n int64) ([]byte, func() error, error) {
	data, err := unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil, fmt.Errorf("map %d bytes of memory: %w", n, err)
	}
	return data, func() error { return unix.Munmap(data) }, nil
}
