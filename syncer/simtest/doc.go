// Package simtest runs the real state machines of a primary and its members in a
// simulated world: one seed decides about the time, the network, the work and the
// faults, so that a failure is repeated by its seed.
//
// The faults are: frames dropped, doubled, delayed past others, damaged or torn;
// connections cut and networks parted; either side killed between any two
// operations of its store; tombstones collected early; the primary's store
// replaced by an older backup; entitlements given and withdrawn.
//
// While it runs, the world watches that members apply nothing that the primary
// did not write, that no position and no record goes back within an epoch, and
// that what is in flight stays bounded. After a quiet time without faults every
// member must hold exactly what it is entitled to, and nothing that a restored
// primary forgot may have vanished unoffered.
//
// The world runs on any stores; the package's own test uses syncer/memstore, and
// an embedding program repeats it on its own.
package simtest
