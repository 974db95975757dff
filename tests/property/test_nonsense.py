"""Whatever comes in, only our own errors come out, and no name leads out of its folder.

Each reader is given nonsense of its own kind: text, documents, and true documents in which a few places are spoiled.
"""

from __future__ import annotations

import copy
import json
import math
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from faultserver import FaultServer, whole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiffs import tiff_bytes

from planet_assets import config
from planet_assets.exceptions import AssetError
from planet_assets.model.asset import Promise
from planet_assets.model.geometry import as_roi
from planet_assets.model.item import items_from
from planet_assets.planet import orders, parse, products
from planet_assets.rules import naming
from planet_assets.transfer import addresses, answers
from planet_assets.transfer.fetch import Fetcher
from planet_assets.transfer.parts import Mark, read_mark, title
from planet_assets.transfer.place import part_path, place

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
SHALLOW, DEEP = 30, 10_000

odd = st.sampled_from(
    ["", "..", "../x", "a/b",
     "/etc/passwd", "a\0b", "con", "nul.tif", "\\\\host\\x", "é" * 200, "-1", "1e999", "٣", "0x1F", "NaN",
     "bytes 0-1/2", "bytes */5", "Infinity", "99999999999999999999999", "2026-02-30T00:00:00Z",
     "9999-12-31T23:59:59Z"]
)  # fmt: skip
texts = st.one_of(odd, st.text(max_size=60))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)

SQUARE = {"type": "Polygon", "coordinates": [[[9.0, 45.0], [9.1, 45.0], [9.1, 45.1], [9.0, 45.1], [9.0, 45.0]]]}
ASSET = {
    "ortho_udm2": {
        "_links": {"_self": "https://api.planet.com/a", "activate": "https://api.planet.com/b", "type": "https://x"},
        "_permissions": ["download"], "md5_digest": "0" * 32, "status": "active", "type": "ortho_udm2",
        "location": "https://api.planet.com/data/v1/download?token=x", "expires_at": "2026-01-05T13:00:00Z",
    }
}  # fmt: skip
ORDER = {
    "id": "11111111-2222-3333-4444-555555555555", "name": "n", "state": "success", "created_on": "2026-01-05T12:00:00Z",
    "products": [{"item_type": "PSScene", "item_ids": ["20250110_100000_00_0001"], "product_bundle": "analytic_udm2"}],
    "tools": [{"clip": {"aoi": SQUARE}}], "error_hints": [], "last_message": "done",
    "_links": {"results": [{"name": "o/PSScene/a.tif", "location": "https://x/a", "expires_at": "2026-01-06T12:00:00Z"},
                           {"name": "o/manifest.json", "location": "https://x/m", "expires_at": None}]},
}  # fmt: skip
MANIFEST = {
    "files": [{"path": "PSScene/a.tif", "size": 5, "digests": {"md5": "0" * 32, "sha256": "1" * 64},
               "annotations": {"planet/item_id": "a", "planet/asset_type": "ortho_udm2"}}]
}  # fmt: skip
SUBSCRIPTION = {
    "id": 5, "plan": {"name": "p"}, "state": "active", "quota_enabled": True, "quota_sqkm": 3000, "quota_used": 5.5,
    "quota_style": "consumption", "quota_interval": "monthly", "quota_reset_at": "2026-02-01T00:00:00Z",
    "organization": {"name": "o"}, "active_from": "2025-01-01T00:00:00Z", "active_to": None,
}  # fmt: skip
SCENE = {
    "type": "Feature", "id": "20250110_100000_00_0001", "geometry": SQUARE, "assets": ["ortho_udm2"],
    "_permissions": ["assets.ortho_udm2:download"],
    "properties": {"item_type": "PSScene", "acquired": "2025-01-10T10:00:00Z", "cloud_cover": 0.1, "gsd": 3.7},
}  # fmt: skip
CONFIG = {
    "max_concurrent_downloads": 3, "retry_delay": 1.0, "timeout": 10, "rate_limits": {"search": 1, "download": 2},
    "quota": {"repeat": "each", "near_limit": 0.9}, "planet": {"api_url": "https://x.example"}, "asset_types": ["x"],
}  # fmt: skip


@st.composite
def spoiled(draw: st.DrawFn, true: Any) -> Any:
    """A true document in which a few places hold something else or nothing; now and then another altogether."""
    if draw(st.integers(0, 9)) == 0:
        return draw(documents)
    made = copy.deepcopy(true)
    for _ in range(draw(st.integers(1, 3))):
        place = made
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
                if draw(st.integers(0, 4)) == 0:
                    del place[key]
                else:
                    place[key] = draw(documents)
                break
            place = place[key]
    return made


def _names(given: tuple[str, str]) -> None:
    item_id, asset_type = given
    for style in ("planet", "asset"):
        name = naming.file_name(item_id, asset_type, style)
        for one in (name, naming.clipped_name(name, "0" * 8), naming.ordered_name(name)):
            assert Path(one).name == one and not set(one) & set('/\\\0:*?"<>|') and one not in (".", "..")
            assert part_path(Path("out") / one, "f1").parent == Path("out")


def _text_of_names(text: str) -> None:
    naming.asset_of(text)
    naming.is_cut_name(text)
    title(Path(f".{text}".replace("/", "").replace("\0", "")))
    naming.asset_type_of(text)


