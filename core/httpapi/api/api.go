// Package api is the JSON of the native API /api/v1 as Go values. The handlers,
// the command line and openapi.yaml agree on it; it holds no behaviour. Field
// names and meanings are a contract: add, never change. Times are RFC 3339 and
// absent when unknown.
package api

import "time"

// Error is the body of every answer that is not 2xx. Code is the compatible
// API's number for the failure, Message the detail, Hint the next step.
type Error struct {
	Code    int    `json:"code"`
	Error   string `json:"error"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// List wraps every list, so that it can grow a cursor.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // cursor of the next page; absent at the end
}

// LoginRequest is the body of POST /api/v1/login.
type LoginRequest struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// LoginResponse carries the session token for the header "Authorization: Bearer TOKEN".
type LoginResponse struct {
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
	Username  string    `json:"username"`
	Role      string    `json:"role"`
}

// PasswordChange is the body of PUT /api/v1/accounts/{name}/password. Current
// is needed when it is one's own.
type PasswordChange struct {
	Current string `json:"current,omitempty"`
	New     string `json:"new"`
}

// Account is an account; Password is only ever sent to the daemon.
type Account struct {
	Username  string    `json:"username"`
	Role      string    `json:"role"`
	Password  string    `json:"password,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	LastLogin time.Time `json:"last_login,omitzero"`
}

// APIKey is an API key; Key is present only in the answer that made it.
type APIKey struct {
	Name      string    `json:"name"`
	Role      string    `json:"role"`
	CreatedBy string    `json:"created_by,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Key       string    `json:"key,omitempty"`
}

// Status is the answer of GET /api/v1/status.
type Status struct {
	Version     string    `json:"version"`
	ClusterID   string    `json:"cluster_id"`
	ClusterName string    `json:"cluster_name"`
	Role        string    `json:"role"` // standalone, primary, managed
	StartedAt   time.Time `json:"started_at"`
	DB          DB        `json:"db"`
	Username    string    `json:"username"` // who asks
	UserRole    string    `json:"user_role"`
}

// DB says which vulnerability database answers are made with.
type DB struct {
	Present   bool      `json:"present"`
	Revision  string    `json:"revision,omitempty"`
	UpdatedAt time.Time `json:"updated_at,omitzero"` // when its data was built
	LoadedAt  time.Time `json:"loaded_at,omitzero"`
	Stale     bool      `json:"stale"` // older than the daemon is told to accept in silence

	NextUpdate time.Time `json:"next_update,omitzero"` // when its makers promise the next
	Source     string    `json:"source,omitempty"`     // repository or file that it came from
	Digest     string    `json:"digest,omitempty"`     // of the artifact

	// Of a daemon that pulls the database itself.
	CheckedAt   time.Time `json:"checked_at,omitzero"`
	NextCheck   time.Time `json:"next_check,omitzero"`
	UpdateError string    `json:"update_error,omitempty"` // of the last pull

	Ecosystems []Ecosystem `json:"ecosystems,omitempty"` // GET /api/v1/db only
}

// Ecosystem is how much the vulnerability database knows of one.
type Ecosystem struct {
	Name       string `json:"name"`
	Releases   int    `json:"releases,omitempty"` // of a distribution
	Advisories int    `json:"advisories"`
}

// PromoteRequest is the body of POST /api/v1/federation/promote.
type PromoteRequest struct {
	Name      string `json:"name"`
	Advertise string `json:"advertise"` // host:port of the fed port as members reach it
}

// Federation is the answer of GET /api/v1/federation.
type Federation struct {
	Role         string      `json:"role"`
	ClusterID    string      `json:"cluster_id"`
	ClusterName  string      `json:"cluster_name"`
	FederationID string      `json:"federation_id,omitempty"`
	Advertise    string      `json:"advertise,omitempty"`
	PrimaryName  string      `json:"primary_name,omitempty"`
	Primary      string      `json:"primary,omitempty"` // host:port, on a managed cluster
	Since        time.Time   `json:"since,omitzero"`
	Settings     FedSettings `json:"settings"`
}

// FedSettings is the body of GET and PUT /api/v1/federation/settings.
type FedSettings struct {
	FedSync FedSync `json:"fed_sync"`
}

// FedSync says what travels beside federated registries and rules.
type FedSync struct {
	CIResults bool `json:"ci_results"`
}

// Cluster is one cluster of the federation.
type Cluster struct {
	ID            string         `json:"id"`
	Name          string         `json:"name"`
	Role          string         `json:"role"`
	Address       string         `json:"address,omitempty"`
	Status        string         `json:"status"`
	Reason        string         `json:"reason,omitempty"`
	Version       string         `json:"version,omitempty"`
	JoinedAt      time.Time      `json:"joined_at,omitzero"`
	LastSeen      time.Time      `json:"last_seen,omitzero"`
	Head          uint64         `json:"head"`
	Applied       uint64         `json:"applied"`
	Lag           uint64         `json:"lag"`
	ClockOffsetMS int64          `json:"clock_offset_ms"`
	Summary       ClusterSummary `json:"summary"`
}

// ClusterSummary is what a member reports of itself.
type ClusterSummary struct {
	Images      int       `json:"images"`
	Rules       int       `json:"rules"`
	DBRevision  string    `json:"db_revision,omitempty"`
	DBUpdatedAt time.Time `json:"db_updated_at,omitzero"`
	// DecisionsDay is how many admission decisions it made in the last day.
	DecisionsDay int `json:"decisions_day,omitempty"`
}

// TokenRequest is the body of POST /api/v1/federation/tokens; zero values mean
// one hour and one use.
type TokenRequest struct {
	TTLSeconds int64 `json:"ttl_seconds,omitempty"`
	MaxUses    int   `json:"max_uses,omitempty"`
}

// Token is a join token; Token itself is present only in the answer that made it.
type Token struct {
	ID        string    `json:"id"`
	Token     string    `json:"token,omitempty"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	MaxUses   int       `json:"max_uses"`
	Uses      int       `json:"uses"`
	State     string    `json:"state"` // valid, used, expired, revoked
}

