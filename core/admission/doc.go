// Package admission judges Kubernetes AdmissionReviews with the rules of
// core/policy and the results that this cluster holds. A decision depends on the
// local database alone, never on the network, so it is the same while the
// primary cannot be reached. Every decision explains itself: what was known of
// each image, which rules were looked at and what they saw.
//
// # What is judged
//
// Pods, ephemeral containers, and the pod templates of the workload kinds that
// create pods; everything else is allowed with a note. An update is judged only
// for images that the object did not run before under the same kind of
// container, so that a workload can be scaled or labelled when its image has
// meanwhile become unacceptable. All containers are judged, also after one was
// denied, so that an answer names everything that has to be mended.
//
// # What counts as a result
//
// A digest names one image, or an index and with it those of its children that
// have results. A tag names every digest to which a listed registry of exactly
// that host points. Of several scans of one digest the newest counts. A CI
// result of the same digest adds the vulnerabilities that only it names, and
// its counts where muster has not scanned the digest itself.
package admission
