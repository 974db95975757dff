"""What the bodies of requests about sites, bundles and assets look like, for the service's own description."""

from __future__ import annotations

from typing import Any

_TEXT, _NUMBER = {"type": "string"}, {"type": "integer", "minimum": 0}
_DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def takes(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """What the description of a route says about its body."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


COMPONENT = _object(("name", "size_bytes", "sha256"), name=_TEXT, size_bytes=_NUMBER, sha256=_DIGEST, asset_type=_TEXT)
BUNDLE = _object(
    ("name", "components"),
    name=_TEXT,
    revision={"type": "integer"},
    kind=_TEXT,
    seal=_DIGEST,
    components=_list(COMPONENT),
)
SITE = _object(("name",), name=_TEXT, address=_TEXT)
CLAIM = _object(("element", "site"), element=_TEXT, site=_TEXT, agent=_TEXT)
OUTCOME = _object(
    ("element", "site", "outcome"),
    element=_TEXT,
    site=_TEXT,
    agent=_TEXT,
    outcome={"enum": ["arrived", "failed", "given_back"]},
    error=_TEXT,
    code={"type": "integer"},
    seal=_TEXT,
)
SCANNED = _object(
    ("site", "found"),
    site=_TEXT,
    found=_list(_object(("id", "size_bytes", "mtime_ms"), id=_TEXT, size_bytes=_NUMBER, mtime_ms=_NUMBER)),
)
BEAT = _object(("site",), site=_TEXT, status={"enum": ["on", "off"]}, agent=_TEXT, version=_TEXT, note=_TEXT)
ASSET = _object(
    ("asset_type",),
    name=_TEXT,
    asset_type=_TEXT,
    components=_list(_TEXT),
    pending_reasons=_list({"enum": ["upload_in_progress", "compile_pending", "review_required"]}),
)
FILES = _object((), files=_list(_object(("path", "sha256"), path=_TEXT, sha256=_DIGEST)))
PRESIGN = _object((), operation={"enum": ["read", "write"]}, components=_list(_TEXT))
REASON = _object(("reason",), reason=_TEXT)
BYTES = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}
