// Package muster is the root of the module; it holds no code of its own, only
// the tests that guard the shape of the whole (imports, package comments).
// ARCHITECTURE.md is the map.
package muster
