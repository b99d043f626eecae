# The targets that .ci/run and a developer share. `make help` lists them.
SHELL       := /bin/bash
GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0
# ST1012 wants Err before the names of the failure kinds, which are no errors of their own.
CHECKS      := inherit,-ST1012
TAG         ?= local
MODULE      := github.com/gwatsync/syncd
FLOOR       := 85
COVERED     := fsm checkpoint headsync pair
FUZZTIME    ?= 10m
FUZZJOBS    ?= 2
LDFLAGS     := -s -w -X main.version=$(VERSION)

.PHONY: simulate simulate-ci mutants help build test race cover lint integration docs docs-check fuzz demo image up down compose-test bench package package-test systemd-test page-test monitoring networks faults

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

build: ## static binaries in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/syncd ./cmd/simnet

test: ## every test
	$(GO) test ./...

race: ## every test under the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 15m ./...

cover: ## refuse a coverage below the floor; without the race detector, beside which counting makes the slowest tests many times as slow
	@mkdir -p bin
	$(GO) test -cover $(COVERED:%=./%) | tee bin/test.out; exit $${PIPESTATUS[0]}
	@for p in $(COVERED); do \
	  share=$$(sed -n "s|^ok[[:space:]]*$(MODULE)/$$p[[:space:]].*coverage: \([0-9.]*\)%.*|\1|p" bin/test.out); \
	  echo "$$p $${share:-unknown} %"; \
	  awk -v s="$${share:-0}" 'BEGIN { exit !(s >= $(FLOOR)) }' || { echo "$$p is below $(FLOOR) %"; exit 1; }; \
	done

lint: ## gofmt, go vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not formatted: $$out"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags integration ./internal/testworld/process
	$(GO) vet -tags networks ./internal/testworld/networks
	$(GO) vet -tags page ./ui/page
	$(GO) run $(STATICCHECK) -checks $(CHECKS) ./...

integration: ## whole processes: kill -9, SIGSTOP and every toxic in every stage; LINKS=turns cuts one link in each stage, by turns
	$(GO) test -count=1 -timeout 25m -parallel 10 -tags integration ./internal/testworld/process $(if $(filter turns,$(LINKS)),-all-links=false)
	$(GO) test -count=1 -timeout 5m ./pair -run TestALongPushUnderABeaconAtWork -far=20000

page-test: ## the page in Chromium; pictures in bin/screenshots
	$(GO) test -count=1 -timeout 15m -tags page ./ui/page

fuzz: ## every fuzz target for FUZZTIME, FUZZJOBS at a time, with a table
	@FUZZTIME=$(FUZZTIME) FUZZJOBS=$(FUZZJOBS) GO=$(GO) .ci/fuzz

networks: ## cut networks, restarted containers, full disk, little memory; needs a Docker engine
	@if timeout 20 docker info >/dev/null 2>&1; then $(MAKE) image TAG=networks; fi
	$(GO) test -count=1 -timeout 10m -v -tags networks ./internal/testworld/networks/

faults: ## every fault: SEEDS=n (200) simulated runs, processes, networks, bad input, fuzz targets; with the table. RECORD=1 keeps the times and needs a clean tree
	@if timeout 20 docker info >/dev/null 2>&1; then $(MAKE) -s image TAG=networks >/dev/null; fi
	@$(GO) run ./internal/testworld/faults/run -seeds $(or $(SEEDS),200) $(if $(RECORD),-record)

docs: ## write the generated documents again
	$(GO) test ./cmd/syncd -run 'TestConfigurationDocument|TestPackagedConfiguration|TestOperatingDocument' -update
	$(GO) test ./ui/terminal -run TestStatusTable -update
	$(GO) test ./pair -run TestMetricsDocument -update
	$(GO) test ./watch -run TestIncidentsDocument -update
	$(GO) test ./watch/heal -run TestRefusalsDocument -update
	$(GO) test ./health -run TestRecordedIncidentsDocument -update
	$(GO) test ./gate -run TestGateDocument -update
	$(GO) test ./internal/testworld/faults -run TestFaultsDocument -update
	$(GO) run ./cmd/syncd graph > docs/fsm.mmd
	$(GO) run ./cmd/syncd graph --format dot > docs/fsm.dot

