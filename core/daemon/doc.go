// Package daemon is the composition root: it builds every service of core with
// the adapters it needs, starts them in order and stops them in reverse. It is
// the only package that knows them all, and holds no logic of its own beyond
// that.
package daemon
