# Everything a contributor or a stranger needs; nothing has to be installed first but python3 (3.11
# or newer) and make. Each target does nothing twice: what is installed is stamped in .venv.
#
#   make demo       the product on embedded stand-ins, http://127.0.0.1:8080
#   make test       all tests
#   make check      format, lint, types, import contracts, generated files, all tests
#   make bench      the budgets, measured on this machine
#   make generate   rewrite what is derived from the code: manifests, app.yml
#   make golden     rewrite golden files; review the difference
#   make constraints  resolve the pinned versions anew
#   make clean      remove all that these targets made

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3.14 python3))
PYTEST := $(BIN)/pytest
SOURCES := ghapp adapters tests bench

.DEFAULT_GOAL := test
.PHONY: demo test check lint bench generate golden constraints browser clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/checkrail demo

test: $(VENV)/.tested browser
	$(PYTEST)

check: lint browser
	$(PYTEST)

lint: $(VENV)/.tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.generated --check

bench: $(VENV)/.tested
	$(BIN)/python -m bench

generate: $(VENV)/.tested
	$(BIN)/python -m tests.generated

# Tests that compare with a golden file have "golden" in their name.
golden: $(VENV)/.tested
	GOLDEN=write $(PYTEST) -q -k golden

# For all platforms and without a registry's address in it.
constraints:
	@command -v uv >/dev/null || { echo "make constraints needs uv: pipx install uv"; exit 1; }
	uv pip compile --universal --upgrade --no-header --no-annotate --no-emit-index-url --all-extras \
	  --python-version 3.11 --output-file constraints.txt pyproject.toml

clean:
	rm -rf $(VENV) build dist *.egg-info checkrail.db checkrail.db-wal checkrail.db-shm
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what is installed --------------------------------------------------------------------------

# By what made the environment: uv leaves no pip in it.
define install
	if [ -x $(BIN)/pip ]; then \
	  $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e $(1); \
	else uv pip install --quiet --python $(BIN)/python -c constraints.txt -e $(1); fi
endef

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing checkrail into $(VENV)"
	@$(call install,.)
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	@echo "installing what the tests need into $(VENV)"
	@$(call install,'.[test]')
	@touch $@

ROOT_APT = [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null

$(BIN)/python:
	@[ -n "$(PYTHON)" ] && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "checkrail needs Python 3.11 or newer; make PYTHON=/path/to/python3"; exit 1; }
	@if command -v uv >/dev/null; then uv venv --quiet --python $(PYTHON) $(VENV); \
	else \
	  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { $(ROOT_APT) && apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; } \
	    || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }; \
	  $(PYTHON) -m venv $(VENV); \
	fi

# The browser tests drive Debian's chromium; without it they say so and are skipped.
browser:
	@command -v chromium >/dev/null \
	  || { $(ROOT_APT) && echo "installing chromium" && apt-get update -qq \
	    && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	  || echo "no chromium here: the browser tests are skipped; apt-get install chromium"
