# From a fresh Debian with python3 and make to a tested project: `make test`. Nothing here starts a service.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# Most tests wait for a process, a clock or a socket: more at once than there are cores.
JOBS := 3

.PHONY: help demo test lint lock clean system

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 14

demo: $(STAMP) | system ## everything on this machine: a drill from press to close (ARGS="--keep", ARGS="--log FILE")
	@$(VENV)/bin/callout-agent demo $(ARGS)

test: $(STAMP) | system ## all tests; what this machine cannot run is skipped, with the reason (ARGS="-k gate" for some)
	@$(PY) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

lint: $(STAMP) ## ruff, its formatter, mypy
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

# Hashes must be the registry's own, for every platform: a local wheel's would lock out everyone else.
lock: $(STAMP) ## requirements.lock anew from pyproject.toml (UPGRADE=1: with newer releases)
	@env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND="make lock" \
	  $(PY) -m piptools compile --quiet --all-extras --generate-hashes --strip-extras --annotation-style=line \
	  --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
	  $(if $(UPGRADE),--upgrade) --output-file=requirements.lock pyproject.toml
	@! grep -nE '://|file:' requirements.lock

clean: ## remove what the others made, the virtual environment too
	rm -rf $(VENV) build dist artefacts *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

system:
	@tools/system-packages

$(STAMP): requirements.lock pyproject.toml tools/make-venv
	@tools/make-venv $(VENV)
	@touch $@
