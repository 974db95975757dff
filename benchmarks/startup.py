"""How long the first answer takes, beside the bare interpreter; and what `jobs list` loads."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.runs import PEERS, Broken, Ran, in_turns, run, scratch
from benchmarks.table import Row, faster

HEAVY = ("rasterio", "shapely", "pyproj", "httpx")
ENTRY = "from planet_assets.cli.main import run; import sys; sys.exit(run({}))"


def rows(quick: bool) -> list[Row]:
    """Measure whole processes."""
    with scratch(10**6) as folder:
        os.environ["PLANET_ASSETS_LIBRARY"] = str(folder / "library.db")
        os.environ["PLANET_ASSETS_CONFIG"] = str(folder / "config.toml")
        commands = {
            "bare": "pass",
            "--help": ENTRY.format(["--help"]),
            "import planet_assets": "import planet_assets",
            "jobs list": ENTRY.format(["jobs", "list"]),
        }
        runs = {name: (lambda code=code: run([sys.executable, "-c", code])) for name, code in commands.items()}
        sdk = PEERS / "bin" / "python"
        if sdk.exists():
            runs["planet SDK"] = lambda: run([sdk, "-c", "import planet"])
        run([sys.executable, "-c", commands["jobs list"]])  # makes the library
        took = in_turns(runs, 3 if quick else 15)
        loaded = _loaded(folder)
    return [
        _beside_bare("--help", took, 60),
        _beside_bare("import planet_assets", took, 50),
        _beside_bare("jobs list", took, None),
        faster(
            "startup",
            "import",
            took["import planet_assets"],
            "planet SDK",
            took.get("planet SDK", Broken("planet SDK is not installed: see requirements/bench.in")),
        ),
        Row(
            section="startup",
            what="heavy packages that jobs list loads",
            ours=", ".join(loaded) or "none",
            ratio=len(loaded),
            target=0,
            at_most=True,
            unit="",
            note=f"looked for {', '.join(HEAVY)}",
        ),
    ]


def _beside_bare(what: str, took: dict[str, Ran | Broken], target_ms: float | None) -> Row:
    ours, bare = took[what], took["bare"]
    if isinstance(ours, Broken) or isinstance(bare, Broken):
        return faster("startup", what, ours, "bare interpreter", bare)
    return Row(
        section="startup",
        what=what,
        ours=f"{ours.wall_s * 1000:.0f} ms",
        peer="bare interpreter",
        theirs=f"{bare.wall_s * 1000:.0f} ms",
        ratio=ours.wall_s * 1000,
        target=target_ms,
        at_most=True,
        unit=" ms",
        note=f"{ours.wall_s / bare.wall_s:.1f} times the bare interpreter",
    )


def _loaded(folder: Path) -> list[str]:
    """Which heavy packages are in sys.modules after `jobs list`."""
    kept = str(folder / "loaded")
    code = (
        "import sys; from planet_assets.cli.main import run; run(['jobs', 'list']); "
        f"open({kept!r}, 'w').write(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    )
    run([sys.executable, "-c", code])
    return (folder / "loaded").read_text().split()
