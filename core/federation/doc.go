// Package federation makes clusters members of one federation and keeps them
// so: promote and demote, join tokens, join, leave, removal, and the process that
// carries the feed. What travels is decided by core/feed and core/store, how it
// travels by syncer; this package decides who takes part.
//
// A cluster is standalone, primary or managed. A primary listens on the fed port
// and runs a hub; a managed cluster dials out and runs an agent. Service.Run
// starts whichever the role asks for and follows changes of role.
//
// # Joining
//
// The joiner saves its own key and the token, sealed, before it says a word. The
// primary takes a use of the token and records certificate and key in one
// transaction and answers the same key the same way again, so a join that broke
// off anywhere is finished by repeating it; a daemon that was killed in the middle
// does so when it starts.
//
// # Ending
//
// Leave, removal and demotion all end in one transaction that empties the feed,
// the keys and everything federated. A member that was removed while it was away
// goes on with the last state it acknowledged; the primary remembers the key and
// says so when the member comes back, and the member then cleans up by itself.
package federation
