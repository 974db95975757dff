"""Windows and masks against rasterio's own, to the last pixel; round trips between ground and pixels."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import rasterio.windows
import shapely
from affine import Affine
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.errors import WindowError
from rasterio.features import geometry_mask, geometry_window
from rasters import plain
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from planet_assets.model.geometry import as_roi, only_areas
from planet_assets.rules.window import Grid, moved, outline_of, roi_on, snapped, strips, to_pixels, window_of

UTM_34_SOUTH = "EPSG:32734"
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rasterio's, not ours


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Small grids of any pixel size, some rotated, some upside down."""
    size = draw(st.sampled_from([3.0, 1.0, 0.5, 2.7, 0.1]))
    origin = draw(st.sampled_from([(0.0, 0.0), (260046.0, 6246094.0), (1.1, 2.3)]))
    down = draw(st.sampled_from([-1.0, -1.0, 1.0, -0.5]))
    turn = Affine.rotation(draw(st.sampled_from([0.0, 0.0, 0.0, 30.0, 45.0, 90.0, 12.3])))
    transform = Affine.translation(*origin) * Affine.scale(size, size * down) * turn
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    block = draw(st.sampled_from([(1, 40), (16, 16), (7, 5)]))
    return Grid(width=width, height=height, transform=plain(transform), crs=UTM_34_SOUTH, block=block)


@st.composite
def shapes_on(draw: st.DrawFn, grid: Grid) -> BaseGeometry:
    """Polygons about a grid; coarse coordinates put corners and edges exactly on pixel centres and borders."""
    step = draw(st.sampled_from([1.0, 0.5, 0.25, 1e-7]))
    column = st.floats(-6, grid.width + 6).map(lambda x: round(x / step) * step)
    row = st.floats(-6, grid.height + 6).map(lambda y: round(y / step) * step)
    rings = draw(st.lists(st.lists(st.tuples(column, row), min_size=3, max_size=7), min_size=1, max_size=3))
    pixels = only_areas(shapely.make_valid(shapely.union_all([shapely.make_valid(Polygon(ring)) for ring in rings])))
    assume(pixels.area > 0)
    to_ground = Affine(*grid.transform)
    return shapely.transform(pixels, lambda xy: np.column_stack(to_ground * (xy[:, 0], xy[:, 1])))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_window_and_mask_are_those_of_rasterio(data: st.DataObject) -> None:
    grid = data.draw(grids())
    shape = data.draw(shapes_on(grid))
    dataset = SimpleNamespace(transform=Affine(*grid.transform), width=grid.width, height=grid.height)
    window = window_of(grid, shape)
    try:
        theirs = geometry_window(dataset, [shape])
    except WindowError:
        assert window is None
        return
    if window is None:  # bounding boxes overlap, the shape does not touch the raster
        theirs_transform = rasterio.windows.transform(theirs, dataset.transform)
        outside = geometry_mask([shape], (int(theirs.height), int(theirs.width)), theirs_transform)
        assert outside.all()
        return
    assert theirs.flatten() == (window.col_off, window.row_off, window.width, window.height)
    transform = rasterio.windows.transform(theirs, dataset.transform)
    assert plain(transform) == moved(grid.transform, window)
    outside = geometry_mask([shape], (window.height, window.width), transform)
    outline = outline_of(grid, window, shape)
    rows = data.draw(st.integers(1, 41))
    inside = np.vstack([outline.inside(top, count) for top, count in strips(window, rows)])
    assert np.array_equal(inside, ~outside)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_snapping_grows_to_whole_blocks(data: st.DataObject) -> None:
    grid = data.draw(grids())
    window = window_of(grid, data.draw(shapes_on(grid)))
    assume(window is not None)
    grown = snapped(grid, window)
    assert snapped(grid, grown) == grown
    assert grown.col_off <= window.col_off and grown.row_off <= window.row_off
    for start, length, side, block, inner_start, inner_length in [
        (grown.col_off, grown.width, grid.width, grid.block[1], window.col_off, window.width),
        (grown.row_off, grown.height, grid.height, grid.block[0], window.row_off, window.height),
    ]:
        assert start % block == 0 and ((start + length) % block == 0 or start + length == side)
        assert start + length >= inner_start + inner_length and start + length <= side


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_pixels_and_ground_are_inverse(data: st.DataObject) -> None:
    grid = data.draw(grids())
    pixels = np.array(data.draw(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1)))
    ground = np.column_stack(Affine(*grid.transform) * (pixels[:, 0], pixels[:, 1]))
    assert to_pixels(grid.transform, ground) == pytest.approx(pixels, abs=1e-5)


@given(st.floats(-179.9, 179.9), st.floats(-70, 80), st.floats(0.01, 5))
@settings(max_examples=60, deadline=None)
def test_an_roi_lands_where_its_edges_run(lon: float, lat: float, side: float) -> None:
    """Every point of a long straight edge in lon/lat lies on the edge in the raster's CRS, within 5 cm."""
    zone = int((lon + 180) // 6) + 1
    crs = f"EPSG:{32600 + zone if lat >= 0 else 32700 + zone}"
    there = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, y = there.transform(lon, lat)
    grid = Grid(width=8000, height=8000, transform=(3.0, 0.0, x - 12000, 0.0, -3.0, y + 12000), crs=crs)
    roi = as_roi(box(lon - side, lat, lon + 0.1, min(lat + side, 84)))
    shape = roi_on(grid, roi)
    along = np.linspace(0, 0.09, 50)
    points = np.column_stack(there.transform(lon + along, np.full(50, lat)))
    assert shape.boundary.distance(shapely.MultiPoint(points)) < 0.05
    assert max(shape.boundary.distance(shapely.points(points))) < 0.05


def test_an_roi_over_the_antimeridian_and_one_as_large_as_the_world() -> None:
    crs = "EPSG:32660"
    there = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, y = there.transform(180.0, 10.0)
    grid = Grid(width=1000, height=1000, transform=(30.0, 0.0, x - 15000, 0.0, -30.0, y + 15000), crs=crs)
    whole = outline_of(
        grid, window_of(grid, roi_on(grid, box(-180, -90, 180, 90))), roi_on(grid, box(-180, -90, 180, 90))
    )
    assert whole.inside(0, 1000).all()
    across = roi_on(grid, as_roi(box(179.95, 9.95, 180.05, 10.05)))
    window = window_of(grid, across)
    assert window is not None and 300 < window.width < 400
    inside = outline_of(grid, window, across).inside(0, window.height)
    assert inside[20:-20, 20:-20].all()


def test_a_polar_raster_takes_a_polar_roi() -> None:
    grid = Grid(width=100, height=100, transform=(1000.0, 0, -50000, 0, -1000.0, 50000), crs="EPSG:3413")
    shape = roi_on(grid, box(-180, 89.8, 180, 90))
    window = window_of(grid, shape)
    assert window is not None and abs(window.width - 45) <= 2
    inside = outline_of(grid, window, shape).inside(0, window.height)
    assert inside.mean() == pytest.approx(np.pi / 4, abs=0.03)
