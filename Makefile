# Needs: a Rust toolchain, a C compiler, Python 3.9+ with pip, npm. The rest is fetched or found.
# Works in any folder, as root or not; what is there already is not fetched again.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
PYTHON ?= python3
TARGET := $(or $(CARGO_TARGET_DIR),target)
SERVICES := $(TARGET)/services
export TXID_SERVICES_FOLDER := $(SERVICES)
# One set of packages in every command, so that nothing is built twice with other features.
# `demo` and `test` share the development build: its dependencies are optimised, the stages as well.
BUILD := $(CARGO) build --locked --workspace --bins
RELEASE := $(BUILD) --release

.PHONY: help contract-tools demo up test lint bench scoreboard measure-batch measure-upgrade pictures models chart-tools monitoring-tools setup services clean

help:
	@echo 'make demo     from nothing to verdicts on a handful of submissions, checked against the truth'
	@echo 'make up       the same, and it stays running: HTTP API on 127.0.0.1:8080'
	@echo 'make test     every test, on real RabbitMQ, Redis and Postgres'
	@echo 'make lint     formatting, clippy, licences, no registry hosts'
	@echo 'make bench    verifications per second: stages alone, the fleet, orchestration; times of single calls'
	@echo 'make scoreboard PER=2 FOLDER=folder   what reading documents is worth: figures, and a page to look at'
	@echo 'make measure-batch ROWS=1000000   a batch through a fleet whose processes are killed meanwhile'
	@echo 'make measure-upgrade OLD=commit    that commit and this one mixed under load: forward, back, forward'
	@echo 'make pictures draw the dashboards from a run of the fleet (PYTHON needs matplotlib)'
	@echo 'make models   fetch what the workers and the tests need into the cache'
	@echo 'make setup    models, services and what checks the chart, so that make test needs no network'
	@echo 'make clean    stop the services started here and remove what was built'

demo: models
	"$(TARGET)/debug/demo"

up: models
	"$(TARGET)/debug/demo" --stay

# The sandbox's fixtures are drawn, not fetched: once per build of what draws them.
models:
	$(BUILD)
	"$(TARGET)/debug/txid" models fetch --group run --group test
	@cache="$${TXID_CACHE:-$${XDG_CACHE_HOME:-$$HOME/.cache}/txid}"; \
	if [ ! "$$cache/fixtures/fixtures.json" -nt "$(TARGET)/debug/specimens" ]; then \
		mkdir -p "$$cache/fixtures"; \
		"$(TARGET)/debug/specimens" --fixtures --cache "$$cache" --out "$$cache/fixtures"; fi

# The Helm engine and the schemas that the chart is held against.
chart-tools:
	@$(PYTHON) -B tests/chart/tools.py

services:
	@tests/services/ensure.sh start

# Prometheus, which reads and evaluates the alerts.
monitoring-tools:
	@tests/monitoring/prometheus.sh >/dev/null

setup: models chart-tools monitoring-tools contract-tools services

contract-tools:
	@PYTHON=$(PYTHON) tests/contract/run.sh setup

# The runner comes last: its summary is the last thing to read.
test: setup
	$(PYTHON) -B -m unittest discover -s models
	@set -a; . "$(SERVICES)/env"; set +a; \
	trap 'tests/services/ensure.sh stop' EXIT; \
	$(PYTHON) -B -m unittest discover -s tests/chart; \
	$(PYTHON) -B -m unittest discover -s tests/monitoring; \
	PYTHON=$(PYTHON) tests/contract/run.sh; \
	if $(CARGO) nextest --version >/dev/null 2>&1; \
	then $(CARGO) nextest run --locked --workspace --no-fail-fast; \
	else $(CARGO) test --locked --workspace --no-fail-fast; fi

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; \
	then $(CARGO) deny --locked check; \
	else echo 'cargo-deny is not installed: licences and bans of deny.toml were not checked'; fi
	@.ci/no-registry-hosts
	@find models tests -name '*.py' -exec $(PYTHON) -B -c 'import ast, sys; [ast.parse(open(f).read(), f) for f in sys.argv[1:]]' {} +
	@find tests deploy .ci -name '*.sh' -exec bash -n {} \;
	@echo 'lint: clean'

bench:
	$(RELEASE)
	"$(TARGET)/release/txid" models fetch --group run --group test
	@tests/services/ensure.sh start
	@set -a; . "$(SERVICES)/env"; set +a; \
	trap 'tests/services/ensure.sh stop' EXIT; \
	"$(TARGET)/release/bench"

measure-batch:
	$(RELEASE)
	@tests/services/ensure.sh start
	@set -a; . "$(SERVICES)/env"; set +a; \
	trap 'tests/services/ensure.sh stop' EXIT; \
	"$(TARGET)/release/bulk" --rows $(or $(ROWS),1000000)

# OLD: the release before; without it the last commit before the newest migration.
measure-upgrade:
	$(BUILD)
	@tests/services/ensure.sh start
	@set -a; . "$(SERVICES)/env"; set +a; \
	trap 'tests/services/ensure.sh stop' EXIT; \
	old=$$(tests/older_release.sh $(OLD)); \
	"$(TARGET)/debug/upgrade" --old "$$old"

pictures: models
	@tests/services/ensure.sh start
	@set -a; . "$(SERVICES)/env"; set +a; \
	trap 'tests/services/ensure.sh stop' EXIT; \
	"$(TARGET)/debug/watched" --python "$(PYTHON)"

# tests/SCOREBOARD.md says how truth is written for a FOLDER of real images.
scoreboard:
	$(RELEASE)
	"$(TARGET)/release/txid" models fetch --group run --group test
	"$(TARGET)/release/scoreboard" --out "$(TARGET)/scoreboard" --threads 1 \
		$(if $(PER),--per "$(PER)") $(if $(FOLDER),--folder "$(FOLDER)")

clean:
	-@tests/services/ensure.sh stop
	$(CARGO) clean
