# `make run` and `make test` set up everything they need; after the first time they need no network.
SHELL := /bin/sh
.DEFAULT_GOAL := run

# Nothing of an outer environment may lead past .venv.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV PYTHONOPTIMIZE PYTHONWARNINGS PYTHONDONTWRITEBYTECODE

PYTHON := .venv/bin/python
# Processes that share the tests, a module each; 0 runs them in one, which a debugger needs. More than the two cores that
# the tests are meant for, because many of them wait for deadlines.
TEST_WORKERS ?= 3
TESTS ?=
BENCH ?=

.PHONY: run test soak lint bench clean set-up set-up-js

run: set-up
	@exec $(PYTHON) run.py

test: set-up-js
	@exec $(PYTHON) -m pytest -q -n $(TEST_WORKERS) --dist loadscope --no-loadscope-reorder $(TESTS)

soak: set-up-js
	@exec $(PYTHON) -m pytest -q -m soak $(TESTS)

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
