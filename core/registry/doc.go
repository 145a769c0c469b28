// Package registry knows the sources of images: who they are, when they are
// looked at, and what of them must be scanned.
//
// A run is one pass over a registry: listing, scanning, over. The listing finds
// tags and digests and compares them with what is known. Identity is the digest:
// a digest with a current analysis is unchanged and costs no pull, whatever tags
// point to it. A multi-platform image is its children, of the platforms that the
// registry selects; it is accounted for by them and not by itself. Attestations
// and other artifacts are unsupported, never failed. When a run is done,
//
//	listed = scanned + unchanged + unsupported + failed
//
// counted in digests. The counters are counted from the run's jobs, so a daemon
// that was killed and lists again counts nothing twice.
//
// A listing that is incomplete (a page that fails, a tag that cannot be read)
// removes nothing: absence of an answer is not absence of an image. What it
// found is scanned all the same, and the run ends as failed with the reason.
// Only a complete listing removes the tags that are gone.
//
// # Filters
//
// A filter is a glob "repository[:tag]". "*" stands for any characters, "/"
// among them, so "base/*" selects "base/app" and "base/team/app"; "?" stands for
// one character. Without a tag part every tag is selected, and manifests without
// a tag where the registry's listing shows them. A registry without filters is
// taken whole.
//
// A manifest without a tag that a known index lists is accounted for by that
// index. Until the index was read once nobody knows, and it is scanned for its
// own sake.
//
// # Schedules
//
// Package schedule reads them. A time that passed while the daemon was down, or
// while a run was still under way, is answered once.
package registry
