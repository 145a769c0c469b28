"""An ingest plugin for muster: reads what `anchore-cli --json image vuln` prints."""

import json
import re
import sys

import grpc

import muster_plugin

MAX_DOCUMENT = 64 << 20
BATCH = 500
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

contract = muster_plugin.contract()
DescribeResponse = contract.message("base.v1.DescribeResponse")
HealthResponse = contract.message("base.v1.HealthResponse")
RecognizeResponse = contract.message("ingest.v1.RecognizeResponse")
ParseResponse = contract.message("ingest.v1.ParseResponse")

KIND_INGEST = 2
SEVERITIES = {"unknown": 1, "negligible": 2, "low": 2, "medium": 3, "high": 4, "critical": 5}


class Invalid(Exception):
    """The document is not what it should be; the text says where."""


def describe(request, context):
    return DescribeResponse(name="anchore", version="1.0.0", kind=KIND_INGEST)


def health(request, context):
    return HealthResponse()


def recognize(request, context):
    head = request.head.lstrip()
    if head.startswith(b"{") and b'"imageDigest"' in head and b'"vulnerabilities"' in head:
        return RecognizeResponse(recognized=True, format="anchore-vuln/1")
    return RecognizeResponse()


def parse(requests, context):
    try:
        yield from parts(read(requests))
    except Invalid as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


def read(requests):
    """Puts the document together, up to a limit, and decodes it."""
    document = bytearray()
    for request in requests:
        document += request.chunk
        if len(document) > MAX_DOCUMENT:
            raise Invalid("the document has more than %d bytes" % MAX_DOCUMENT)
    try:
        return json.loads(bytes(document))
    except (ValueError, RecursionError) as error:
        raise Invalid("not JSON: %s" % error) from None


def parts(document):
    """Yields the subject and then the findings in batches."""
    if not isinstance(document, dict) or not isinstance(document.get("vulnerabilities"), list):
        raise Invalid('there is no list "vulnerabilities"')
    digest = text(document, "imageDigest")
    if not DIGEST.fullmatch(digest):
        raise Invalid('"imageDigest" is no digest')
    answer = ParseResponse()
    answer.subject.tool = "anchore"
    answer.subject.digest = digest
    yield answer
    rows = document["vulnerabilities"]
    for start in range(0, len(rows), BATCH):
        answer = ParseResponse()
        for row in rows[start : start + BATCH]:
            fill(answer.findings.findings.add(), row)
        yield answer


def fill(finding, row):
    if not isinstance(row, dict) or not text(row, "vuln") or not text(row, "package_name"):
        raise Invalid("a vulnerability without a name or a package")
    fix = text(row, "fix")
    finding.id = text(row, "vuln")
    finding.package = text(row, "package_name")
    finding.installed_version = text(row, "package_version")
    finding.fixed_version = "" if fix == "None" else fix
    finding.ecosystem = text(row, "package_type").lower()
    finding.severity = SEVERITIES.get(text(row, "severity").lower(), 0)
    finding.path = text(row, "package_path")
    finding.url = text(row, "url")


def text(row, key):
    value = row.get(key)
    return value if isinstance(value, str) else ""


if __name__ == "__main__":
    muster_plugin.serve(
        [
            contract.handlers("base.v1.BaseService", {"Describe": describe, "Health": health}),
            contract.handlers("ingest.v1.IngestService", {"Recognize": recognize, "Parse": parse}),
        ]
    )
    sys.exit(0)
