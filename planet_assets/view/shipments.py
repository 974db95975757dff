"""How shipments of bundles ended, for programs and for people."""

from __future__ import annotations

from typing import Any

from planet_assets.model.bundle import Published

NOTHING = "Nothing is outstanding."


def published_document(one: Published) -> dict[str, Any]:
    """How a shipment ended, for programs."""
    return {
        "bundle": one.bundle.name,
        "revision": one.bundle.revision,
        "seal": one.bundle.seal,
        "components": [component.name for component in one.bundle.components],
        "site": one.site,
        "state": one.state,
        "address": one.address or None,
        "error": one.error or None,
    }


def published_line(one: Published) -> str:
    """The same in words."""
    count = len(one.bundle.components)
    return f"{one.bundle.name}: {one.state}" + (f", {count} files, {one.address}" if one.address else f". {one.error}")
