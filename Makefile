# The two commands to know: `make demo` sets everything up and trains four models; `make test` passes the gate.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Tests start hundreds of processes: each would compile the package again where the environment forbids to keep it.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install demo test quick shape check-tools lint types contracts tests faults accept-gpu pages pictures full-forms frames docs format constraints clean

help:
	@echo "make install      set up in .venv"
	@echo "make demo         set up, then train four small vision transformers on real digits"
	@echo "make test         set up, then lint, types, import contracts and tests"
	@echo "make quick        lint, and the tests for between two thoughts: records, the reversible core, the command line"
	@echo "make lint | types | contracts | tests   one part of the gate"
	@echo "make faults       inject every fault often (COUNT=25 SEED=0); figures of a large store"
	@echo "make accept-gpu   tests and figures of this machine's GPU, into accept-gpu.json (DEVICE=cpu for a dry run)"
	@echo "make docs         build the pages in docs/ into site/, strictly"
	@echo "make pages        write anew the pages that are made from the code: settings, verbs, keys, schemes"
	@echo "make full-forms   foresee the studies' full forms anew for docs/full-forms.md (ten minutes)"
	@echo "make pictures     draw the pictures of README and docs anew, from recorded runs"
	@echo "make frames       store every screen anew as text, once all are right: what tests/console/test_frames.py compares"
	@echo "make format       format the code"
	@echo "make constraints  refresh constraints.txt with the newest versions that install together"

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit("revconsole needs Python 3.11 or newer, this is %d.%d; try: make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing revconsole and torch with CUDA: about 5 GB, some minutes."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.documented: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

$(VENV)/.checked: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[check]'
	@touch $@

install: $(VENV)/.installed

demo: install
	@$(BIN)/revconsole demo

check-tools: $(VENV)/.checked

# Types are checked beside the tests, which often wait for other processes.
test: lint
	@$(MAKE) --no-print-directory -j 2 tests shape

shape: types contracts

QUICK := tests/test_architecture.py tests/records tests/references tests/reversible tests/conformance \
	$(addprefix tests/cli/test_,deferred.py promises.py show_boundary.py)
quick: lint
	$(BIN)/pytest --quick $(QUICK)

# Tests, examples and docs may import the tools (DEP004), and do not use all that the package needs (DEP002).
lint: check-tools
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/deptry revconsole
	$(BIN)/deptry tests examples docs --ignore DEP002,DEP004

types: check-tools
	$(BIN)/mypy

contracts: check-tools
	$(BIN)/lint-imports --no-cache

tests: check-tools
	$(BIN)/pytest

COUNT ?= 25
SEED  ?= 0
faults: check-tools
	REVCONSOLE_FAULTS=$(COUNT) REVCONSOLE_FAULT_SEED=$(SEED) $(BIN)/pytest tests/faults tests/conformance tests/records tests/training/together tests/cli/test_leaving.py tests/training/test_exports.py
	$(BIN)/python tests/faults/figures.py

DEVICE ?=
accept-gpu: check-tools
	@status=0; $(if $(DEVICE),REVCONSOLE_ACCEPT_DEVICE=$(DEVICE)) $(BIN)/pytest -n 0 -m cuda tests || status=$$?; \
	$(BIN)/python tests/acceptance/figures.py $(if $(DEVICE),--device $(DEVICE)) --json accept-gpu.json || status=$$?; \
	exit $$status

pages: install
	$(BIN)/python docs/pages.py

pictures: install
	$(BIN)/python docs/pictures.py

full-forms: install
	$(BIN)/python docs/full_forms.py

frames: check-tools
	$(BIN)/pytest -n 0 --renew-frames tests/console/test_frames.py

docs: $(VENV)/.documented pages
	$(BIN)/mkdocs build --strict

format: check-tools
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

constraints:
	rm -rf $(VENV)-fresh
	$(PYTHON) -m venv $(VENV)-fresh
	$(VENV)-fresh/bin/python -m pip install --quiet --disable-pip-version-check '.[check,docs]'
	( echo "# Exact versions that were installed and tested together. Refresh with: make constraints"; \
	  $(VENV)-fresh/bin/python -m pip freeze --exclude revconsole ) > constraints.txt
	rm -rf $(VENV)-fresh

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis site
