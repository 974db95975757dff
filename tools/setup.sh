#!/bin/sh
# Brings the development environment up: a venv, uv in it, and the pinned packages. Quick when nothing has changed.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
export UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV="$PWD/.venv"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "planet_assets needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2
  exit 1
}
[ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
[ -x .venv/bin/uv ] || .venv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
mark=.venv/.installed
want=$(cat requirements/all.txt pyproject.toml | cksum)
if [ ! -f "$mark" ] || [ "$(cat "$mark")" != "$want" ]; then
  .venv/bin/uv pip install --quiet --require-hashes -r requirements/all.txt
  .venv/bin/uv pip install --quiet --no-deps -e .
  printf '%s' "$want" > "$mark"
fi