// JoinRequest is the body of POST /api/v1/federation/join.
type JoinRequest struct {
	Token string `json:"token"`
	Name  string `json:"name,omitempty"` // of this cluster; its configured name when empty
}

// LeaveRequest is the body of POST /api/v1/federation/leave. Force leaves even
// when the primary cannot be told.
type LeaveRequest struct {
	Force bool `json:"force,omitempty"`
}

// Registry is a registry with its state. Password and Token are only ever
// sent to the daemon; HasPassword and HasToken come back instead. Settings are
// the plugin's own; of the secret ones among them only the names come back, in
// SecretSettings.
type Registry struct {
	Name                string         `json:"name"`
	Type                string         `json:"type"`
	URL                 string         `json:"url"`
	Repositories        []string       `json:"repositories,omitempty"`
	Filters             []string       `json:"filters,omitempty"`
	Schedule            string         `json:"schedule,omitempty"`
	Username            string         `json:"username,omitempty"`
	Password            string         `json:"password,omitempty"`
	Token               string         `json:"token,omitempty"`
	HasPassword         bool           `json:"has_password,omitempty"`
	HasToken            bool           `json:"has_token,omitempty"`
	Settings            map[string]any `json:"settings,omitempty"`
	SecretSettings      []string       `json:"secret_settings,omitempty"`
	CACert              string         `json:"ca_cert,omitempty"`
	Platforms           []string       `json:"platforms,omitempty"`
	RescanAfterDBUpdate *bool          `json:"rescan_after_db_update,omitempty"` // default true
	Origin              string         `json:"origin,omitempty"`                 // local, fed
	State               string         `json:"state,omitempty"`                  // idle, scanning; "remote" for a federated registry on a managed cluster
	Images              int            `json:"images"`
	LastRun             *Run           `json:"last_run,omitempty"`
	NextRun             time.Time      `json:"next_run,omitzero"`
	CreatedAt           time.Time      `json:"created_at,omitzero"`
	UpdatedAt           time.Time      `json:"updated_at,omitzero"`
}

// PushAddress is the answer of POST /api/v1/registries/{name}/push-key: where the
// registry tells of pushes. It is shown once.
type PushAddress struct {
	Path string `json:"path"`
}