def _headers(texts: tuple[str, str, str]) -> None:
    first, second, third = texts
    span, wait = (
        answers.content_range(first),
        answers.seconds_to_wait({"retry-after": first, "x-retry-in": second}, third),
    )
    assert span is None or span.first >= 0
    answers.unsatisfied_total(first)
    answers.is_page(first, "tiff")
    answers.go_seconds(first)
    also = parse.retry_after_s({"retry-after": first, "x-retry-in": second}, third, NOW)
    assert all(one is None or (math.isfinite(one) and one >= 0) for one in (wait, also))
    length = answers.length_of({"content-length": first})
    assert length is None or length >= 0
    headers = {"content-length": first, "content-range": second, "etag": third, "content-type": first}
    for check in (
        lambda: answers.refuse_pages(headers | {"content-encoding": second}, "tiff", "x.tif"),
        lambda: answers.agreed_length(headers, Promise(media="tiff", size_bytes=5), "x.tif"),
        lambda: answers.agreed_range(headers, 3, Promise(media="tiff"), "x.tif"),
    ):
        with suppress(AssetError):
            check()


def _refusals(given: tuple[int, str, str]) -> None:
    status, header, body = given
    headers = {"retry-after": header, "content-type": "application/json"}
    assert isinstance(answers.refusal(status, headers, body, "x.tif"), AssetError)
    assert isinstance(parse.refusal(status, headers, body, asked="GET x", kind="data", now=NOW), AssetError)


def _orders(given: tuple[Any, Any]) -> None:
    order = orders.parse_order(given[0])
    orders.manifest_link(order)
    orders.brings(order, "20250110_100000_00_0001", "ortho_udm2")
    for one in orders.delivered(order, given[1]):
        assert one.size_bytes is None or one.size_bytes >= 0


def _account(document: Any) -> None:
    for read in (parse.subscription, products.product, products.reserved, products.page_of):
        with suppress(AssetError):
            read(document)


def _regions(document: Any) -> None:
    region = as_roi(document)
    assert all(map(math.isfinite, region.bounds)) and region.area > 0


def _config(document: Any) -> None:
    if isinstance(document, dict):
        config.load(document)


def _config_file(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        path = Path(folder) / "config.toml"
        path.write_text(text, encoding="utf-8", errors="replace")
        patched.setenv("PLANET_ASSETS_CONFIG", str(path))
        config.load()


def _environment(given: tuple[str, str]) -> None:
    name, value = ("".join(letter for letter in text if letter not in "\0=") for text in given)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(
            f"PLANET_ASSETS__{name}".encode(errors="replace").decode(), value.encode(errors="replace").decode()
        )
        config.load()


def _marks(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / ".x.tif.f1.part"
        part.with_name(part.name + ".json").write_bytes(text.encode(errors="replace"))
        mark = read_mark(part, Promise(media="tiff"))
        assert mark is None or isinstance(mark, Mark)


def _addresses(given: tuple[str, str]) -> None:
    with suppress(AssetError):
        addresses.host_of(addresses.checked(given[0], "x.tif"))
    assert addresses.redirected("https://storage.example/a", given[1], "x.tif").startswith("https://")


def json_text(true: Any) -> st.SearchStrategy[str]:
    """A document as text, or text."""
    return st.one_of(spoiled(true).map(json.dumps), texts)


READERS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], object]]] = {
    "names": (st.tuples(texts, texts), _names),
    "text as names": (texts, _text_of_names),
    "headers": (st.tuples(texts, texts, texts), _headers),
    "refusals": (st.tuples(st.integers(100, 999), texts, json_text({"general": [{"message": "x"}]})), _refusals),
    "addresses": (st.tuples(texts, texts), _addresses),
    "regions": (spoiled(SQUARE), _regions),
    "regions as text": (json_text(SQUARE), _regions),
    "scenes": (spoiled({"type": "FeatureCollection", "features": [SCENE]}), items_from),
    "assets": (spoiled(ASSET), lambda document: parse.assets(document, ("PSScene", "a"))),
    "orders and manifests": (st.tuples(spoiled(ORDER), spoiled(MANIFEST)), _orders),
    "accounts": (spoiled(SUBSCRIPTION), _account),
    "config": (spoiled(CONFIG), _config),
    "config files": (texts, _config_file),
    "environment": (st.tuples(texts, texts), _environment),
    "marks of parts": (json_text({"etag": '"v1"', "size_bytes": 5, "md5": None}), _marks),
}
"""What reads foreign words, with what it is given."""


def examined(name: str, examples: int) -> None:
    strategy, read = READERS[name]

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(strategy)
    def only_our_errors(document: Any) -> None:
        with suppress(AssetError):
            read(document)

    only_our_errors()


@pytest.mark.parametrize("name", READERS)
def test_only_our_errors_come_out(name: str) -> None:
    examined(name, SHALLOW)


@pytest.mark.soak
@pytest.mark.parametrize("name", READERS)
def test_only_our_errors_come_out_of_much_more(name: str) -> None:
    examined(name, DEEP)


HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.one_of(odd.filter(lambda text: text.isascii() and text.isprintable()), HEADER))
def test_the_server_names_no_file(name: str) -> None:
    data = tiff_bytes(500)
    with tempfile.TemporaryDirectory() as folder:
        final = Path(folder) / "scene.tif"
        act = whole(data, Content_Disposition=f"attachment; filename=\"{name}\"; filename*=UTF-8''..%2f{name}")
        with FaultServer(act) as server, Fetcher(stall_s=5, verify=False, trust_env=False) as fetcher:
            place(fetcher.fetch(server.url(), part_path(final, "f1"), Promise(media="tiff")), final)
        assert os.listdir(folder) == ["scene.tif"]
