"""The routes about Planet's side of the library: scenes and their files, quota, ledger, jobs and the queue."""

from __future__ import annotations

import base64
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from planet_assets.exceptions import AssetError, Gone, Misused
from planet_assets.flow import reconcile
from planet_assets.library import copies, ledger, overview, queue, spends
from planet_assets.library import jobs as job_rows
from planet_assets.library.copies import Held
from planet_assets.model.asset import AssetStatus
from planet_assets.model.job import DownloadJob
from planet_assets.model.people import Caller
from planet_assets.service.access import needs
from planet_assets.service.answers import Json
from planet_assets.view.documents import event_document, job_document, month_document, plain, quota_document

router = APIRouter(prefix="/v1", tags=["planet"], default_response_class=Json)

Reader = Annotated[Caller, Depends(needs("read"))]
Text = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]

_drawing = threading.BoundedSemaphore(2)
"""Pictures are drawn a few at a time: each reads a raster."""


@router.get("/accounts")
def accounts(request: Request, caller: Reader) -> Response:
    """Accounts whose quota is known here."""
    return Json({"accounts": _accounts(request)})


@router.get("/quota")
def quota(request: Request, caller: Reader, account: Text = "") -> Response:
    """What may still be used by the ledger here, and the month so far; of the account that was heard of last."""
    state, now = request.app.state, request.app.state.clock.now()
    whose = account or next(iter(_accounts(request)), "")
    told = quota_document(ledger.quota_of(state.library, whose, now))
    told["month"] = month_document(reconcile.month(state.library, whose, None, now))
    return Json(plain(told))


@router.get("/ledger")
def ledger_lines(
    request: Request,
    caller: Reader,
    account: Text = "",
    since: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
) -> Response:
    """The ledger's rows, the newest first: what was reserved, spent and given back, by whose script."""
    moment = None if since is None else since.replace(tzinfo=UTC) if since.tzinfo is None else since
    found = spends.listed(request.app.state.library, account=account or None, since=moment, latest=limit)
    names = ("sequence", "at", "account", "kind", "held_km2", "spent_km2", "rule", "by", "item_id", "asset_type")
    rows = [{name: getattr(one, name) for name in names} for one in reversed(found)]
    return Json(plain({"rows": rows}))


@router.get("/items")
def items(
    request: Request,
    caller: Reader,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    after: Text = "",
    begins: Text = "",
    ids: Annotated[list[str] | None, Query(max_length=200)] = None,
) -> Response:
    """Scenes and how they stand, the latest first; `next` of a reply is `after` of the next request."""
    some = [one for one in ids or () if "\x00" not in one]
    mark = _mark(after) if after else None
    found = overview.page(request.app.state.library, limit=limit, after=mark, begins=begins, ids=some)
    following = _mark_of(found[-1]) if len(found) == limit else None
    return Json(plain({"items": [_item(row) for row in found], "next": following}))


@router.get("/items/{item_id}")
def item(item_id: str, request: Request, caller: Reader) -> Response:
    """A scene: what Planet says of it, the files that are here, and the jobs that fetched or fetch them."""
    library = request.app.state.library
    feature = _feature(request, item_id)
    kind = feature["properties"].get("item_type", "PSScene")
    mine = job_rows.load(library, _job_ids(request, item_id))
    document = {
        "item_type": kind,
        "id": item_id,
        "state": overview.states(library, [item_id]).get((kind, item_id), overview.KNOWN),
        "geometry": feature.get("geometry"),
        "properties": {name: value for name, value in feature["properties"].items() if name != "id"},
        "asset_types": sorted(feature.get("assets") or ()),
        "files": [_file(one) for one in _held(request, item_id)],
        "jobs": [_job(job) for job in mine],
    }
    return Json(plain(document))


@router.get("/items/{item_id}/assets")
def assets(item_id: str, request: Request, caller: Reader) -> Response:
    """The assets of a scene: which Planet lists, which are here."""
    feature = _feature(request, item_id)
    files: dict[str, list[dict[str, Any]]] = {}
    for one in _held(request, item_id):
        files.setdefault(one.key[2], []).append(_file(one))
    listed = sorted({*(feature.get("assets") or ()), *files})
    return Json(plain({"assets": [{"asset_type": name, "files": files.get(name, [])} for name in listed]}))