// Run is one pass over a registry; when done, listed = scanned + unchanged +
// unsupported + failed.
type Run struct {
	ID          int64     `json:"id"`
	Registry    string    `json:"registry"`
	Trigger     string    `json:"trigger"`
	State       string    `json:"state"` // listing, scanning, done, failed, cancelled
	StartedAt   time.Time `json:"started_at"`
	FinishedAt  time.Time `json:"finished_at,omitzero"`
	Listed      int       `json:"listed"`
	Scanned     int       `json:"scanned"`
	Unchanged   int       `json:"unchanged"`
	Unsupported int       `json:"unsupported"`
	Failed      int       `json:"failed"`
	Error       string    `json:"error,omitempty"`
	Warning     string    `json:"warning,omitempty"` // what a person should know though nothing failed
	// ExpectedAt is when it will be done if it goes on as it did.
	ExpectedAt time.Time `json:"expected_at,omitzero"`
	// WaitingUntil is set while nothing goes on, because of WaitingFor.
	WaitingUntil time.Time `json:"waiting_until,omitzero"`
	WaitingFor   string    `json:"waiting_for,omitempty"`
}

// DiagnosisStep is one step of POST /api/v1/registries/{name}/test.
type DiagnosisStep struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
	// Warning is set when the step succeeded and still a person should look.
	Warning string `json:"warning,omitempty"`
}

// Image is a row of GET /api/v1/images.
type Image struct {
	Digest    string    `json:"digest"`
	ImageID   string    `json:"image_id,omitempty"`
	Names     []string  `json:"names"` // host/repository:tag, sorted
	Registry  []string  `json:"registries,omitempty"`
	Origin    string    `json:"origin"`
	Platform  string    `json:"platform,omitempty"`
	OS        string    `json:"os,omitempty"`
	Size      int64     `json:"size,omitempty"`
	Status    string    `json:"status"`
	Reason    string    `json:"reason,omitempty"`
	Counts    Counts    `json:"counts"`            // of our own scan, else of the newest CI result
	Sources   []string  `json:"sources,omitempty"` // scan, ci
	ScannedAt time.Time `json:"scanned_at,omitzero"`
	DB        DBVersion `json:"db"`
}

// DBVersion is the vulnerability database behind one answer.
type DBVersion struct {
	Revision  string    `json:"revision,omitempty"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	Stale     bool      `json:"stale,omitempty"` // older than the daemon is told to accept in silence
}

// Counts are findings by severity and those that have a fix.
type Counts struct {
	Critical    int `json:"critical"`
	High        int `json:"high"`
	Medium      int `json:"medium"`
	Low         int `json:"low"`
	Unknown     int `json:"unknown"`
	CriticalFix int `json:"critical_fix"`
	HighFix     int `json:"high_fix"`
	MediumFix   int `json:"medium_fix"`
}

// ImageReport is the answer of GET /api/v1/images/{digest}.
type ImageReport struct {
	Image
	Created  time.Time         `json:"created,omitzero"`
	Author   string            `json:"author,omitempty"`
	User     string            `json:"user,omitempty"`
	Env      []string          `json:"env,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	History  []string          `json:"history,omitempty"` // commands, oldest first
	Layers   []Layer           `json:"layers,omitempty"`
	Findings []Finding         `json:"findings"`
	Packages []Package         `json:"packages,omitempty"`
	Gaps     []Gap             `json:"gaps,omitempty"`
	Problems []FileProblem     `json:"problems,omitempty"`
	Secrets  []Sighting        `json:"secrets,omitempty"`
	SetIDs   []Sighting        `json:"setids,omitempty"`
	Checks   []Check           `json:"checks,omitempty"`
	Base     *BaseImage        `json:"base_image,omitempty"`
	Verdicts []Verdict         `json:"verdicts"`
}

// Gap is a group of packages that could not be judged.
type Gap struct {
	Stream   string `json:"stream"`
	Packages int    `json:"packages"` // 0: nobody knows how many
	Reason   string `json:"reason"`
}

// FileProblem is a file of an image that could not be read.
type FileProblem struct {
	Path     string `json:"path"`
	Analyzer string `json:"analyzer,omitempty"`
	Reason   string `json:"reason"`
}

// Sighting is a noteworthy file of an image that is no package: a credential, a
// set-id file.
type Sighting struct {
	Path     string `json:"path"`
	Line     int    `json:"line,omitempty"`
	Rule     string `json:"rule"`
	Title    string `json:"title,omitempty"`
	Evidence string `json:"evidence,omitempty"` // a secret masked
	Layer    string `json:"layer,omitempty"`
	Deleted  bool   `json:"deleted,omitempty"` // by a layer above; whoever has the image has it still
}

// Check is a check of how an image is built (CIS Docker Benchmark, chapter 4).
type Check struct {
	ID          string   `json:"id"`
	Profile     string   `json:"profile"`
	Level       string   `json:"level"` // PASS, WARN
	Description string   `json:"description"`
	Remediation string   `json:"remediation"`
	Messages    []string `json:"messages,omitempty"`
}

