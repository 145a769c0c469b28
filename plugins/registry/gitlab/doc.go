// Package gitlab is the registry plugin for GitLab's container registry. The
// projects and their repositories come from GitLab's API v4, by a token that may
// read it (read_api): a personal, group or project access token. Tags and
// digests come from the registry itself, with user name and password if they are
// set (a deploy token, say), or else with the same token (read_registry).
//
// The address is the registry's. Where GitLab's API is, the registry says itself,
// as it names GitLab as the one who gives out its tokens; the setting api_url
// overrules it. The address may end with a group or a project; then only what is
// in it and in its subgroups is listed.
package gitlab
