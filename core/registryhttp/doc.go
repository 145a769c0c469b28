// Package registryhttp is how the daemon itself reaches registries, beside what
// plugins ask them: under the TLS rules of the registry's settings, within the
// concurrency and rate that they allow, and not at all while the registry says
// "later". What it remembers of a host is shared by all who ask that host, so
// one refusal holds back every request of every pull.
package registryhttp
