#!/bin/sh
# Regenerates the Go side of the plugin contracts. The tools are installed at
# pinned versions into bin/ of the repository, never taken from the PATH.
set -eu
cd "$(dirname "$0")"
GOBIN="$(cd ../.. && pwd)/bin/tools"
export GOBIN

want() { # want COMMAND VERSION-TEXT MODULE: install unless the right version is there
	"$GOBIN/$1" --version 2>/dev/null | grep -qF "$2" || go install "$3@v$2"
}
want buf 1.75.0 github.com/bufbuild/buf/cmd/buf
want protoc-gen-go 1.36.12 google.golang.org/protobuf/cmd/protoc-gen-go
want protoc-gen-go-grpc 1.6.0 google.golang.org/grpc/cmd/protoc-gen-go-grpc

PATH="$GOBIN:$PATH"
buf lint
buf generate
