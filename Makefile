# GT-Vision: `make demo` shows it, `make test` proves it.
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
LOCKS := infra/locks
# Processes that test at once. Most of the time is spent waiting for real servers, so one more than the usual cores.
TESTERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo up test lint format lock install install-dev clean

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "  Options of gtvision go in ARGS: make demo ARGS='--port 8090'"

demo: install ## Everything with demo cameras, on http://127.0.0.1:8080/, until Ctrl-C
	@$(BIN)/python -m cli.packages demo
	@exec $(BIN)/gtvision demo $(ARGS)

up: install ## Everything for your own cameras, until Ctrl-C
	@exec $(BIN)/gtvision up $(ARGS)

test: install-dev ## Every check: style, types, dependency rules, tests
	@$(BIN)/python -m cli.packages test
	@$(MAKE) --no-print-directory lint
	$(BIN)/pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: install-dev ## The checks that run nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev ## Put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: install-dev ## Write the locks anew from pyproject.toml
	@$(BIN)/python -m piptools --version >/dev/null 2>&1 || $(PIP) install pip-tools
	sh $(LOCKS)/lock.sh

install: $(VENV)/.run-installed ## The virtual environment that runs GT-Vision

install-dev: $(VENV)/.dev-installed ## The virtual environment that tests it

# Stamps: nothing is asked of the network when the locks are as they were.
$(VENV)/.made:
	@python=$$(for name in python3.11 python3 python; do \
	    "$$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo "$$name" && break; \
	  done); \
	if [ -z "$$python" ]; then \
	  echo "GT-Vision needs Python 3.11: install it (Debian: apt-get install python3.11 python3.11-venv)." >&2; exit 1; \
	fi; \
	echo "Making the virtual environment with $$python ..."; \
	"$$python" -m venv $(VENV) || { echo "As root: apt-get install python3.11-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.run-installed: $(VENV)/.made $(LOCKS)/run.lock pyproject.toml
	@if [ ! -e $(VENV)/.dev-installed ] || [ $(LOCKS)/run.lock -nt $(VENV)/.dev-installed ]; then \
	  echo "Installing $$(grep -c == $(LOCKS)/run.lock) locked packages (some minutes the first time) ..."; \
	  $(PIP) install --require-hashes -r $(LOCKS)/run.lock; \
	fi
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev-installed: $(VENV)/.made $(LOCKS)/dev.lock pyproject.toml
	@echo "Installing $$(grep -c == $(LOCKS)/dev.lock) locked packages (some minutes the first time) ..."
	@$(PIP) install --require-hashes -r $(LOCKS)/dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

clean: ## Take away what was made here; data/ stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +
