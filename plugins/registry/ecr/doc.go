// Package ecr is the registry plugin for Amazon's Elastic Container Registry,
// private registries of one account in one region. Everything comes from its
// API; of Amazon's SDK only the signer of requests is used, because the rest
// would be as large as all other plugins together, for four calls.
//
// The keys are settings: username is the access key's id, password its secret,
// token the session token of temporary keys. Nothing is taken from the
// surroundings, except that instance_role, when it is set, takes the keys of the
// role that the machine has.
//
// The address may end with the beginning of repositories' names, up to a slash;
// then only those are listed.
package ecr
