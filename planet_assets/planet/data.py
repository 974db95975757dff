"""The Data API: search, items, their assets, and making an asset ready."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

from planet_assets.exceptions import KeyMissing, Misused, PermissionMissing, ServerError
from planet_assets.model.asset import Asset
from planet_assets.planet import parse
from planet_assets.planet.session import Session

T = TypeVar("T")

LARGEST_PAGE = 250
"""Scenes a page. Source: Planet's default, confirmed; a larger page is not."""

SORTS = ("published desc", "published asc", "acquired desc", "acquired asc")

_MOST_EMPTY_PAGES = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class DataApi:
    """One method a call. Every method raises the errors of `Session.call` too."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def search(
        self,
        body: Mapping[str, Any],
        *,
        limit: int | None = None,
        page_size: int = LARGEST_PAGE,
        sort: str | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Scenes as Planet sends them, page by page, each page asked for when it is needed.

        Args:
            body: As `filters.search_body` builds it.
            limit: Scenes at the most; None for all.
            page_size: Scenes a request, 1 to 250.
            sort: One of `SORTS`; Planet's own order is "published desc".

        Raises:
            Misused: an argument, or Planet's own words about the filter.
            ServerError: malformed pages, or links that lead in a circle.
        """
        if sort is not None and sort not in SORTS:
            raise Misused(f"{sort!r} is no order; there are {', '.join(SORTS)}.", argument="sort")
        if not 1 <= page_size <= LARGEST_PAGE or (limit is not None and limit < 0):
            raise Misused("page_size is 1 to 250, limit 0 or more.", argument="limit")
        left = limit
        if left == 0:
            return
        params = {"_page_size": page_size if left is None else min(page_size, left)} | ({"_sort": sort} if sort else {})
        async for page in self._pages(body, params):
            for feature in page if left is None else page[:left]:
                yield feature
            left = None if left is None else left - len(page)
            if left is not None and left <= 0:
                return

    async def item(self, item_type: str, item_id: str) -> dict[str, Any]:
        """The catalogue record of a scene, as Planet sends it.

        Raises:
            Gone: Planet does not have it.
        """
        path = _item_path(item_type, item_id)
        return _expect(dict, await self._session.get_json(path), path)

    async def assets(self, item_type: str, item_id: str) -> dict[str, Asset]:
        """All assets of a scene by asset type, in one request; empty when there are none for this key.

        Raises:
            Gone: Planet does not have the scene.
        """
        document = await self._session.get_json(f"{_item_path(item_type, item_id)}/assets")
        return parse.assets(document, (item_type, item_id))

    async def activate(self, asset: Asset) -> str:
        """Ask Planet to make an asset ready, which is free. Source: confirmed, support 4414022365201.

        Returns:
            "accepted" when it starts, "active" when it was ready already.

        Raises:
            PermissionMissing: the key may not download it.
            OverQuota: nothing is left.
            Gone: Planet does not know the asset.
        """
        if not asset.permitted:
            raise PermissionMissing(
                f"activation failed: the key may not download {asset.asset_type} of {asset.item_id}.",
                hint="See which assets the plan licenses; recent scenes may be under embargo.",
            )
        if not asset.activate_url:
            raise ServerError(f"Planet gives no way to activate {asset.asset_type} of {asset.item_id}.")
        status, _ = await self._session.call("GET", asset.activate_url, kind="activation")
        if status not in (202, 204):
            raise ServerError(
                f"Planet answered {status} to the activation of {asset.asset_type} of {asset.item_id}, not 202 or 204.",
                hint="Try again later; a proxy or login page may stand between.",
            )
        return "accepted" if status == 202 else "active"

    async def coverage(
        self,
        item_type: str,
        item_id: str,
        geometry: Mapping[str, Any],
        *,
        mode: str = "estimate",
        band: str = "clear",
    ) -> dict[str, Any]:
        """How clear a scene is within a geometry: `{"clear_percent": 28, "status": "complete"}`.

        Args:
            item_type: For example PSScene.
            item_id: The scene.
            geometry: GeoJSON, lon/lat degrees.
            mode: estimate, or UDM2, which activates the UDM2 asset first.
            band: What to measure.
        """
        path = f"{_item_path(item_type, item_id)}/coverage"
        answer = await self._session.post_json(
            path, body={"geometry": dict(geometry)}, params={"mode": mode, "band": band}, repeatable=True
        )
        return _expect(dict, answer, path)

    async def item_types(self) -> list[dict[str, Any]]:
        """The item types Planet knows, each with its `supported_asset_types`."""
        path = "/data/v1/item-types"
        return _mappings(_expect(dict, await self._session.get_json(path), path).get("item_types"), path)

    async def check_key(self) -> None:
        """Ask for something that costs nothing and needs a key.

        Raises:
            KeyMissing: there is no key.
            KeyRefused: Planet does not accept it.
        """
        if self._session.auth is None:
            raise KeyMissing("There is no API key.", hint="Set PL_API_KEY or give one.")
        await self._session.get_json("/data/v1/")

    async def _pages(self, body: Mapping[str, Any], params: Mapping[str, Any]) -> AsyncIterator[list[dict[str, Any]]]:
        """Pages until no next one is named; an empty page is no end."""
        where = "/data/v1/quick-search"
        document = await self._session.post_json(where, body=dict(body), params=params, repeatable=True)
        visited: set[str] = set()
        empty = 0
        while True:
            page = _expect(dict, document, where)
            features = _mappings(page.get("features"), where)
            yield features
            link = _expect(dict, page.get("_links") or {}, where).get("_next")
            if not link:
                return
            empty = 0 if features else empty + 1
            if _expect(str, link, where) in visited or empty > _MOST_EMPTY_PAGES:
                raise ServerError(
                    "Planet's pages of this search lead in a circle.", hint="Search again, or less at once."
                )
            visited.add(link)
            document = await self._session.get_json(link)


def _item_path(item_type: str, item_id: str) -> str:
    for name in (item_type, item_id):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Misused(f"{name!r} is no name of an item or item type.", argument="scene_id")
    return f"/data/v1/item-types/{item_type}/items/{item_id}"


def _expect(kind: type[T], value: object, where: str) -> T:
    if not isinstance(value, kind):
        raise ServerError(
            f"Planet's answer is malformed: {where} gave {type(value).__name__}, not {kind.__name__}.",
            hint="Try again later.",
        )
    return value


def _mappings(value: object, where: str) -> list[dict[str, Any]]:
    return [_expect(dict, entry, where) for entry in _expect(list, value, where)]
