# `make run` measures and reports, `make test` checks; the other targets say what they do.

GO      ?= go
FUZZTIME ?= 10s
# NVML's header marks calls as deprecated that go-nvml still offers.
export CGO_CFLAGS ?= -O2 -g -Wno-deprecated-declarations
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

.PHONY: screenshot dist devices-doc build portable run test lint fuzz peers cover validate ablation claims ptx ptx-check ptx-assemble kernels-doc stopping-study kill-study fault-study hostile mutations fresh generated clean

build:
	$(GO) build -trimpath -ldflags '-X main.commit=$(VERSION)' -o bin/bench ./cmd/bench

# Without cgo, and for macOS, bench measures nothing and does all else.
portable:
	CGO_ENABLED=0 $(GO) build -o bin/bench-portable ./cmd/bench
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 $(GO) build -o bin/bench-darwin ./cmd/bench
	bin/bench-portable claims >/dev/null
	bin/bench-portable predict gemm --device h100-sxm --m 64 --n 64 --k 64 --dtype bf16 >/dev/null
	bin/bench-portable run --profile quick 2>bin/portable.txt; test $$? = 3
	grep -q 'this build of bench measures nothing' bin/portable.txt

# Measure every suite on the best device found, and report.
run: build
	bin/bench run --profile quick

test: lint
	$(GO) vet ./...
	GORACE=atexit_sleep_ms=0 $(GO) test -race -timeout 10m ./...

# gofmt always; golangci-lint (.golangci.yml) and govulncheck where they are
# installed. A known vulnerability of a module that the program calls fails.
lint:
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "gofmt these files:"; echo "$$out"; exit 1; fi
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else echo "lint: golangci-lint is not installed; gofmt and vet only"; fi
	@$(GO) run ./tools/vulncheck ./cmd/bench

# Every fuzz target of every package, FUZZTIME each, which shrinking inputs would
# otherwise use up.
fuzz:
	@set -e; grep -r '^func Fuzz' --include='*_test.go' . | sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | sort | while read -r pkg f; do \
		echo "fuzz $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg </dev/null; \
	done

# Side by side with other programs, as ratios. Installs nothing, says what it lacks.
peers:
	$(GO) test -run '^$$' -bench Peer -benchtime 1x -timeout 30m -v ./microbench/...

cover:
	$(GO) test -coverprofile=bin/cover.out -coverpkg=./... ./...
	$(GO) tool cover -func=bin/cover.out | tail -1

# The models against the recorded measurements in ../shared/data; says so and skips where they are absent.
validate: build
	mkdir -p docs
	bin/bench validate ../shared/data --docs docs --known-errors reports/gate/known_errors.csv --hosts predict/serving/fitted.json
	$(MAKE) claims # which use the hosts fitted

# What each parameter of the models buys, into docs/models-parameters.md; some quarter of an hour.
ablation: build
	$(GO) run ./tools/ablation >bin/ablation.md && mv bin/ablation.md docs/models-parameters.md

# The gate on recorded nights of one machine, beside a fixed threshold and benchstat; and on simulated scatter.
gate-study:
	$(GO) test ./reports/gate -run '^$$' -bench GateOn -benchtime 1x -v -timeout 30m

# The published claims, recomputed.
claims: build
	bin/bench claims --format md -o docs/claims.md

# The kernels' PTX from their sources, with clang 19 (CLANG=clang-19) and no CUDA toolkit.
ptx:
	cuda/kernels/ptx.sh make

# Fails where the committed PTX is not of the sources.
ptx-check:
	cuda/kernels/ptx.sh check

# Registers, spills and hot loops by ptxas; a spill fails. CUDA_TOOLS says where the toolkit is.
ptx-assemble:
	$(GO) run ./tools/assemble

# The same, written into docs/kernels.md.
kernels-doc:
	$(GO) run ./tools/assemble docs/kernels.md

# The program killed at 1,000 random moments; some 20 minutes.
kill-study: build
	$(GO) run ./tools/kill bin/bench

# Runs beside adversaries, each between two quiet ones, as root on a quiet machine;
# some ten minutes. The table goes into docs/measuring.md.
hostile: build
	$(GO) run ./tools/hostile -doc docs/measuring.md bin/bench

# Every call of the driver, cuBLASLt and NCCL made to fail with each kind of error.
fault-study:
	$(GO) test -run AFaultInAnyCall -count=1 -timeout 0 -v ./microbench/gpu -every-fault

# Faults put into every kernel's source: the check of the answer must see each. The
# tables go into docs/measuring.md and docs/kernels.md; some minutes.
mutations:
	$(GO) test -run 'MutationsAreSeen|MutationsTable$$' -count=1 -v -timeout 30m ./microbench/host ./microbench/gpu -args -every-mutation

# How often the stopping rule's interval holds a known truth, into docs/measuring.md.
stopping-study:
	$(GO) run ./tools/stopping docs/measuring.md

# What the program writes into documents in seconds must be what is committed.
fresh: build
	@d=$$(mktemp -d) && trap 'rm -rf '$$d EXIT && bin/bench claims --format md -o $$d/claims.md && cmp $$d/claims.md docs/claims.md && \
	if [ ! -d ../shared/data ]; then echo "fresh: ../shared/data is not here; docs/validation.md is not looked at"; exit; fi && \
	bin/bench validate ../shared/data --docs $$d --known-errors $$d/known_errors.csv >$$d/said && \
	cmp $$d/known_errors.csv reports/gate/known_errors.csv && for f in $$d/validation*; do cmp $$f docs/$${f##*/} || exit 1; done && \
	echo "fresh: docs/claims.md and docs/validation.md are what the program writes"

# All that is generated, the slow ones too; fails where it is not what is committed.
generated: validate ablation mutations stopping-study kernels-doc
	git diff --exit-code --stat -- docs reports/gate/known_errors.csv

# The catalogue as a document.
devices-doc: build
	bin/bench catalog --format md >docs/devices.md
# The picture of the README, from published timings in ../shared/data; needs Chromium.
screenshot: build
	d=$$(mktemp -d) && bin/bench import aiconfigurator ../shared/data/aiconfigurator/data/h100_sxm -o $$d/h100.parquet && \
		bin/bench report $$d/h100.parquet -o $$d/h100.html && $(GO) run ./tools/screenshot $$d/h100.html '#error' '#error-boxes' docs/page.png; rm -rf $$d

# Packages of this version into dist/: tarball, .deb, .rpm, checksums; for arm64 too
# where aarch64-linux-gnu-gcc is. Needs the module proxy.
dist: build
	deploy/dist/dist.sh

clean:
	rm -rf bin dist