monitoring: ## alert rules, their tests, a live scrape and the dashboard; needs promtool
	@command -v promtool >/dev/null || { echo "there is no promtool: the tests would skip"; exit 1; }
	$(GO) test -count=1 ./monitoring
	$(GO) test -count=1 ./pair -run TestMetricsDocument

docs-check: ## refuse generated documents that are not those of the code
	$(GO) test -count=1 ./internal/testworld/faults
	$(GO) test -count=1 ./cmd/syncd -run 'TestConfigurationDocument|TestPackagedConfiguration|TestOperatingDocument|TestReadmeListsTheExitCodes|TestExampleFile'
	$(GO) run ./cmd/syncd graph | diff docs/fsm.mmd -
	$(GO) run ./cmd/syncd graph --format dot | diff docs/fsm.dot -

bench: ## the figures of head sync beside the built-in driver's, in a table and bench.json. RECORD=1 publishes them and needs a clean tree
	$(GO) run ./bench $(if $(RECORD),-record)

.PHONY: bench-short
bench-short: ## a short form of every row of the benchmarks, as a test
	$(GO) test -count=1 -timeout 10m ./bench -run TestRowsWork -rows

SEED ?= 1
SIM  := $(GO) test -count=1 -timeout 60m ./internal/testworld/simulation

simulate: ## SEEDS=n (1,000) simulated runs with faults, from SEED on; ERA=coordinated for that era alone; every violation with the command that replays it
	$(SIM) -run '^TestSeeds$$' -seed=$(SEED) -seeds=$(or $(SEEDS),1000) $(if $(ERA),-era=$(ERA)) -jobs=$$(nproc) -all

simulate-ci: ## 1,000 seeds, REPEATS=n (200) of them run twice, 40 with the race detector, syncd killed all along one run
	$(SIM) -run '^TestSeeds$$' -seeds=1000 -repeats=$(or $(REPEATS),200) -jobs=$$(nproc) -all
	$(SIM) -run TestCrashEverywhere -stride=101 -all
	CGO_ENABLED=1 $(GO) test -race -count=1 -timeout 30m ./internal/testworld/simulation -run '^TestSeeds$$' -seeds=40 -repeats=0 -jobs=$$(nproc) -all

mutants: ## deliberate bugs, each of which the simulation has to find within 500 seeds
	$(GO) run ./internal/testworld/simulation/mutants

demo: ## a simulated pair until it works
	$(GO) run ./cmd/syncd demo --until working

image: build ## the three images, from the binaries
	mkdir -p bin/empty
	docker build -q --target simnet-gwat -t syncd-simnet-gwat:$(TAG) .
	docker build -q --target simnet-beacon -t syncd-simnet-beacon:$(TAG) .
	docker build -q --target syncd -t syncd:$(TAG) .

up: image ## syncd next to a simulated pair
	docker-compose up -d

down: ## stop it and forget its data
	docker-compose down --volumes

compose-test: ## the same until /readyz says 200, then down
	.ci/compose-test

package: ## Debian packages and archives for amd64 and arm64 in bin/package
	GO='$(GO)' VERSION='$(VERSION)' packaging/build

package-test: ## the same, and what they must hold; the unit by systemd-analyze
	.ci/package-test

systemd-test: ## the package under a real systemd in a container, from the installation to the purge
	.ci/systemd-test

.PHONY: quickstart-test validator-test
quickstart-test: ## what the README's quick start says, on a fresh clone with empty caches, and the time it takes
	.ci/quickstart-test

validator-test: ## the compose example that starts a validator when the pair works
	.ci/validator-test