// BaseImage is the image that another one was built on.
type BaseImage struct {
	Name     string `json:"name,omitempty"`
	Digest   string `json:"digest,omitempty"`
	Evidence string `json:"evidence"` // layers, labels, history
	Layers   int    `json:"layers"`   // how many are the base's; 0: not known
}

// Layer is one layer, oldest first.
type Layer struct {
	Digest  string `json:"digest"`
	DiffID  string `json:"diff_id,omitempty"`
	Size    int64  `json:"size,omitempty"`
	Command string `json:"command,omitempty"`
}

// Finding is one vulnerability of one package of an image.
type Finding struct {
	ID        string    `json:"id"`
	Severity  string    `json:"severity"`
	Package   string    `json:"package"`
	Installed string    `json:"installed"`
	Fixed     string    `json:"fixed,omitempty"`
	Status    string    `json:"status,omitempty"`
	Type      string    `json:"type,omitempty"`
	Path      string    `json:"path,omitempty"`
	Layer     string    `json:"layer,omitempty"`
	Score     float64   `json:"score,omitempty"`
	Title     string    `json:"title,omitempty"`
	URL       string    `json:"url,omitempty"`
	Published time.Time `json:"published,omitzero"`
	Source    string    `json:"source"`
	Producer  string    `json:"producer,omitempty"`
	InBase    bool      `json:"in_base_image,omitempty"`
}

// Package is one installed package.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Type    string `json:"type"`
	Path    string `json:"path,omitempty"`
	Layer   string `json:"layer,omitempty"`
}

// Verdict is one source's result for one digest.
type Verdict struct {
	Digest    string `json:"digest"`
	Source    string `json:"source"` // scan, ci
	Producer  string `json:"producer,omitempty"`
	Origin    string `json:"origin"` // local, fed
	Counts    Counts `json:"counts"`
	RunAsRoot bool   `json:"run_as_root"`
	// Incomplete: the distribution's packages could not be judged, the counts are a
	// lower bound.
	Incomplete bool `json:"incomplete,omitempty"`
	// Secrets and SetIDs are absent where nobody looked for them.
	Secrets   *int      `json:"secrets,omitempty"`
	SetIDs    *int      `json:"setids,omitempty"`
	EndOfLife string    `json:"end_of_life,omitempty"` // last day of the release's security updates
	OS        string    `json:"os,omitempty"`
	DB        DBVersion `json:"db"`
	ScannedAt time.Time `json:"scanned_at,omitzero"`
	// FindingsKnown is false until the finding list has arrived; criteria on
	// names are unknown till then.
	FindingsKnown bool `json:"findings_known"`
}

// Receipt is the answer of POST /api/v1/results: committed and synced.
type Receipt struct {
	ID           int64    `json:"id"`
	Digest       string   `json:"digest,omitempty"`
	Reference    string   `json:"reference,omitempty"`
	Format       string   `json:"format"`
	Tool         string   `json:"tool"`
	ToolVersion  string   `json:"tool_version,omitempty"`
	DocumentHash string   `json:"document_hash"`
	Counts       Counts   `json:"counts"`
	Packages     int      `json:"packages"`
	Duplicate    bool     `json:"duplicate"`
	Warnings     []string `json:"warnings,omitempty"`
}

// CIResult is a row of GET /api/v1/results.
type CIResult struct {
	ID           int64     `json:"id"`
	Digest       string    `json:"digest,omitempty"`
	Reference    string    `json:"reference,omitempty"`
	Format       string    `json:"format"`
	Tool         string    `json:"tool"`
	ToolVersion  string    `json:"tool_version,omitempty"`
	Job          string    `json:"job,omitempty"`
	Source       string    `json:"source,omitempty"`
	PostedBy     string    `json:"posted_by"`
	PostedAt     time.Time `json:"posted_at"`
	ScannedAt    time.Time `json:"scanned_at,omitzero"` // as the tool says
	DocumentHash string    `json:"document_hash"`
	Counts       Counts    `json:"counts"`
	Packages     int       `json:"packages"`
}

