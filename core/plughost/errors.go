package plughost

import "errors"

var (
	// ErrUnknown says that no plugin of that kind and name is declared or built in.
	ErrUnknown = errors.New("plughost: no such plugin")
	// ErrChecksum says that an executable is not the one that was declared.
	ErrChecksum = errors.New("plughost: checksum mismatch")
	// ErrIncompatible says that a plugin speaks another version of the
	// protocol, or is not what its declaration says.
	ErrIncompatible = errors.New("plughost: incompatible plugin")
	// ErrFailed says that a plugin cannot be started now; the text says why and
	// when it will be tried again.
	ErrFailed = errors.New("plughost: plugin failed")
	// ErrStopped says that the host has ended.
	ErrStopped = errors.New("plughost: stopped")
)
