# Everything sets itself up: a venv, the pinned packages, and what a test needs.
PY := .venv/bin/python

# Hundreds of tests start a process; without compiled modules each would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test soak bench docs lint setup pins

demo: setup
	@.venv/bin/planet-assets demo

test: setup
	@$(PY) -m pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not soak"

soak: setup
	@$(PY) -m pytest -n 2 --dist loadfile -m soak --timeout 7200

bench: setup
	@$(PY) -m benchmarks

docs: setup
	@.venv/bin/sphinx-build -W -q docs docs/_build/html && echo docs/_build/html/index.html

lint: setup
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports

setup:
	@tools/setup.sh

# The pins hold hashes and no addresses.
pins:
	@tools/pins.sh
