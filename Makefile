# Every target installs what it needs first, into .venv, from the lock file.

STACK ?= production
BASE ?= origin/main
UV := $(shell command -v uv || echo .tools/uv/bin/uv)
UV_VERSION := 0.13.9
PYTHON := .venv/bin/python

# A rehearsal of STACK that was kept takes the place of its account.
REHEARSED = .rehearsal/$(STACK)/env.sh
STROMHALTIG = $(if $(wildcard $(REHEARSED)),cd $(dir $(REHEARSED)) && . ./env.sh && )$(CURDIR)/.venv/bin/stromhaltig
CI = $(STROMHALTIG) ci

NEEDS_NUMBER = test -n "$(NUMBER)" || { echo "Say which pull request: NUMBER=12" >&2; exit 2; }
COMMANDS := .venv/bin/typer ops.cli utils docs --name stromhaltig --title "Commands"

NEEDS_FILE = test -n "$(FILE)" || { echo "Say which: FILE=state.json, written by" \
  "pulumi stack export --file state.json" >&2; exit 2; }

# Without bytecode on disk, every engine step compiles the AWS SDK again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help rehearse rehearse-stop local local-stop cloud-init policies cost test test-unit \
        test-sweeps test-rehearsal test-servers test-ops test-docker test-app check check-app format docs bench clean \
        ci-stacks ci-preview ci-comment ci-drift ci-reap ci-review-up ci-review-down

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

rehearse: .venv/rehearsal.ready ## run the life of STACK (default production), with nothing real behind it
	@$(PYTHON) -m rehearsal run --stack $(STACK) $(ARGS)

rehearse-stop: .venv/rehearsal.ready ## end a rehearsal that was kept with ARGS=--keep
	@$(PYTHON) -m rehearsal stop

local: .venv/rehearsal.ready ## deploy the Docker stack for real, to this machine's Docker
	@$(PYTHON) -m local up $(ARGS)

local-stop: .venv/rehearsal.ready ## destroy what `make local` made, data included
	@$(PYTHON) -m local stop

cloud-init: .venv/rehearsal.ready ## write user data for a Docker host; SSH_KEY=FILE.pub, ARGS=--help
	@$(PYTHON) -m host $(if $(SSH_KEY),--ssh-key-file $(SSH_KEY)) $(ARGS)

policies: .venv/rehearsal.ready ## judge FILE, an exported state or preview, by every policy
	@$(NEEDS_FILE)
	@.venv/bin/stromhaltig policies --file "$(FILE)" $(ARGS)

cost: .venv/rehearsal.ready ## what a month of FILE costs, an exported state or preview
	@$(NEEDS_FILE)
	@.venv/bin/stromhaltig cost --file "$(FILE)" $(ARGS)

ci-stacks: .venv/rehearsal.ready ## which stacks differ from BASE (default origin/main), as a job's matrix
	@.venv/bin/stromhaltig ci stacks --base $(BASE) $(ARGS)

ci-preview: .venv/rehearsal.ready ## what a pull request is told of STACK; needs Pulumi and its state
	@$(CI) preview --stack $(STACK) --output $(CURDIR)/.previews $(ARGS)

ci-comment: .venv/rehearsal.ready ## the comment of what ci-preview wrote
	@$(CI) comment $(CURDIR)/.previews $(ARGS)

ci-drift: .venv/rehearsal.ready ## what was changed behind STACK's back; changes nothing
	@$(CI) drift --stack $(STACK) $(ARGS)

ci-reap: .venv/rehearsal.ready ## which environments of pull requests would go; ARGS=--no-dry-run ends them
	@$(CI) reap --dry-run $(ARGS)

ci-review-up: .venv/rehearsal.ready ## make the environment of pull request NUMBER, with image REF
	@$(NEEDS_NUMBER)
	@$(STROMHALTIG) review prepare $(NUMBER) --ref "$(REF)"
	@$(CI) review up --pull-request $(NUMBER) $(ARGS)

ci-review-down: .venv/rehearsal.ready ## destroy the environment of pull request NUMBER
	@$(NEEDS_NUMBER)
	@$(CI) review down --pull-request $(NUMBER) $(ARGS)

