package model

import "time"

// The values of this file are what the services of the scan flow and the store
// tell each other.

// DigestState is what is known of one digest.
type DigestState struct {
	// Index is set when the digest is a multi-platform image.
	Index *Index
	// Status is the image's, empty when it is not known as an image.
	Status ImageStatus
	// Analyzers made the stored inventory; empty without one.
	Analyzers string
	// Stale says that a newer vulnerability database would answer differently.
	Stale bool
	// Reason is why the image is unsupported; Attached is Image.Attached.
	Reason   string
	Attached bool
}

// ListedPart is a part of a listing: pointers seen and digests to account for.
type ListedPart struct {
	Run      int64
	Registry string
	Tags     []Tag
	Items    []ListedItem
	// Indexes are the multi-platform images among the items, as their manifests
	// say; only the children that are items too are looked at.
	Indexes []Index
}

// ListedItem is one digest that a run accounts for.
type ListedItem struct {
	Repository string
	Digest     Digest
	MediaType  string   // as listed, maybe empty
	Platform   Platform // empty when not known yet
	State      JobState
	Reason     string // why unsupported
	Attached   bool   // unsupported by its place in an index; see Image.Attached
}

// ListingEnd is how the listing of a run ended.
type ListingEnd struct {
	Gone    []Tag  // no longer shown by a listing that is complete
	Problem string // why it is incomplete; empty when it is not
	Warning string // what a person should know all the same
}

// Timetable is a registry's schedule and up to when it has been answered.
type Timetable struct {
	Registry string
	Schedule string
	Answered time.Time
}

// Retention says what is kept and for how long.
type Retention struct {
	Now time.Time
	// Untagged images are kept this long after their last tag went.
	Untagged time.Duration
	// Orphans are content-addressed facts that nothing refers to any more.
	Orphans time.Duration
	// Layers are kept this long after their last use.
	Layers time.Duration
	// Runs kept per registry, the newest.
	Runs int
}

// Swept counts what a sweep removed.
type Swept struct {
	Images, FindingLists, PackageSets, Layers, Runs int
}

// LeaseTerms are those of a lease.
type LeaseTerms struct {
	Owner string
	TTL   time.Duration
	// Attempts after which a job whose lease runs out is given up.
	Attempts int
}

// Job is one digest to look at.
type Job struct {
	ID         int64
	Run        int64
	Registry   string
	Repository string
	Digest     Digest
	MediaType  string
	Attempt    int // 1 for the first
	Held       int // how often the registry has put it off
}

// ReturnedJob says what becomes of a job without a result: JobQueued,
// JobUnsupported or JobFailed.
type ReturnedJob struct {
	State  JobState
	Reason string
	// NotBefore is when a job that goes back to the queue may be leased again.
	NotBefore time.Time
	// Uncounted gives the attempt back: the job is not to blame, its worker ends
	// or its registry puts it off.
	Uncounted bool
	// Held counts that the registry put it off.
	Held bool
}

// JobState is where a job stands; but for the first two, jobs are over.
type JobState string

// The states of a job.
const (
	JobQueued      JobState = "queued"
	JobLeased      JobState = "leased"
	JobScanned     JobState = "scanned"
	JobUnchanged   JobState = "unchanged"   // a current analysis existed
	JobUnsupported JobState = "unsupported" // nothing that can be scanned
	JobFailed      JobState = "failed"
	JobExpanded    JobState = "expanded" // an index: its children count, not itself
)

// ScanResult is the result of a job.
type ScanResult struct {
	Job       Job
	Owner     string
	Image     Image
	Analyzers string
	Inventory []byte            // inventory.Inventory as JSON
	Sets      map[string][]byte // canonical package sets by name
	Answers   map[string]string // what each match key of the image was answered, in a form that changes with the answer
	// Verdict is nil when there was no vulnerability database; Findings belongs to it.
	Verdict  *Verdict
	Findings FindingList
}

// MatchedImage is an image with what was looked up for it.
type MatchedImage struct {
	Digest Digest
	Keys   []int64
	// Answered says that there is a verdict.
	Answered bool
	// Ahead says that the image answers to Revision (to none when that is empty)
	// and not, as all others do, to MatchedDB.
	Ahead    bool
	Revision string
	// Skip says that all registries that have the image asked not to be
	// looked up again when the database changes.
	Skip bool
}

// Rematched is the new answer for one image.
type Rematched struct {
	Verdict  Verdict
	Findings FindingList
}

// SavedMatches counts new answers that said something else than the old ones.
type SavedMatches struct {
	Images    int
	Federated int // of them, those that members receive
}

// ImageQuery selects rows of images, ordered by digest. Zero fields select
// everything.
type ImageQuery struct {
	After    Digest // the page before ended here
	Limit    int
	Registry string
	Status   ImageStatus
	Severity Severity // at least this bad
	Text     string   // part of a name or a digest, in any case
}
