"""How clear a scene is over an area: `POST .../coverage`, by the mask itself or by a rough estimate.

Mode UDM2 activates the mask and reads it (confirmed: it activates). `estimate` answers at once, for the area and not
for the whole scene (reported); here it looks at a coarse net over the area and rounds to five per cent (assumed).
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.features import geometry_mask
from rasterio.warp import transform_geom
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import activation, answers, filters, search, sky
from .data import ITEM, found_item, no_item
from .grid import EARTH_M, NODES, Grid, mercator, sensor_grid, unwrapped
from .imagery import LEVEL_SAMPLES, WORLD_SEED
from .life import Feature
from .world import World

_UDM2_BANDS = {"clear": 1, "snow_ice": 2, "shadow": 3, "light_haze": 4, "heavy_haze": 5, "cloud": 6}
_NET = 48
"""Points along each side of the net of an estimate."""
_STEP = 5
"""Per cent to which an estimate is rounded."""


async def coverage(request: Request) -> Response:
    """Percent of an area within the item that is clear, or of another UDM2 band."""
    world: World = request.app.state.world
    feature = found_item(request)
    if feature is None:
        return no_item(request)
    try:
        body = await request.json()
        area = filters.geometry(body.get("geometry"))
    except (ValueError, AttributeError):
        return answers.refusal(400, "The body is not a JSON object")
    except filters.BadFilter as error:
        return search.bad(error)
    band = request.query_params.get("band", "clear")
    if band not in _UDM2_BANDS:
        return answers.refusal(400, field={"band": [f"Must be one of {', '.join(_UDM2_BANDS)}"]})
    name = f"{band}_percent"
    if request.query_params.get("mode", "estimate") != "UDM2" or "ortho_udm2" not in feature["assets"]:
        percent = await asyncio.to_thread(estimated, feature, area, _UDM2_BANDS[band] - 1)
        return answers.as_json({name: percent, "status": "complete"})
    activation.activate(world, feature, "ortho_udm2")
    if await activation.status(world, feature, "ortho_udm2") != "active":
        return answers.as_json({"status": "activating"}, 202)
    path, _ = await asyncio.wrap_future(world.file(feature, "ortho_udm2"))
    percent = await asyncio.to_thread(_percent, path, area, _UDM2_BANDS[band])
    return answers.as_json({name: percent, "status": "complete"})


def estimated(feature: Feature, area: BaseGeometry, kind: int) -> int:
    """Percent of the area inside the footprint that shows a class of `sky`; 0 where they do not meet."""
    footprint = unwrapped(shape(feature["geometry"]))
    seen = footprint.intersection(area)
    if seen.area == 0:
        return 0
    centre = footprint.centroid
    when = sky.moment(datetime.fromisoformat(feature["properties"]["acquired"]), centre.x, centre.y, WORLD_SEED)
    whole = sensor_grid(feature["geometry"], 100.0)
    levels = sky.levels_for(feature["properties"], sky.fields(whole.sample(*LEVEL_SAMPLES, whole.pixel), when))
    west, south, east, north = seen.bounds
    x, y = mercator(np.array([west, east]), np.array([south, north]))
    across, down = np.meshgrid(np.linspace(x[0], x[1], NODES), np.linspace(y[1], y[0], NODES))
    net = Grid(rows=_NET, columns=_NET, pixel=max(np.ptp(x), np.ptp(y)) / _NET, nodes_x=across, nodes_y=down)
    view = net.view(0, 0, _NET, _NET)
    lon, lat = np.degrees(view.x / EARTH_M), np.degrees(np.arctan(np.sinh(view.y / EARTH_M)))
    inside = shapely.contains_xy(seen, lon, lat)
    if not inside.any():
        return int(feature["properties"].get("clear_percent", 100) if kind == sky.CLEAR else 0)
    classes = sky.classify(sky.fields(view, when, levels), levels)[inside]
    return _STEP * round(100 * float((classes == kind).mean()) / _STEP)


def _percent(path: Path, area: BaseGeometry, band: int) -> int:
    with rasterio.open(path) as mask:
        ground = transform_geom("EPSG:4326", mask.crs, mapping(area))
        inside = geometry_mask([ground], (mask.height, mask.width), mask.transform, invert=True)
        inside &= mask.read(8) & 1 == 0  # the mask's own word for no data
        values = mask.read(band)[inside]
    return round(100 * float((values == 1).mean())) if values.size else 0


routes = [Route(ITEM + "/coverage", coverage, methods=["POST"])]
