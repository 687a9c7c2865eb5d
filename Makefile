# Build and check the book, make and grade its assignments. `make` alone lists the targets.
#
# PYTHON    interpreter that makes the environment      make book PYTHON=python3.12
# PIP_ARGS  options for pip, such as a CPU-only torch    see README.md

PYTHON ?= python3
PIP_ARGS ?=

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PY := $(BIN)/python
ENV := .venv/installed.stamp
GRADING := .venv/grading.stamp

# One thread a process: tests and notebooks run two at a time.
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.DEFAULT_GOAL := help
.PHONY: help book test serve notebooks check browser bench mutants clean assignments grade test-grading table

help: ## list the targets
	@echo "make book    build the book; make test    run all tests. All targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' Makefile

book: $(ENV) ## execute every chapter and build the HTML, warnings being errors
	$(PY) -m tools.book

test: $(ENV) ## run all tests, every notebook among them
	$(PY) -m pytest -n 2 --dist loadfile -m "not browser and not grading"
	$(PY) -m tools.run_notebooks

serve: book ## build the book and show it at http://localhost:8000
	$(PY) -m http.server 8000 --bind 127.0.0.1 --directory _build/html

notebooks: $(ENV) ## write the .ipynb beside each chapter anew
	$(PY) -m tools.notebooks

check: $(ENV) ## what CI runs: format, lint, types, tests, strict build, browser
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(MAKE) test
	$(MAKE) test-grading
	$(MAKE) book
	$(MAKE) browser

browser: $(ENV) ## open every built page in headless Chromium
	$(PY) -m pytest -n 2 --dist loadgroup -m browser

bench: $(ENV) ## time every notebook and the trainings
	$(PY) -m benchmarks

mutants: $(ENV) ## mutate the maths modules and count the mutants that the tests kill
	$(PY) -m tools.mutants

assignments: $(GRADING) ## make student notebooks, solutions and autograder bundles
	$(PY) -m grading.assign $(if $(OVERLAY),--overlay "$(OVERLAY)") $(HW)

grade: $(ENV) ## grade a folder of submissions: make grade DIR=submissions HW=hw01-elbo
	@test -n "$(DIR)" -a -n "$(HW)" || { echo "Say which: make grade DIR=submissions HW=hw01-elbo"; exit 1; }
	$(PY) -m grading.batch "$(DIR)" --assignment "$(HW)" $(if $(OVERLAY),--overlay "$(OVERLAY)")

test-grading: $(GRADING) ## test batches, hostile submissions and otter-grader's bundles
	$(PY) -m pytest -n 2 --dist loadfile -m grading

table: $(ENV) ## grade all variants of all answers and write the table of the instructor's guide
	$(PY) -m grading.table

clean: ## remove what was built, the environment excepted
	rm -rf _build mutants .pytest_cache .mypy_cache .ruff_cache

$(ENV): requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { \
	  echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not: $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(PY) -m pip install --quiet -r requirements.txt -c constraints.txt $(PIP_ARGS)
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# otter-grader is for instructors: nothing that students install names it.
$(GRADING): $(ENV) requirements-grading.txt constraints.txt
	$(PY) -m pip install --quiet -r requirements-grading.txt -c constraints.txt $(PIP_ARGS)
	@touch $@
