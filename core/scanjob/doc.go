// Package scanjob turns digests that wait into results. Its workers lease a job,
// get a credential for its repository, let the scanner read the image, look its
// packages up in the vulnerability database and write everything in one
// transaction. A multi-platform image becomes jobs of its own for its children.
//
// # Leases
//
// The row of a job is the truth: a lease has an owner and an end, is extended
// while the work goes on, and when it runs out somebody else may take the job. A
// message of the queue only says that a row may be worth looking at; losing one
// delays a job until the rows are announced again, a second one finds the row
// taken. Failures that may pass are tried again after a while, three times in
// all; failures that will not are final at once.
//
// # Answers of the vulnerability database
//
// Findings are a function of inventory and database. When the database changes,
// nothing is pulled and no inventory is read but those that matter: every
// distinct package version (match key) is looked up once, and where the answer
// differs from the kept one, the images that contain it are computed anew. What
// says the same as before is not written, so it costs members nothing either.
//
// Therefore a stored verdict names the database under which its findings last
// changed. That all verdicts answer to a newer one is said once, in one place
// (MatchedDB), and read models show that.
package scanjob
