# `make test` is the one test command; `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# scripts/setup puts what it downloads into .tools.
export PATH := $(CURDIR)/.tools/node/bin:$(PATH):/usr/local/go/bin

MODULES := . interop examples/routers

# ST1005 wants error strings to start in lower case; ours start with names of fields.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2 -checks inherit,-ST1005
GOLANGCI_VERSION := v2.15.0
GOLANGCI := .tools/golangci-lint-$(GOLANGCI_VERSION)

FUZZTIME ?= 1m
BENCH ?= .

.PHONY: help test setup check fmt vet staticcheck lint deps bench fuzz tidy

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

# Modules other than the root use other people's programs, whose state the test
# cache knows nothing about.
test: setup ## run all tests of all modules, with the race detector
	@go build -o .tools/gotest ./scripts/gotest
	@rc=0; .tools/gotest -race -- . || rc=1; \
	.tools/gotest -race -count=1 -- $(filter-out .,$(MODULES)) || rc=1; exit $$rc

setup: ## install what the tests need and this machine lacks
	@scripts/setup

check: fmt vet staticcheck lint deps ## everything that reads the code without running it

fmt: ## report files that gofmt would change
	@out=$$(find . \( -path ./.tools -o -name node_modules \) -prune -o -name '*.go' -print0 | xargs -0r gofmt -l); \
	if [ -n "$$out" ]; then printf 'gofmt would change:\n%s\n' "$$out"; exit 1; fi

vet: ## go vet in every module
	@for m in $(MODULES); do echo "go vet in $$m"; (cd $$m && go vet ./...); done

staticcheck: ## staticcheck in every module
	@for m in $(MODULES); do echo "staticcheck in $$m"; (cd $$m && go run $(STATICCHECK) ./...); done

lint: $(GOLANGCI) ## golangci-lint in every module
	@for m in $(MODULES); do echo "golangci-lint in $$m"; \
	(cd $$m && $(CURDIR)/$(GOLANGCI) run --config $(CURDIR)/.golangci.yml ./...); done

# Built once: it is large, and go run would link it again for every module.
$(GOLANGCI):
	@echo "building golangci-lint $(GOLANGCI_VERSION), which takes minutes"
	@GOBIN=$(CURDIR)/.tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv .tools/golangci-lint $@

deps: ## the import rules
	@go test -run '^TestDeps' .

bench: ## run the benchmarks of all modules (BENCH=regexp)
	@for m in $(MODULES); do (cd $$m && go test -run '^$$' -bench '$(BENCH)' -benchmem ./...); done

fuzz: ## run every fuzz target for FUZZTIME each (a duration, or 200x)
	@scripts/fuzz $(FUZZTIME) $(MODULES)

# The other modules see the root's requirements, so they follow its go.mod.
tidy: ## go mod tidy in the modules other than the root
	@for m in $(filter-out .,$(MODULES)); do (cd $$m && go mod tidy); done
