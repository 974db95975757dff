"""Areas of many footprints against a loop of pyproj.Geod, the estimate of a large search, and its best set."""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks.runs import PEERS, Broken, run, timed_in_turns, told, worker
from benchmarks.table import Row, missing


def rows(quick: bool) -> list[Row]:
    """Measure in a fresh process."""
    count = 2_000 if quick else 100_000
    got = told("areas", str(count), "1" if quick else "3")
    many = f"{count:,} footprints"
    return [
        Row(
            section="areas",
            what=f"areas of {many}",
            ours=f"{got['ours_s']:.3g} s",
            peer="loop of pyproj.Geod",
            theirs=f"{got['geod_s']:.3g} s",
            ratio=got["geod_s"] / got["ours_s"],
            note="no target of its own",
        ),
        Row(
            section="areas",
            what="largest error of one footprint",
            ours=f"{got['error_percent']:.2g} %",
            peer="pyproj.Geod",
            ratio=got["error_percent"],
            target=1e-5,
            at_most=True,
            unit=" %",
        ),
        Row(
            section="areas",
            what=f"estimate of {many} with an ROI",
            ours=f"{got['estimate_s']:.3g} s",
            ratio=got["estimate_s"],
            target=1.2,
            at_most=True,
            unit=" s",
            note="" if count == 100_000 else "the target is for 100,000",
        ),
        *(
            Row(
                section="areas",
                what=f"{words} of {many}",
                ours=f"{got[name]:.3g} s",
                ratio=got[name],
                target=20.0,
                at_most=True,
                unit=" s",
                note="" if count == 100_000 else "the target is for 100,000",
            )
            for name, words in (("select_s", "the best set"), ("pieces_s", "the best set in pieces"))
        ),
        _beside_planetscope_py(count, got["estimate_s"]),
    ]


def _beside_planetscope_py(count: int, ours_s: float) -> Row:
    what, few, python = f"estimate of {count:,} footprints with an ROI", max(200, count // 50), PEERS / "bin" / "python"
    try:
        theirs_s = json.loads(run(worker("areas", "peer", str(few), python=python)).out.splitlines()[-1]) * count / few
    except (Broken, OSError, ValueError) as error:
        return missing("areas", what, "planetscope-py", str(error), 20)
    return Row(
        section="areas",
        what=what,
        ours=f"{ours_s:.3g} s",
        peer="planetscope-py",
        theirs=f"{theirs_s:,.1f} s",
        ratio=theirs_s / ours_s,
        target=20,
        note=f"its question for the quota left out; {few:,} footprints, scaled up",
    )


def work(count: int, rounds: int) -> dict[str, float]:
    """Runs in the worker."""
    import numpy as np
    import shapely

    from planet_assets.model.selection import Chosen
    from planet_assets.rules.area import GEOD, areas_km2
    from planet_assets.rules.cover import select_scenes
    from planet_assets.rules.estimate import estimate

    footprints = _footprints(count)
    chosen = Chosen(fetch=tuple((item, "ortho_analytic_4b") for item in _items(footprints)))
    roi = shapely.box(9.0, 45.0, 10.5, 46.0)

    def loop() -> list[float]:
        return [abs(GEOD.geometry_area_perimeter(one)[0]) / 1e6 for one in footprints]

    seconds = timed_in_turns(
        {
            "ours_s": lambda: areas_km2(footprints),
            "geod_s": loop,
            "estimate_s": lambda: estimate(chosen, roi=roi),
        },
        rounds,
    )
    items = [item for item, _ in chosen.fetch]
    seconds |= timed_in_turns(
        {
            "select_s": lambda: select_scenes(items, roi),
            "pieces_s": lambda: select_scenes(items, roi, pieces=True),
        },
        1,
    )
    truth = np.array(loop())
    error = float(np.max(np.abs(areas_km2(footprints) / truth - 1)))
    return {**seconds, "error_percent": 100 * error}


def peer(count: int) -> float:
    """Seconds of planetscope-py for the same, in its own interpreter."""
    import logging
    import time
    import warnings

    import shapely
    from planetscope_py.asset_manager import AssetManager

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    manager = object.__new__(AssetManager)  # made as usual it asks Planet for the quota
    manager.config = {}
    roi = shapely.box(9.0, 45.0, 10.5, 46.0)
    scenes = [{"properties": {"id": "x"}, "geometry": shapely.geometry.mapping(one)} for one in _footprints(count)]
    began = time.perf_counter()
    manager._estimate_download_impact_sync(scenes, roi, clip_to_roi=True)
    return time.perf_counter() - began


def _footprints(count: int) -> Any:
    """Tilted frames of some 32 x 20 km around Milan, lon/lat, most of them touching the ROI."""
    import numpy as np
    import shapely

    random = np.random.default_rng(7)
    centres = random.uniform((8.5, 44.5), (11.0, 46.5), (count, 2))
    frame = np.array([(-0.2, -0.07), (0.18, -0.12), (0.2, 0.07), (-0.18, 0.12), (-0.2, -0.07)])
    return shapely.polygons(centres[:, None, :] + frame + random.normal(0, 0.003, (count, 1, 2)))


def _items(footprints: Any) -> list[Any]:
    from datetime import UTC, datetime

    from planet_assets.model.item import Item

    taken = datetime(2025, 6, 1, 10, tzinfo=UTC)
    return [
        Item(
            item_type="PSScene",
            id=f"20250601_{number:06d}_00_2400",
            acquired=taken,
            footprint=footprint,
            cloud_cover=0.1,
            properties={"pixel_resolution": 3.0},
            assets=("ortho_analytic_4b",),
        )
        for number, footprint in enumerate(footprints)
    ]


if __name__ == "__main__":
    print(json.dumps(peer(int(sys.argv[2])) if sys.argv[1] == "peer" else work(int(sys.argv[1]), int(sys.argv[2]))))
