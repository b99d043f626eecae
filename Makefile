# The targets that .ci/run and a developer share. `make help` lists them.
SHELL       := /bin/bash
GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0
# ST1012 wants Err before the names of the failure kinds, which are no errors of their own.
CHECKS      := inherit,-ST1012
MODULE      := github.com/gwatsync/syncd
FLOOR       := 85
COVERED     := fsm checkpoint headsync pair
LDFLAGS     := -s -w -X main.version=$(VERSION)

.PHONY: help build test race cover lint integration docs docs-check demo image up down compose-test bench

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

build: ## static binaries in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/syncd ./cmd/simnet

test: ## every test
	$(GO) test ./...

race: ## every test under the race detector, with coverage
	@mkdir -p bin
	CGO_ENABLED=1 $(GO) test -race -cover -timeout 15m ./... | tee bin/test.out; exit $${PIPESTATUS[0]}

cover: ## refuse a coverage below the floor in the last race run
	@for p in $(COVERED); do \
	  share=$$(sed -n "s|^ok[[:space:]]*$(MODULE)/$$p[[:space:]].*coverage: \([0-9.]*\)%.*|\1|p" bin/test.out); \
	  echo "$$p $${share:-unknown} %"; \
	  awk -v s="$${share:-0}" 'BEGIN { exit !(s >= $(FLOOR)) }' || { echo "$$p is below $(FLOOR) %"; exit 1; }; \
	done

lint: ## gofmt, go vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not formatted: $$out"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags integration ./test/...
	$(GO) run $(STATICCHECK) -checks $(CHECKS) ./...

integration: ## whole processes: kill -9 of each in every stage
	$(GO) test -count=1 -timeout 15m -parallel 6 -tags integration ./test/...

docs: ## write the generated documents anew
	$(GO) test ./cmd/syncd -run 'TestConfigurationDocument|TestStatusTable' -update
	$(GO) run ./cmd/syncd graph > docs/fsm.mmd
	$(GO) run ./cmd/syncd graph --format dot > docs/fsm.dot

docs-check: ## refuse generated documents that are not those of the code
	$(GO) test -count=1 ./cmd/syncd -run 'TestConfigurationDocument|TestReadmeListsTheExitCodes|TestExampleFile'
	$(GO) run ./cmd/syncd graph | diff docs/fsm.mmd -
	$(GO) run ./cmd/syncd graph --format dot | diff docs/fsm.dot -

bench: ## the figures of head sync beside the built-in driver's, in a table and bench.json
	$(GO) run ./bench

demo: ## a simulated pair until it works
	$(GO) run ./cmd/syncd demo --until working

image: build ## the three images, from the binaries
	mkdir -p bin/empty
	docker build -q --target simnet-gwat -t syncd-simnet-gwat:local .
	docker build -q --target simnet-beacon -t syncd-simnet-beacon:local .
	docker build -q --target syncd -t syncd:local .

up: image ## syncd next to a simulated pair
	docker-compose up -d

down: ## stop it and forget its data
	docker-compose down --volumes

compose-test: ## the same until /readyz says 200, then down
	.ci/compose-test
