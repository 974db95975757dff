#!/bin/sh
# Writes the pinned requirements anew: with hashes, without any address.
set -eu
cd "$(dirname "$0")/.."
compile() {
  .venv/bin/uv pip compile "$@" --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet
}
compile pyproject.toml --all-extras --group test --group docs -o requirements/all.txt
compile requirements/outside.in -o requirements/outside.txt
compile requirements/bench.in -o requirements/bench.txt
