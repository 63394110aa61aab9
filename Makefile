# Everything from nothing but python3 (>= 3.11) and make. `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SHARED = -n auto --maxprocesses 4 --dist loadfile  # tests shared among cores, file by file

.PHONY: help demo test test-all check format pins clean

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/core.done  ## forge a twin of a real face clip and scan both (installs the scanner only)
	$(BIN)/unmask demo

test: check  ## the checks and the default tests
	$(BIN)/pytest $(SHARED)

test-all: check  ## the same with the slow tests
	$(BIN)/pytest $(SHARED) -m "not gpu and not weights"

check: $(VENV)/dev.done  ## lint, format, types, layers, spelling
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell src tests docs recipes benchmarks *.md

format: $(VENV)/dev.done  ## rewrite the code as `check` wants it
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

pins: $(VENV)/uv.done  ## choose the newest versions and pin them for all platforms
	$(COMPILE) pyproject.toml -o requirements/core.txt
	$(COMPILE) --extra train --extra dev -c requirements/core.txt pyproject.toml -o requirements/dev.txt

COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --fork-strategy fewest --python-version 3.11 \
	--no-emit-index-url --no-header --no-annotate

clean:  ## remove the environment and all caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

$(VENV)/uv.done: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "unmask needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/uv.txt
	@touch $@

$(VENV)/core.done: $(VENV)/uv.done requirements/core.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements/core.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/dev.done: $(VENV)/core.done requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements/dev.txt
	@touch $@
