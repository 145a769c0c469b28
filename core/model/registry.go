package model

import "time"

// Registry is a source of images, as an administrator set it.
type Registry struct {
	Name string `json:"name"`
	// Type is the name of the registry plugin: "oci", …
	Type string `json:"type"`
	URL  string `json:"url"`
	// Repositories, when set, are scanned instead of what the catalog lists.
	Repositories []string `json:"repositories,omitempty"`
	// Filters select "repository:tag" by glob; empty means everything.
	Filters []string `json:"filters,omitempty"`
	// Schedule is a cron expression or "@every 10m"; empty means by hand only.
	Schedule string `json:"schedule,omitempty"`
	Username string `json:"username,omitempty"`
	Password Secret `json:"-"`
	Token    Secret `json:"-"`
	// Settings are the plugin's own, by the names of its schema; those that the
	// schema marks as secrets are apart.
	Settings map[string]any `json:"settings,omitempty"`
	// SecretSettings are the values of secret settings as JSON.
	SecretSettings map[string]Secret `json:"-"`
	// PushKey is what a registry shows that tells of pushes; empty: none may.
	PushKey Secret `json:"-"`
	// CACert is PEM, trusted in addition to the system's roots.
	CACert string `json:"ca_cert,omitempty"`
	// Platforms to scan of a multi-platform image; empty means all.
	Platforms []string `json:"platforms,omitempty"`
	// RescanAfterDBUpdate is always cheap (no pull); off only on request.
	RescanAfterDBUpdate bool      `json:"rescan_after_db_update"`
	CreatedAt           time.Time `json:"created_at"`
	UpdatedAt           time.Time `json:"updated_at"`
}

// Federated says whether the registry belongs to the federation.
func (r Registry) Federated() bool { return IsFederatedName(r.Name) }

// Origin is Federated for fed.* registries, Local otherwise.
func (r Registry) Origin() Origin {
	if r.Federated() {
		return Federated
	}
	return Local
}

// RunState is where a run of a registry stands.
type RunState string

// The states of a run; the last three are final.
const (
	RunListing   RunState = "listing"
	RunScanning  RunState = "scanning"
	RunDone      RunState = "done"
	RunFailed    RunState = "failed"
	RunCancelled RunState = "cancelled"
)

// Final says whether the run is over.
func (s RunState) Final() bool { return s == RunDone || s == RunFailed || s == RunCancelled }

// Trigger says why a run started.
type Trigger string

// The triggers.
const (
	TriggerManual   Trigger = "manual"
	TriggerSchedule Trigger = "schedule"
	TriggerDB       Trigger = "vulnerability-db"
	TriggerPush     Trigger = "push"
)

// Run is one pass over a registry. When it is done,
// Listed = Scanned + Unchanged + Unsupported + Failed, counted in image
// digests (a digest with several tags counts once).
type Run struct {
	ID          int64
	Registry    string
	Trigger     Trigger
	State       RunState
	StartedAt   time.Time
	FinishedAt  time.Time // zero while running
	Listed      int
	Scanned     int
	Unchanged   int
	Unsupported int
	Failed      int
	Error       string // why the listing failed or stopped part-way
	Warning     string // what a person should know though nothing failed
	// ExpectedAt is when the run will be done if it goes on as it did; zero while
	// that cannot be told.
	ExpectedAt time.Time
	// WaitingUntil is set while nothing goes on before that time, and WaitingFor
	// says why: a registry's limit, as a rule.
	WaitingUntil time.Time
	WaitingFor   string
}

// RegistryStatus is a registry with what it is doing.
type RegistryStatus struct {
	Registry
	LastRun *Run      // nil before the first
	NextRun time.Time // zero without a schedule
	Images  int       // digests known from this registry now
}

// ListedImage is one tag (or one untagged digest) that a registry listed.
type ListedImage struct {
	Repository string
	Tag        string // empty for an untagged digest
	Digest     Digest // of what the tag names: an image or an index; empty where a listing does not tell it
	MediaType  string // empty where it is not told
}

// PushEvent is a registry's call about pushes as it arrived.
type PushEvent struct {
	Body    []byte
	Headers map[string]string // canonical names, first values
}

// Push is one image that was pushed.
type Push struct {
	Repository string
	Tag        string // empty without one
	Digest     Digest // empty when it is not told
}

// Credential opens one repository. All empty means anonymous.
type Credential struct {
	Username  string
	Password  Secret
	Token     Secret    // a bearer token, used instead of the pair
	ExpiresAt time.Time // zero: does not expire
}

// DiagnosisStep is one step of a registry test, in order.
type DiagnosisStep struct {
	Name   string // "resolve", "connect", "authenticate", "list", "read"; at last "select"
	OK     bool
	Detail string
	Hint   string // the next step, when not OK or with a warning
	// Warning is set when the step succeeded and still a person should look.
	Warning string
}
