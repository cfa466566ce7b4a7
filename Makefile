.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.13 python3.12 python3.14 python3.11 python3; do command -v $$p >/dev/null && $$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := libs/kit services/registry services/network services/outcomes services/gateway libs/cli
SOURCES := $(addsuffix /src,$(MEMBERS))
STAMP := $(VENV)/.installed
WORKERS ?= 2

.PHONY: help setup run test test-slow check bench openapi fmt lock clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | column -t -s '|'

setup: $(STAMP)  ## Make the virtual environment from the lock (idempotent)

$(STAMP): requirements.lock $(addsuffix /pyproject.toml,$(MEMBERS))
	@test -n "$(PYTHON)" || { echo "Hedgerow needs Python 3.11 to 3.14 with venv on the PATH (on Debian: apt-get install python3-venv)"; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing the locked packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	@touch $@

run: setup  ## Start the platform with the fictional locality and show its gaps
	@$(BIN)/hedgerow up

test: setup  ## Run the whole suite on SQLite and PostgreSQL (no Docker needed)
	@$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadscope --no-loadscope-reorder

test-slow: setup  ## Run the tests that take minutes: long races, many kills, large data
	@$(BIN)/python -m pytest -m slow --hypothesis-profile=exploring -n $(WORKERS) --dist loadscope

check: setup  ## Format, lint, types, imports, generated API documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --no-cache .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/contracts -k openapi

bench: setup  ## Measure the hot paths against their baselines
	@$(BIN)/python -m bench

openapi: setup  ## Write each app's openapi.json from its code; what breaks a promise needs BREAKING=1
	@for app in registry network outcomes gateway; do \
	  document=services/$$app/openapi.json; \
	  $(BIN)/python -m hedgerow_$$app openapi > $$document.new || exit 1; \
	  $(BIN)/python -m tests.contracts.promises $$document $$document.new || test -n "$(BREAKING)" || { rm $$document.new; exit 1; }; \
	  mv $$document.new $$document; \
	done

fmt: setup  ## Format and mend what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## Write requirements.lock again (needs uv on the PATH)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  $(foreach app,kit registry network outcomes gateway,--no-emit-package hedgerow-$(app)) \
	  libs/cli/pyproject.toml --group pyproject.toml:dev -o requirements.lock

clean:  ## Remove the virtual environment and the local data
	rm -rf $(VENV) var
