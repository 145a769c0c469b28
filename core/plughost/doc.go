// Package plughost runs plugins: it verifies what was declared, launches it in
// a process of its own, watches it, restarts it, and gives the rest of the
// daemon clients that hide all that.
//
// It uses hashicorp/go-plugin for the handshake, mutual TLS and the gRPC
// connection, and keeps the rest in its own hands, because the library trusts
// plugins more than we do:
//
//   - The library parses what plugins write to stderr and panics on a line whose
//     fields have other types than it expects. Its logger is therefore off, and
//     stderr goes through a reader of ours that takes anything.
//   - Its Ping and Kill have no deadline. Health is a call of our own contract
//     with a deadline, and a process that does not answer is killed by its
//     process group.
//   - It hashes a path and then executes the path. Here the file is opened
//     once, the descriptor is hashed, and the descriptor is executed.
//   - It hands the host's environment and standard input to plugins. Here both
//     are empty.
//   - A plugin outlives a killed host. Here the kernel kills it: see launcher.
//
// A plugin is launched when it is first needed, concurrent callers share the
// one process, and callers never see a process, only a client that waits for
// it. What a plugin may consume is limited; see Limits.
package plughost
