# BetaFold in two commands:  `make` (install and run on the embedded data)  and  `make test`.
# Needs Python >= 3.11, a C compiler and the Python package index; everything else goes into .venv.

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --retries 10
CONSTRAINTS := -c envs/constraints.txt

# The first Python that is new enough; `make PYTHON=/path/to/python3` decides otherwise.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(or $(shell for candidate in python3 python3.11 python3.12 python3.13; do \
	"$$candidate" -c '$(NEW_ENOUGH)' 2>/dev/null && echo "$$candidate" && break; done),python3)

# What the compiled kernels are made from: an edit of any of these rebuilds them.
EXTENSION := setup.py pyproject.toml betafold/geometry/ideal.py \
	$(wildcard betafold_ext/*.pyx betafold_ext/*.pxd betafold_ext/core/*.[ch])

# Packages of another installation must not leak into the environment.
unexport PYTHONPATH PYTHONHOME

# Ways to build the extension that only its tests need; how each differs is in setup.py.
PROOFS := sanitize debug threadless wide
SWITCH_sanitize := CC=gcc BETAFOLD_SANITIZE=1
SWITCH_debug := BETAFOLD_CYTHON_DEBUG=1
SWITCH_threadless := BETAFOLD_NO_OPENMP=1
SWITCH_wide := BETAFOLD_VECTOR_BYTES=64
# The sanitizers come before everything else that Python loads; what Python itself never frees is not a leak.
RUN_sanitize = LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

.DEFAULT_GOAL := run
.NOTPARALLEL:
.PHONY: run test lint install install-dev $(PROOFS) dag constraints clean distclean help

run: install ## install, then run the workflow on the embedded data (the default)
	$(BIN)/python -m snakemake all
	@echo "The report is here: $(CURDIR)/reports/calibration.html"
	@echo "All models and baselines side by side: $(CURDIR)/reports/benchmark.html"

test: install-dev ## install, then run the whole test suite (PYTEST_ARGS adds options)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

$(PROOFS): install-dev
	$(SWITCH_$@) $(BIN)/python setup.py --quiet build --build-base build/$@ --build-lib build/$@/lib
	OMP_NUM_THREADS=1 $(RUN_$@) $(BIN)/python -m pytest -o pythonpath="build/$@/lib ." \
		tests/ext tests/geometry $(PYTEST_ARGS)

sanitize: ## the extension's tests under address and undefined-behaviour sanitizers
debug: ## the same with bounds checks and assertions
threadless: ## the same without threads
wide: ## the same with vectors of 64 bytes on any processor

lint: install-dev ## check style of the Python code and of the workflow
	$(BIN)/python -m ruff check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/python -m snakemake --lint

install: $(STAMPS)/betafold ## create .venv with the pinned packages and the compiled extension

install-dev: $(STAMPS)/dev

$(STAMPS)/python:
	@"$(PYTHON)" -c '$(NEW_ENOUGH)' 2>/dev/null || { \
		echo "BetaFold needs Python 3.11 or newer and '$(PYTHON)' is not; try: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@command -v "$${CC:-cc}" >/dev/null || { \
		echo "BetaFold needs a C compiler; on Debian: apt-get install gcc python3-dev" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# First and alone: left to another package's choice, pip would fetch a CUDA build of several gigabytes.
$(STAMPS)/torch: $(STAMPS)/python
	$(PIP) install --quiet $(CONSTRAINTS) "$$(grep '^torch==' envs/requirements.txt)"
	@touch $@

$(STAMPS)/requirements: envs/requirements.txt envs/constraints.txt $(STAMPS)/torch
	$(PIP) install --quiet $(CONSTRAINTS) -r envs/requirements.txt
	@touch $@

$(STAMPS)/betafold: $(EXTENSION) $(STAMPS)/requirements
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/dev: envs/requirements-dev.txt $(STAMPS)/betafold
	$(PIP) install --quiet $(CONSTRAINTS) -r envs/requirements-dev.txt
	@touch $@

dag: install ## redraw the rule graph of the README (docs/rulegraph.mmd)
	$(BIN)/python -m snakemake --rulegraph mermaid-js --quiet all > docs/rulegraph.mmd

constraints: install-dev ## write envs/constraints.txt from what is installed now
	sed -n '/^#/p' envs/constraints.txt > envs/constraints.new
	$(PIP) freeze --all --exclude pip --exclude betafold | sed 's/+cpu$$//' >> envs/constraints.new
	mv envs/constraints.new envs/constraints.txt

clean: ## remove what the workflow made (results, reports, logs)
	rm -rf results reports logs .snakemake

distclean: clean ## remove the environment and the compiled extension too
	rm -rf $(VENV) build betafold.egg-info betafold_ext/*.so betafold_ext/_*.c

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22
