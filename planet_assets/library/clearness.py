"""Clear shares over regions, as Planet told them: asked once, remembered for every later plan and search."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa

from planet_assets.library.engine import Library, upsert
from planet_assets.library.schema import kv
from planet_assets.model.clearness import MODES, ClearShare

Ref = tuple[str, str]
"""Item type and id."""


def remember(library: Library, region: str, shares: Mapping[Ref, ClearShare]) -> None:
    """Keep what Planet said of scenes over the region with this digest."""
    rows = [
        {"key": _key(ref, region, said.mode), "value": json.dumps([said.share, str(said.as_of)])}
        for ref, said in shares.items()
    ]
    if not rows:
        return
    with library.write() as connection:
        row = upsert(connection, kv)
        connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": row.excluded.value}), rows)


def known(library: Library, region: str, refs: Collection[Ref], *, mode: str = "") -> dict[Ref, ClearShare]:
    """What Planet said of these scenes over the region: by the mask where it did, else its estimate; or by `mode`."""
    modes = (mode,) if mode else MODES
    wanted = {_key(ref, region, one): (ref, one) for one in modes for ref in refs}
    names, found = list(wanted), dict[Ref, ClearShare]()
    with library.read() as connection:
        for start in range(0, len(names), 500):
            query = sa.select(kv.c.key, kv.c.value).where(kv.c.key.in_(names[start : start + 500]))
            for key, text in connection.execute(query):
                ref, one = wanted[key]
                share, at = json.loads(text)
                if one == "UDM2" or ref not in found:
                    found[ref] = ClearShare(share=share, mode=one, as_of=datetime.fromisoformat(at))
    return found


def _key(ref: Ref, region: str, mode: str) -> str:
    return f"clear:{region}:{mode}:{ref[0]}:{ref[1]}"[:200]
