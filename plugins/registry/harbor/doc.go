// Package harbor is the registry plugin for Harbor (API v2.0). It lists projects,
// repositories and artifacts, which the distribution API shows to administrators
// only, with a user's or a robot's name and password, or anonymously what is
// public. Artifacts without a tag are listed too.
//
// The address may end with a project's name; then only that project is listed.
package harbor
