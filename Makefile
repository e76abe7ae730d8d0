# One command per intention. Each installs what it needs first; the second time that takes no time.
PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV := .venv
UV := .uv/bin/uv
BIN := $(VENV)/bin
# A CPU build of torch: from the wheel folder that pip is told of, if there is one, else from PyTorch's own index.
FIND_LINKS := $(or $(UV_FIND_LINKS),$(PIP_FIND_LINKS),$(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null))
HAS_TORCH := $(wildcard $(addsuffix /torch-*.whl,$(FIND_LINKS)))
TORCH := $(if $(HAS_TORCH),,--torch-backend cpu)
export UV_FIND_LINKS := $(if $(HAS_TORCH),$(FIND_LINKS),)
export UV_LINK_MODE ?= copy

.PHONY: up down test browser bench lint lock clean
.DEFAULT_GOAL := up

up: $(VENV)/.runtime ## everything on this machine
	@$(BIN)/konstruct up

down: ## end everything, leave no process and no port taken
	@if [ -x $(BIN)/konstruct ]; then $(BIN)/konstruct down; else echo "Nothing is installed here."; fi

test: $(VENV)/.dev browser ## what CI runs
	$(MAKE) --no-print-directory lint
	$(PYTEST) tests/unit tests/component tests/database --ignore $(ONE_NAME) -p no:schemathesis -n 4 --dist loadfile $(TESTS) $(OR_NONE)
	$(PYTEST) $(ONE_NAME) tests/browser tests/acceptance $(TESTS) $(OR_NONE)

# Schemathesis gives all its cases the same name, so that xdist would run one of them; its plugin is not for the others.
ONE_NAME := tests/database/test_admin_contract.py
PYTEST := $(BIN)/python -m pytest
OR_NONE := || [ $$? = 5 ] # what TESTS asks for may be in one of the two only

browser: ## Chromium, in which the tests open the web chat
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null || { \
	  export DEBIAN_FRONTEND=noninteractive; \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  { $$SUDO apt-get install -y -qq --no-install-recommends chromium || { $$SUDO apt-get update -qq && \
	    $$SUDO apt-get install -y -qq --no-install-recommends chromium; }; } >/dev/null || \
	  { echo "Chromium could not be installed; the tests of the web chat need it: install it, then try again."; exit 1; }; }

bench: $(VENV)/.dev ## the benchmark's table and plot
	$(BIN)/python -m tests.bench

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: $(UV) ## resolve again; then commit requirements/
	$(UV) pip compile pyproject.toml $(LOCKING) $(TORCH) -o requirements/runtime.txt
	$(UV) pip compile --group dev -c requirements/runtime.txt $(LOCKING) -o requirements/dev.txt

LOCKING := --overrides requirements/overrides.txt --generate-hashes --no-emit-index-url --no-emit-find-links \
  --no-header --no-annotate --quiet --python-version 3.11

clean: down ## remove the environment; stored conversations stay
	rm -rf $(VENV) .uv

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(VENV)/pyvenv.cfg
	$(UV) pip sync --compile-bytecode --python $(BIN)/python --require-hashes $(TORCH) $< $(if $(wildcard $(VENV)/.dev),requirements/dev.txt)
	$(UV) pip install --python $(BIN)/python --no-deps --no-index --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(UV) pip install --compile-bytecode --python $(BIN)/python --no-deps --require-hashes $(TORCH) -r $<
	@touch $@

$(VENV)/pyvenv.cfg: | $(UV)
	$(UV) venv --allow-existing --python $(PYTHON) $(VENV)

$(UV): requirements/uv.txt
	@echo "Installing into .uv and .venv; the first time this downloads about 1.5 GB."
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --require-hashes -r $<
	@touch $@
