// Package policy is the model of admission rules and their evaluator. It is a
// tool without I/O: the store keeps its rules, the feed carries them, admission
// judges with them, and whoever wants to know what a rule would say may ask too.
//
// # Rules
//
// Names, operators and JSON keys are NeuVector's. A rule is an exception (it
// allows) or a denial; it holds when all of its criteria names hold. Criteria
// of one name combine as
//
//	(every negative operator holds) or (some positive operator holds)
//
// which is what NeuVector does once it has merged equal operators, but does not
// depend on the order in which they were written. A rule without criteria never
// matches.
//
// Rules are looked at in this order, by id within each group, and the first
// decisive one ends it: built-in exceptions, federated exceptions, federated
// denials, local exceptions, local denials. A denial in monitor mode is recorded
// as a violation and the evaluation goes on. Nothing decisive: allowed.
//
// # Where it differs from NeuVector, on purpose
//
//   - Truth has three values. A criterion whose data has not arrived is Unknown,
//     never "no match"; the rule's on_missing then says what that means, and the
//     explanation says that it did. NeuVector counts an image without a result
//     as one with zero vulnerabilities, so that "cveHighCount <= 0" lets it in.
//   - Init and ephemeral containers are judged like all others, unless the rule
//     names the kinds it is for. An empty list means every kind.
//   - Several images may stand behind one tag. A denial matches when any of them
//     matches; an exception only when all of them do.
//   - A value of the criterion image is read as a pod's reference is: without a
//     host it is Docker Hub's. "*/nginx" stands for every host.
//   - An image reference that cannot be read is bad input, not missing data: it
//     meets every denial's criterion about names and no exception's.
//   - A reference with a digest has no tag: what a container runtime ignores must
//     not open an exception.
//   - imageScanned knows "own" (muster itself has scanned the image) and "ci"
//     (only pipelines have) beside true and false, so that a rule may refuse
//     images that were never scanned here.
package policy
