#!/bin/sh
# Packs the plugin into one executable file: what is one file has one checksum.
#
#   build.sh OUTPUT [CONTRACT]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
output=${1:?usage: build.sh OUTPUT [CONTRACT]}
contract=${2:-$here/../../proto/contract.binpb}
staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
cp "$here"/*.py "$contract" "$staging"
# -I: no environment, no user packages; the system's own only.
/usr/bin/python3 -m zipapp "$staging" --python '/usr/bin/python3 -I' --output "$output"
chmod 755 "$output"
