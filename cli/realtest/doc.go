// Package realtest runs the whole job end to end with the real binary against
// Debian's docker-registry: build it with the tag "real" (make test-real). With
// FIXTURES=DIR the images, the vulnerability DB and the expected results are
// real ones, otherwise they are made by code.
package realtest
