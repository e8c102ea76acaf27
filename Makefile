# `make run` and `make test` set up everything they need; after the first time they need no network.
SHELL := /bin/sh
.DEFAULT_GOAL := run

# Nothing of an outer environment may lead past .venv.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV PYTHONOPTIMIZE PYTHONWARNINGS PYTHONDONTWRITEBYTECODE

PYTHON := .venv/bin/python
# Processes that share the tests, a module each; 0 runs them in one, which a debugger needs. More than the two cores that
# the tests are meant for, because many of them wait for deadlines.
TEST_WORKERS ?= 4
PYTEST = $(PYTHON) -m pytest -q
# Of Hypothesis's examples in the soak: other ones each time, and the same ones again with the seed that was printed.
ifndef SEED
SEED := $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')
endif
TESTS ?=
BENCH ?=

.PHONY: run test verify soak lint bench clean set-up set-up-js

run: set-up
	@exec $(PYTHON) run.py

test: set-up-js
	@exec $(PYTEST) -n $(TEST_WORKERS) --dist loadscope --no-loadscope-reorder $(TESTS)

# Wider forms of what `make test` holds already: each transport with each number of processes, every fault point. Shared test
# by test, as the longest would otherwise be left to one process.
verify: set-up-js
	@exec $(PYTEST) -n $(TEST_WORKERS) --dist worksteal -m "verify and not soak" $(TESTS)

soak: set-up-js
	@echo "SEED=$(SEED)"
	@HYPOTHESIS_PROFILE=random exec $(PYTEST) -m soak --hypothesis-seed=$(SEED) $(TESTS)

lint: set-up
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy

bench: set-up-js
	@exec $(PYTHON) -m bench $(BENCH)

# What the servers keep under .data stays.
clean:
	rm -rf .venv .venv.previous build *.egg-info tests/js/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.data/*' -prune -exec rm -rf {} +

set-up:
	@scripts/python scripts/set_up.py

set-up-js:
	@scripts/python scripts/set_up.py --js
