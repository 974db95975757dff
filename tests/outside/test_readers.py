"""Foreign readers open what we export: pystac the Items, geopandas and DuckDB the GeoParquet."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from making import item

from planet_assets.export import stac, tables
from planet_assets.model.held_scene import HeldFile, HeldScene, PixelGrid

READ = """
import json, sys
import duckdb, geopandas, pystac
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.validation import validate_dict

document = json.load(open(sys.argv[1]))
validate_dict(document, extensions=[])
read = pystac.Item.from_dict(document)
asset = read.assets["ortho_analytic_4b"]
frame = geopandas.read_parquet(sys.argv[2])
rows = duckdb.sql(f"SELECT id, cloud_cover FROM '{sys.argv[2]}'").fetchall()
print(json.dumps({
    "checksum": FileExtension.ext(asset).checksum,
    "epsg": ProjectionExtension.ext(asset).epsg,
    "crs": frame.crs.to_epsg() or str(frame.crs),
    "area": frame.geometry.area.sum(),
    "rows": rows,
}))
"""


def test_foreign_readers(outside: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    grid = PixelGrid(epsg=32632, shape=(10, 20), transform=(3.0, 0.0, 5e5, 0.0, -3.0, 5e6))
    about = {"path": tmp_path / "x.tif", "asset_type": "ortho_analytic_4b", "size_bytes": 9, "md5": "0" * 32}
    file = HeldFile(**about, grid=grid, fetched_at=datetime(2025, 1, 2, tzinfo=UTC))
    scene = HeldScene(item=item(), files=(file,))
    [described] = stac.write_items([scene])
    table = tables.write_table([scene], tmp_path / "x.parquet", "geoparquet")
    done = subprocess.run(
        [outside / "python", "-c", READ, described, table], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert read["checksum"] == "d50110" + "0" * 32 and read["epsg"] == 32632
    assert read["area"] == pytest.approx(0.01) and read["rows"] == [[item().id, 0.1]]