test: .venv/dev.ready app/node_modules/.ready ## all tests
	$(MAKE) test-app
	$(PYTHON) -m pytest

test-unit: .venv/dev.ready ## the fast suite
	$(PYTHON) -m pytest -n auto --dist loadfile -m "not sweep" tests/unit

test-sweeps: .venv/dev.ready ## whole stacks under mocks, with each option, policy and price
	$(PYTHON) -m pytest -n auto --dist worksteal -m sweep tests/unit

test-rehearsal: .venv/dev.ready ## the provider's rows and the rehearsal itself
	$(PYTHON) -m pytest tests/rehearsal

test-servers: .venv/dev.ready app/node_modules/.ready ## proxy, backups, databases and firewall, on real servers
	$(PYTHON) -m pytest tests/proxy tests/backup tests/databases tests/host

test-ops: .venv/dev.ready app/node_modules/.ready ## commands on real PostgreSQL, and on stacks on the embedded AWS
	$(PYTHON) -m pytest tests/ops tests/databases

test-docker: .venv/dev.ready app/node_modules/.ready ## image and Docker host in a Docker engine; needs root
	$(PYTHON) -m pytest tests/docker

test-app: .venv/dev.ready app/node_modules/.ready ## the app, against real PostgreSQL and Redis, and moto's S3
	@servers=$$($(PYTHON) -m tools.servers postgres redis moto) && \
	  PATH="$$servers$${servers:+:}$$PATH" npm --prefix app test
	npm --prefix app/client test

check: .venv/dev.ready check-app ## lint, format, types, lock file, workflows, generated documents
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	$(UV) lock --check
	$(PYTHON) -m tools.workflows
	$(PYTHON) -m tools.config_reference --check
	$(PYTHON) -m tools.guard_reference --check
	$(PYTHON) -m tools.platform_reference --check
	@$(COMMANDS) | diff -u docs/commands.md - || \
	  { echo "docs/commands.md is stale. Run: make docs" >&2; exit 1; }

check-app: app/node_modules/.ready
	npm --prefix app run lint
	npm --prefix app run typecheck
	npm --prefix app/client run lint

format: .venv/dev.ready ## mend what ruff can mend
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format

docs: .venv/dev.ready ## write the documents that are generated from code
	$(PYTHON) -m tools.config_reference --write
	$(PYTHON) -m tools.guard_reference --write
	$(PYTHON) -m tools.platform_reference --write
	$(COMMANDS) > docs/commands.md

bench: .venv/dev.ready ## measure what docs/benchmarks.md states
	$(PYTHON) -m bench

clean: ## remove what was made here; the engine's cache is kept
	rm -rf .venv .tools .rehearsal .previews app/node_modules app/dist app/client/node_modules \
	  app/client/dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/rehearsal.ready: pyproject.toml uv.lock | $(UV)
	@echo "Installing what the rehearsal needs ..." >&2
	@$(UV) sync --quiet --locked --inexact --group rehearsal
	@touch $@

.venv/dev.ready: pyproject.toml uv.lock | $(UV)
	@echo "Installing what development needs ..." >&2
	@$(UV) sync --quiet --locked --inexact --group dev
	@touch $@ .venv/rehearsal.ready

app/node_modules/.ready: app/package-lock.json app/client/package-lock.json
	@command -v npm >/dev/null || { echo "The app needs Node 20 or newer, with npm." >&2; exit 1; }
	@echo "Installing what the app needs ..." >&2
	@npm --prefix app ci --no-audit --no-fund --loglevel=error
	@npm --prefix app/client ci --no-audit --no-fund --loglevel=error
	@touch $@

.tools/uv/bin/uv:
	@echo "No uv on this machine: installing $(UV_VERSION) into .tools ..." >&2
	@python3 -m venv .tools/uv && .tools/uv/bin/pip install --quiet uv==$(UV_VERSION) || \
	  { rm -rf .tools/uv; echo "Cannot install uv. Install it yourself: https://docs.astral.sh/uv" >&2; exit 1; }
