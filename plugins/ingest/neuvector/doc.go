// Package neuvector is the ingest plugin for what NeuVector's scanner makes of
// an image, in both of its forms: the result that it posts to a controller
// ({"result": …}, names in PascalCase), and the report that it leaves in
// /var/neuvector/scan_result.json ({"error_message": …, "report": …}).
//
// The scanner leaves descriptions and links to its controller's own database;
// they are taken over where they are.
package neuvector
