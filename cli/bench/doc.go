// Package bench measures the scanner as its users run it: the muster binary as a
// process, against a registry server of its own or one that is named, and beside
// Trivy where that is on the path. See docs/performance.md.
//
//	BENCH_REGISTRY=HOST:PORT  a registry without TLS or login whose images are measured
//	FIXTURES=DIR              real images and a real vulnerability DB
//	TRIVY=FILE                Trivy, if it is not on the path
//	MUSTER_BIN=FILE           the binary to measure; it is built when none is named
package bench
