// Package parity holds tests that run Trivy beside this scanner, on images made
// for the purpose and the same database, and compare what the two report. Every
// difference that is meant is listed in testdata/differences.txt with its reason.
//
//	TRIVY=/path/to/trivy FIXTURES=folder go test ./scanner/parity
package parity
