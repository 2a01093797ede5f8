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
JOBS := 6
# Python without a name that says so.
PROGRAMS := tools/audit tools/sbom

.PHONY: help demo deb test test-long test-device test-system test-system-short lint audit sbom lock clean system

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 20

demo: $(STAMP) | system ## everything on this machine: a drill from press to close (ARGS="--keep", ARGS="--log FILE")
	@$(VENV)/bin/callout-agent demo $(ARGS)

deb: $(STAMP) ## Debian packages into dist/, for bookworm and trixie, amd64 and arm64 (RELEASE=bookworm ARCH=arm64 for one)
	@for release in $(or $(RELEASE),bookworm trixie); do for arch in $(or $(ARCH),amd64 arm64); do tools/build-deb $$release $$arch; done; done

test: $(STAMP) | system ## all tests; what this machine cannot run is skipped, with the reason (ARGS="-k gate" for some)
	@$(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

# Not in CI: minutes of SIGKILLs, and a kernel that is built once and kept outside the tree.
test-long: $(STAMP) | system ## 200 SIGKILLs, 100 power cuts, every call of the store failing, ten times the fuzzing (KILLS, CUTS, CALLS, FUZZ=N)
	@CALLOUT_AGENT_KILLS=$(or $(KILLS),200) CALLOUT_AGENT_CUTS=$(or $(CUTS),100) CALLOUT_AGENT_CALLS=$(or $(CALLS),all) \
	  CALLOUT_AGENT_FUZZ=$(or $(FUZZ),10) $(PY) -m pytest --timeout 3600 tests/system/test_sigkill.py tests/system/test_power_cuts.py \
	  tests/edges/test_store_any_call.py tests/fuzz $(ARGS)

test-device: $(STAMP) ## buttons, lamp and keypad on lines and devices of a real kernel, in a guest; see docs/DEVICE-TESTS.md
	@tools/device-guest $(PY) -m pytest -p no:cacheprovider tests/hardware/test_buttons.py tests/hardware/test_indicators.py \
	  tests/hardware/test_keypads.py tests/device $(ARGS) || { code=$$?; [ $$code -eq 77 ] && echo "skipped: no kernel for it here" || exit $$code; }

test-system: $(STAMP) ## the package on booted systems: containers, an arm64 root, a machine whose power is cut (CUTS=N); see docs/SYSTEM-TESTS.md
	@tools/appliance-guest $(PY) -m pytest -p no:cacheprovider -n 2 tests/appliance $(ARGS) || \
	  { code=$$?; [ $$code -eq 77 ] && echo "skipped: no container to boot here" || { [ $$code -eq 5 ] && [ -n '$(ARGS)' ]; } || exit $$code; }
	@CALLOUT_AGENT_CUTS=$(or $(CUTS),10) tools/system-guest $(PY) -m pytest -p no:cacheprovider tests/machine $(ARGS) || \
	  { code=$$?; [ $$code -eq 77 ] && echo "skipped: no machine to boot here" || { [ $$code -eq 5 ] && [ -n '$(ARGS)' ]; } || exit $$code; }

test-system-short: $(STAMP) ## some of it in a Debian 12 container, some minutes; see docs/SYSTEM-TESTS.md
	@RELEASES=bookworm tools/appliance-guest $(PY) -m pytest -p no:cacheprovider -n 2 tests/appliance \
	  -k "becomes_a_callout or early_boot or stands_still or behind_a_cancel or taken_back or answered_yes" || \
	  { code=$$?; [ $$code -eq 77 ] && echo "skipped: no container to boot here" || exit $$code; }

lint: $(STAMP) ## ruff, its formatter, mypy
	@$(PY) -m ruff check . $(PROGRAMS)
	@$(PY) -m ruff format --check . $(PROGRAMS)
	@$(PY) -m mypy

audit: $(STAMP) ## known vulnerabilities of what requirements.lock pins
	@tools/audit

sbom: $(STAMP) ## the software bill of materials of what a device runs, into dist/
	@tools/sbom

# Hashes must be the registry's own, for every platform: a local wheel's would lock out everyone else.
lock: $(STAMP) ## requirements.lock anew from pyproject.toml (UPGRADE=1: with newer releases)
	@env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND="make lock" \
	  $(PY) -m piptools compile --quiet --all-extras --generate-hashes --strip-extras --annotation-style=line \
	  --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
	  $(if $(UPGRADE),--upgrade) --output-file=requirements.lock pyproject.toml
	@! grep -nE '://|file:/' requirements.lock

clean: ## remove what the others made, the virtual environment too
	rm -rf $(VENV) build dist artefacts *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

system:
	@tools/system-packages

$(STAMP): requirements.lock pyproject.toml tools/make-venv
	@tools/make-venv $(VENV)
	@touch $@
