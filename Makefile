# Every target installs what it needs first, into .venv, from the lock file.

STACK ?= production
UV := $(shell command -v uv || echo .tools/uv/bin/uv)
UV_VERSION := 0.13.9
PYTHON := .venv/bin/python

# Without bytecode on disk, every engine step compiles the AWS SDK again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help rehearse rehearse-stop test test-unit test-rehearsal check format docs bench clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

rehearse: .venv/rehearsal.ready ## deploy STACK (default production) to an embedded AWS
	@$(PYTHON) -m rehearsal run --stack $(STACK) $(ARGS)

rehearse-stop: .venv/rehearsal.ready ## end a rehearsal that was kept with ARGS=--keep
	@$(PYTHON) -m rehearsal stop

test: .venv/dev.ready ## all tests: unit, provider, and the rehearsal with the real engine
	$(PYTHON) -m pytest

test-unit: .venv/dev.ready ## the fast suite
	$(PYTHON) -m pytest -n auto tests/unit

test-rehearsal: .venv/dev.ready ## the provider's rows and the rehearsal itself
	$(PYTHON) -m pytest tests/rehearsal

check: .venv/dev.ready ## lint, format, types, lock file, generated documents
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	$(UV) lock --check
	$(PYTHON) -m tools.config_reference --check

format: .venv/dev.ready ## mend what ruff can mend
	$(PYTHON) -m ruff check --fix
	$(PYTHON) -m ruff format

docs: .venv/dev.ready ## write the documents that are generated from code
	$(PYTHON) -m tools.config_reference --write

bench: .venv/dev.ready ## measure what docs/benchmarks.md states
	$(PYTHON) -m bench

clean: ## remove what was made here; the engine's cache is kept
	rm -rf .venv .tools .rehearsal .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/rehearsal.ready: pyproject.toml uv.lock | $(UV)
	@echo "Installing what the rehearsal needs ..."
	@$(UV) sync --quiet --locked --inexact --group rehearsal
	@touch $@

.venv/dev.ready: pyproject.toml uv.lock | $(UV)
	@echo "Installing what development needs ..."
	@$(UV) sync --quiet --locked --inexact --group dev
	@touch $@ .venv/rehearsal.ready

.tools/uv/bin/uv:
	@echo "No uv on this machine: installing $(UV_VERSION) into .tools ..."
	@python3 -m venv .tools/uv && .tools/uv/bin/pip install --quiet uv==$(UV_VERSION) || \
	  { rm -rf .tools/uv; echo "Cannot install uv. Install it yourself: https://docs.astral.sh/uv" >&2; exit 1; }