// Rule is an admission rule; the keys are NeuVector's.
type Rule struct {
	ID         uint32      `json:"id,omitempty"`
	Category   string      `json:"category,omitempty"` // always Kubernetes
	Comment    string      `json:"comment,omitempty"`
	Criteria   []Criterion `json:"criteria"`
	Disable    bool        `json:"disable,omitempty"`
	CfgType    string      `json:"cfg_type"`            // federal, user_created; system_defined is read-only
	RuleType   string      `json:"rule_type"`           // exception, deny
	RuleMode   string      `json:"rule_mode,omitempty"` // "", monitor, protect; deny rules only
	Containers []string    `json:"containers,omitempty"`
	// OnMissing decides when a criterion's data has not arrived: "ignore" (the
	// rule does not match; the default), "match".
	OnMissing string `json:"on_missing,omitempty"`
	// Unreadable says why this version cannot evaluate the rule; never sent to
	// the daemon with effect.
	Unreadable string `json:"unreadable,omitempty"`
}

// Criterion is one condition of a rule; several values are comma separated.
type Criterion struct {
	Name  string `json:"name"`
	Op    string `json:"op"`
	Value string `json:"value"`
}

// AdmissionState is the body of GET and PUT /api/v1/admission/state.
type AdmissionState struct {
	Enable bool   `json:"enable"`
	Mode   string `json:"mode"` // monitor, protect
}

// Decision explains one admission decision. POST /api/v1/admission/review
// answers with {review, decision}; the webhook answers with the review alone.
type Decision struct {
	Allowed    bool                `json:"allowed"`
	Message    string              `json:"message"`
	Rule       *RuleHit            `json:"rule,omitempty"` // the decisive one
	Violations []RuleHit           `json:"violations,omitempty"`
	Containers []ContainerDecision `json:"containers"`
	Warnings   []string            `json:"warnings,omitempty"`
}

// RuleHit names a rule that matched and why.
type RuleHit struct {
	ID       uint32   `json:"id"`
	CfgType  string   `json:"cfg_type"`
	RuleType string   `json:"rule_type"`
	Mode     string   `json:"mode,omitempty"`
	Comment  string   `json:"comment,omitempty"`
	Because  []string `json:"because"`        // one line per criterion, with the values seen
	CVEs     []string `json:"cves,omitempty"` // some of the vulnerabilities behind it, worst first
}

// ContainerDecision explains one container.
type ContainerDecision struct {
	Name    string     `json:"name"`
	Kind    string     `json:"kind"` // containers, init_containers, ephemeral_containers
	Image   string     `json:"image"`
	Allowed bool       `json:"allowed"`
	Note    string     `json:"note,omitempty"`  // why no rule was looked at
	Results []Verdict  `json:"results"`         // what was known of the image
	Rule    *RuleHit   `json:"rule,omitempty"`  // the decisive one
	Trace   []RuleStep `json:"trace,omitempty"` // every rule looked at, in order
	// Violations are denials in monitor mode.
	Violations []RuleHit `json:"violations,omitempty"`
}

// RuleStep is one rule as it was evaluated.
type RuleStep struct {
	ID      uint32   `json:"id"`
	Outcome string   `json:"outcome"` // match, no match, unknown, disabled
	Why     []string `json:"why,omitempty"`
}

// ReviewAnswer is the answer of POST /api/v1/admission/review.
type ReviewAnswer struct {
	Review   any      `json:"review"` // admission.k8s.io/v1 AdmissionReview
	Decision Decision `json:"decision"`
}

// Plugin is a row of GET /api/v1/plugins.
type Plugin struct {
	Name         string    `json:"name"`
	Kind         string    `json:"kind"`
	Version      string    `json:"version,omitempty"`
	Protocol     int       `json:"protocol,omitempty"` // version of the contract that was agreed on
	Builtin      bool      `json:"builtin"`
	State        string    `json:"state"`
	Since        time.Time `json:"since"`             // when it came into that state
	RetryAt      time.Time `json:"retry_at,omitzero"` // in backoff and failed: when it may be started again
	PID          int       `json:"pid,omitempty"`     // of the process that runs
	Restarts     int       `json:"restarts"`          // since it was declared as it is
	Calls        uint64    `json:"calls"`             // since then too
	InFlight     int       `json:"in_flight"`         // calls that have not ended
	LastError    string    `json:"last_error,omitempty"`
	Capabilities []string  `json:"capabilities,omitempty"`
}

// AuditEvent is a row of GET /api/v1/audit, newest first.
type AuditEvent struct {
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor"`
	Action  string    `json:"action"`
	Target  string    `json:"target,omitempty"`
	Outcome string    `json:"outcome"`
}