@router.get("/items/{item_id}/quicklook", response_class=Response)
def quicklook(
    item_id: str,
    request: Request,
    caller: Reader,
    asset_type: Text = "",
    style: Literal["rgb", "false"] = "rgb",
    max_px: Annotated[int, Query(ge=16, le=1024)] = 384,
) -> Response:
    """A small picture (PNG) of a file that is here."""
    from planet_assets.raster.quicklook import quicklook as draw

    rasters = [one for one in _held(request, item_id) if one.path.suffix.lower() in (".tif", ".tiff")]
    rasters = [one for one in rasters if (one.key[2] == asset_type if asset_type else "udm2" not in one.key[2])]
    for one in sorted(rasters, key=lambda one: one.cut == ""):
        try:
            with _drawing:
                png = draw(one.path, style=style, max_px=max_px)
        except (AssetError, OSError):
            continue
        return Response(bytes(png), media_type="image/png", headers={"Cache-Control": "private, max-age=300"})
    raise Gone(f"No file of {item_id[:80]!r} is here that a picture could be made of.")


@router.get("/jobs")
def jobs(
    request: Request,
    caller: Reader,
    status: Annotated[list[AssetStatus] | None, Query()] = None,
    batch: Text = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Download jobs, the newest first; `batch` is the id of the plan they carry out."""
    words = [one.value for one in status or ()]
    library = request.app.state.library
    ids = overview.job_ids(library, statuses=words, batch_id=batch or None, limit=limit)
    found = {job.id: job for job in job_rows.load(library, ids)}
    return Json(plain({"jobs": [_job(found[one]) for one in ids if one in found]}))


@router.get("/jobs/{job_id}")
def job(job_id: str, request: Request, caller: Reader) -> Response:
    """A job and what happened to it."""
    library = request.app.state.library
    found = job_rows.load(library, [job_id]) if "\x00" not in job_id else []
    if not found:
        raise Gone("There is no such job.")
    events = [event_document(one) for one in job_rows.history(library, job_id)]
    return Json(plain({**_job(found[0]), "events": events}))


@router.get("/queue")
def queued(request: Request, caller: Reader, open_only: bool = True) -> Response:
    """What is to be fetched as soon as quota and budgets allow."""
    found = queue.listed(request.app.state.library, open_only=open_only)
    names = ("id", "account", "priority", "state", "reason", "scene_count", "by", "added_at", "not_before")
    return Json(plain({"entries": [{name: getattr(one, name) for name in names} for one in found[-500:]]}))


def _accounts(request: Request) -> list[str]:
    library = request.app.state.library
    return list(dict.fromkeys([*ledger.accounts(library), *spends.accounts(library)]))


def _feature(request: Request, item_id: str) -> dict[str, Any]:
    found = overview.features_of(request.app.state.library, item_id) if "\x00" not in item_id else []
    if not found:
        raise Gone(f"The library does not know a scene {item_id[:80]!r}.")
    return found[0]


def _job_ids(request: Request, item_id: str) -> list[str]:
    return overview.job_ids_of(request.app.state.library, item_id)


def _held(request: Request, item_id: str) -> list[Held]:
    return copies.of_item(request.app.state.library, item_id)


def _item(row: dict[str, Any]) -> dict[str, Any]:
    feature = row["feature"]
    return {
        "item_type": row["item_type"],
        "id": row["id"],
        "acquired": row["acquired"],
        "cloud_cover": feature.get("properties", {}).get("cloud_cover"),
        "state": row["state"],
        "geometry": feature.get("geometry"),
    }


def _file(one: Held) -> dict[str, Any]:
    """A file without the server's folders."""
    return {
        "asset_type": one.key[2],
        "name": one.path.name,
        "size_bytes": one.size_bytes,
        "md5": one.digest,
        "verified_by": one.verified_by,
        "clipped": one.cut != "",
        "recorded_at": one.recorded_at,
        "state": one.state,
    }


def _job(job: DownloadJob) -> dict[str, Any]:
    """A job without the server's folders."""
    told = job_document(job)
    for name in ("file", "original_file", "clipped_file"):
        told[name] = Path(told[name]).name if told[name] else None
    return told


def _mark_of(row: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(f"{row['acquired'].isoformat()} {row['id']}".encode()).decode()


def _mark(text: str) -> overview.Mark:
    try:
        moment, _, item_id = base64.urlsafe_b64decode(text.encode()).decode().partition(" ")
        acquired = datetime.fromisoformat(moment)
        if acquired.tzinfo is None or "\x00" in item_id:
            raise ValueError(text)
    except ValueError:
        raise Misused("`after` is not what an earlier reply gave as `next`.", argument="after") from None
    return overview.Mark(acquired=acquired, item_id=item_id)
