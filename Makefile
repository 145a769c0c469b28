# muster: make demo shows it working, make test proves it.
GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
FUZZTIME ?= 10s
BENCH    ?= .
TOOLS    := $(CURDIR)/bin/tools

# Pinned tools, installed into bin/tools when a target needs them.
BUF_VERSION           := v1.75.0
PROTOC_GEN_GO_VERSION := v1.36.12
PROTOC_GEN_GRPC       := v1.6.0
GOVULNCHECK_VERSION   := v1.9.0

.DEFAULT_GOAL := help
SHELL         := bash
.SHELLFLAGS   := -o pipefail -ec

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

build: ## build bin/muster
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/muster ./cli/muster

demo: build ## show the main job on loopback; ARGS=--exit cleans up and exits
	@CGO_ENABLED=0 $(GO) build -trimpath -o bin/muster-demo ./cli/demo
	@bin/muster-demo --muster bin/muster $(ARGS)

test: ## run all tests
	@$(GO) test ./...

test-real: build ## the whole job against a real registry server (FIXTURES=DIR: real images and DB too)
	@MUSTER_BIN=$(CURDIR)/bin/muster $(GO) test -tags real -count=1 -timeout 30m -v ./cli/realtest

parity: ## compare with Trivy (FIXTURES=DIR: real images and DB; TRIVY=PATH or trivy on the path runs it)
	@$(GO) test -count=1 -v -run 'Trivy|Specimens|Difference|Versions|Images' ./scanner ./scanner/parity | \
		grep -Ev '^ *(=== |--- PASS)|facts of Trivy|problem: '

race: ## run all tests under the race detector
	@$(GO) test -race -shuffle=on ./...

fuzz: ## run every fuzz target for FUZZTIME
	@GO=$(GO) .ci/fuzz $(FUZZTIME)

bench: build ## run the benchmarks, beside Trivy if it is on the path; BENCH=REGEXP chooses
	@MUSTER_BIN=$(CURDIR)/bin/muster $(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 60m ./... | grep -Ev '^(ok|PASS|\?)'

generate: $(TOOLS)/buf $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc ## regenerate the plugin contracts' Go code
	@cd plugins/proto && PATH="$(TOOLS):$$PATH" buf generate

$(TOOLS)/buf:
	@GOBIN=$(TOOLS) $(GO) install github.com/bufbuild/buf/cmd/buf@$(BUF_VERSION)
$(TOOLS)/protoc-gen-go:
	@GOBIN=$(TOOLS) $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO_VERSION)
$(TOOLS)/protoc-gen-go-grpc:
	@GOBIN=$(TOOLS) $(GO) install google.golang.org/grpc/cmd/protoc-gen-go-grpc@$(PROTOC_GEN_GRPC)
$(TOOLS)/govulncheck:
	@GOBIN=$(TOOLS) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

contract: $(TOOLS)/buf ## the plugin contract breaks nothing that was frozen
	@cd plugins/proto && $(TOOLS)/buf breaking --against contract.binpb

freeze: $(TOOLS)/buf ## at a release: freeze the plugin contract and the SDK's surface
	@cd plugins/proto && $(TOOLS)/buf build -o contract.binpb --exclude-source-info
	@$(GO) test ./plugins/sdk -run Surface -update

verify: generate contract ## formatting, vet, generated code and go.mod are as committed
	@test -z "$$(gofmt -l . | tee -a /dev/stderr)"
	@$(GO) vet ./... && $(GO) vet -tags real ./cli/realtest
	@$(GO) mod tidy -diff
	@cd plugins/examples/registry-folder && $(GO) mod tidy -diff && $(GO) vet ./...
	@git diff --exit-code -- plugins/proto

vuln: $(TOOLS)/govulncheck ## known vulnerabilities in what we link (needs the Go vulnerability database)
	@$(TOOLS)/govulncheck ./...

clean: ## remove what was built
	@rm -rf bin

.PHONY: help build demo test test-real parity race fuzz bench generate contract freeze verify vuln clean
