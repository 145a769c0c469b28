// Package cyclonedx is the ingest plugin for bills of materials in CycloneDX's
// JSON, of the specification's versions 1.2 to 1.7, with or without
// vulnerabilities. Trivy, Syft, Grype, cdxgen and many others write them.
//
// Vulnerabilities name the components they affect by reference, and either may
// come first. So the names of all components are kept until the end of a
// document, and the vulnerabilities that come before them too.
package cyclonedx
