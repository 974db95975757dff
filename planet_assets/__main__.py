"""`python -m planet_assets` is the command `planet-assets`."""

import sys

from planet_assets.cli.main import run

if __name__ == "__main__":
    sys.exit(run())
