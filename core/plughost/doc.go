// Package plughost runs plugins: it verifies what was declared, launches it in
// a process of its own, watches it, restarts it, and gives the rest of the
// daemon clients that hide all that.
//
// It uses hashicorp/go-plugin for the handshake and the gRPC connection, and
// keeps the rest in its own hands, because the library trusts plugins more than
// we do:
//
//   - The library parses what plugins write to stderr and panics on a line whose
//     fields have other types than it expects. Its logger is therefore off, and
//     output goes through a reader of ours that takes anything, at a pace.
//   - Its Ping and Kill have no deadline. Health is a call of our own contract
//     with a deadline, and a process that does not answer is killed with its
//     group, and with what left the group (killStrays).
//   - It hashes a path and then executes the path. Here the content is copied
//     into sealed memory while it is hashed, and the copy is executed.
//   - It hands the host's environment and standard input to plugins. Here both
//     are empty.
//   - A plugin outlives a killed host. Here the kernel kills it: see launcher.
//   - Its certificates are such that most languages refuse them: see identity.
//
// What a plugin says is not believed either: its description and schema are
// checked, its answers are limited in size, number and time, and the secrets it
// was given are taken out of its errors and its log.
//
// A plugin is launched when it is first needed, concurrent callers share the
// one process, and callers never see a process, only a client that waits for
// it. A slot is what clients hold, a supervisor runs one declaration, an
// instance is one process. What a plugin may consume is limited; see Limits.
package plughost
