"""Assets that come file by file, as clients of methodic-research send them: pending until no reason is left, then a
sealed bundle in the tracker's store.

What is known is kept before what it leads to: digests are written down before files move, so a finalize that was killed
does the rest when it is asked again.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from planet_assets.exceptions import Conflict, Corrupt, DiskProblem, Gone, Misused, NotAllowed
from planet_assets.library import assets
from planet_assets.library.assets import Record
from planet_assets.model.bundle import Bundle, Component
from planet_assets.rules import packages, sealing
from planet_assets.service.store import Store
from planet_assets.sites.incoming import is_here, only_one

REASONS = ("upload_in_progress", "compile_pending", "review_required")
UPLOADING = REASONS[0]
LINK_S = 24 * 3600
"""How long a link lasts."""
SEALED = ".sealed"
"""Folder of files that were measured."""
KEPT = ("asset_config", "output_of", "content_type", "visibility", "metadata")
"""What a client may say of an asset that is only kept and shown."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of an asset while it comes; it takes its name in one step."""

    path: Path
    """Where its bytes go meanwhile."""
    final: Path
    """Its name."""


def create(store: Store, asked: Any, *, by: str, now: datetime) -> Record:
    """Note a new asset.

    Raises:
        Misused: it says what cannot be.
    """
    kind = asked.get("asset_type") if isinstance(asked, dict) else None
    if not isinstance(asked, dict) or not isinstance(kind, str) or not kind.strip() or not kind.isprintable():
        raise Misused("An asset has an asset_type.", argument="asset_type")
    if "content" in asked:
        raise Misused("Assets come as files here; content within the request is not taken.", argument="content")
    name = asked.get("name") or kind
    components = asked.get("components")
    is_single = components is None
    names = [name] if is_single else components
    if not isinstance(name, str) or not isinstance(names, list) or not 0 < len(names) <= sealing.MOST_COMPONENTS:
        raise Misused("An asset has a name, and components by their names.", argument="components")
    if len({_checked(one).casefold() for one in names}) < len(names):
        raise Misused("Two components have one name.", argument="components")
    reasons = asked.get("pending_reasons") or []
    if not isinstance(reasons, list) or any(one not in REASONS for one in reasons):
        raise Misused(f"pending_reasons are among {', '.join(REASONS)}.", argument="pending_reasons")
    made = secrets.token_hex(16)
    record = {
        "id": made,
        "uri": f"asset://{made}",
        "name": name[:200],
        "asset_type": kind[:100],
        "components": names,
        "is_single": is_single,
        "state": "pending",
        "pending_reasons": sorted({UPLOADING, *reasons}),
        "created_at": now.isoformat(),
        "by": by,
        "secret": secrets.token_hex(32),
        **{key: asked[key] for key in KEPT if key in asked},
    }
    assets.add(store.library, made, record)
    return record


def document(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as it is shown."""
    return {key: value for key, value in record.items() if key not in ("secret", "is_single", "sizes")}


def signature(record: Mapping[str, Any], operation: str, component: str, expires: int) -> str:
    """What a link to a file is signed with."""
    said = f"{operation}\n{record['id']}\n{component}\n{expires}"
    return hmac.new(str(record["secret"]).encode(), said.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def checked_link(
    store: Store, asset_id: str, component: str, operation: str, expires: int, signed: str, now: datetime
) -> Record:
    """The asset that a link is for.

    Raises:
        NotAllowed: the link was not made here, or has ended.
        Gone: there is no such asset, or no such file of it.
    """
    record = assets.get(store.library, asset_id)
    right = signature(record, operation, component, expires)
    if not hmac.compare_digest(right.encode(), signed.encode("utf-8", "replace")) or expires < now.timestamp():
        raise NotAllowed("The link is not good, or not good any more.", hint="Ask for a new one.")
    if component not in record["components"]:
        raise Gone(f"The asset has no {component[:60]!r}.")
    return record


def begin(store: Store, record: Record, component: str) -> Upload:
    """Where the bytes of a file go.

    Raises:
        Conflict: the asset takes no more.
        DiskProblem: the folder cannot be made.
    """
    if record["state"] == "abandoned":
        raise Conflict("The asset was rejected.")
    home = _home(store, record)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskProblem(f"{home} cannot be made: {error.strerror}.") from None
    name = packages.coded(component)
    return Upload(home / f".{secrets.token_hex(8)}.part", home / name)


def end(store: Store, record: Record, component: str, upload: Upload, sha256: str) -> None:
    """Give a file that has come its name; of one that is sealed already, only the same bytes are taken.

    Raises:
        Conflict: the asset is sealed with other bytes.
    """
    known = assets.get(store.library, record["id"]).get("digests", {}).get(component)
    if known is not None:
        upload.path.unlink(missing_ok=True)
        if known != sha256:
            raise Conflict(f"{component[:60]} is sealed with other bytes.")
        return
    try:
        os.replace(upload.path, upload.final)
    except OSError as error:
        raise DiskProblem(f"{upload.final} cannot be placed: {error.strerror}.") from None


def finalize(store: Store, asset_id: str, told: Any) -> Record:
    """Note that all files have come, and make the asset ready unless a reason is left; twice is once.

    Raises:
        Corrupt: a digest is not the one the client tells.
        Conflict: files are missing, or the asset was rejected.
    """
    record = assets.get(store.library, asset_id)
    if record["state"] == "abandoned":
        raise Conflict("The asset was rejected.")
    claimed = _claimed(told)
    if record["state"] == "ready":
        _compare(claimed, record["digests"], record)
        return record
    with only_one(_home(store, record) / ".lock"):
        record = assets.get(store.library, asset_id)
        if "digests" not in record:
            record = _sealed(store, record, claimed)
        _compare(claimed, record["digests"], record)
        return _cleared(store, asset_id, [UPLOADING])


def clear(store: Store, asset_id: str, reasons: Sequence[str]) -> Record:
    """Take reasons away for which an asset is pending; with the last it becomes ready.

    Raises:
        Conflict: it was rejected, or its files have not come.
    """
    record = assets.get(store.library, asset_id)
    if record["state"] == "ready":
        return record
    with only_one(_home(store, record) / ".lock"):
        return _cleared(store, asset_id, reasons)


def reject(store: Store, asset_id: str, reason: str, *, now: datetime) -> Record:
    """Give an asset up that waits for review.

    Raises:
        Conflict: it is ready.
    """

    def step(record: Record) -> Record:
        if record["state"] == "ready":
            raise Conflict("The asset is ready.")
        return {**record, "state": "abandoned", "rejected_at": now.isoformat(), "rejection_reason": reason[:1000]}

    record = assets.change(store.library, asset_id, step)
    shutil.rmtree(_home(store, record), ignore_errors=True)
    return record


def bundle_of(store: Store, record: Record) -> tuple[Bundle, dict[str, Component]]:
    """The sealed bundle of an asset that is ready, and its components by the client's names.

    Raises:
        Conflict: it is not ready.
    """
    if record["state"] != "ready":
        raise Conflict("The asset is not ready.", hint="It is when all files have come and no reason is left.")
    bundle = store.declare(_told(record), by=record["by"])
    by_name = {one.name: one for one in bundle.components}
    return bundle, {name: by_name[packages.coded(name)] for name in record["components"]}


def _sealed(store: Store, record: Record, claimed: Mapping[str, str]) -> Record:
    """Put the files that have come where no upload reaches them, measure them, and write that down."""
    home, found = _home(store, record), {}
    for component in record["components"]:
        name = packages.coded(component)
        with suppress(FileNotFoundError):
            (home / SEALED).mkdir(exist_ok=True)
            os.replace(home / name, home / SEALED / name)
        if (measure := _measured(home / SEALED / name)) is not None:
            found[component] = measure
    if missing := [name for name in record["components"] if name not in found]:
        raise Conflict(f"{len(missing)} files have not come: {', '.join(missing[:5])[:300]}.")
    digests = {name: sha for name, (_, sha) in found.items()}
    _compare(claimed, digests, record)
    facts = {"digests": digests, "sizes": {name: size for name, (size, _) in found.items()}}
    return assets.change(store.library, record["id"], lambda now: {**now, **facts})


def _cleared(store: Store, asset_id: str, reasons: Sequence[str]) -> Record:
    def step(record: Record) -> Record:
        if record["state"] == "abandoned":
            raise Conflict("The asset was rejected.")
        left = [one for one in record["pending_reasons"] if one not in reasons]
        return {**record, "pending_reasons": left}

    record = assets.change(store.library, asset_id, step)
    return _ready(store, record) if not record["pending_reasons"] and record["state"] == "pending" else record


def _ready(store: Store, record: Record) -> Record:
    bundle, home = store.declare(_told(record), by=record["by"]), _home(store, record)
    for one in bundle.components:
        if is_here(store.folder, bundle, one):
            continue
        target = store.folder.gathered(bundle, one.name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(home / SEALED / one.name, target)
        except OSError as error:
            if not is_here(store.folder, bundle, one):  # else another request was quicker
                raise DiskProblem(f"{target} cannot be placed: {error.strerror}.") from None
    store.finish(bundle)
    ready = {"state": "ready", "bundle_id": bundle.id, "ready_at": store.clock.now().isoformat()}
    record = assets.change(
        store.library, record["id"], lambda now: {**now, **ready} if now["state"] != "ready" else now
    )
    shutil.rmtree(home, ignore_errors=True)
    return record


def _told(record: Record) -> Bundle:
    components = tuple(
        Component(
            name=packages.coded(name),
            path=Path(),
            size_bytes=record["sizes"][name],
            sha256=record["digests"][name],
            asset_type=record["asset_type"],
        )
        for name in record["components"]
    )
    return Bundle(id="", name=record["id"], revision=1, kind=record["asset_type"], components=components)


def _home(store: Store, record: Record) -> Path:
    return store.folder.root / ".assets" / str(record["id"])


def _checked(name: object) -> str:
    parts = name.split("/") if isinstance(name, str) else [""]
    bad = any(part in ("", ".", "..") for part in parts) or any(
        ord(sign) < 32 or sign in "\\\x7f" for sign in str(name)
    )
    if bad or not isinstance(name, str):
        raise Misused(f"{str(name)[:60]!r} is no name of a file of an asset.", argument="components")
    packages.coded(name)
    return name


def _claimed(told: Any) -> dict[str, str]:
    files = told.get("files", []) if isinstance(told, dict) else []
    if not isinstance(files, list):
        raise Misused("files is a list of path and sha256.", argument="files")
    found = {}
    for one in files:
        if not isinstance(one, dict) or not isinstance(one.get("path"), str) or not isinstance(one.get("sha256"), str):
            raise Misused("files is a list of path and sha256.", argument="files")
        found[one["path"]] = one["sha256"].lower()
    return found


def _compare(claimed: Mapping[str, str], digests: Mapping[str, str], record: Record) -> None:
    for path, sha in claimed.items():
        known = digests.get(path) or (next(iter(digests.values())) if record["is_single"] else None)
        if known is None:
            raise Misused(f"The asset has no {path[:60]!r}.", argument="files")
        if known != sha:
            raise Corrupt(f"{path[:60]} did not arrive as it was sent.", hint="Send it again.", expected=sha, got=known)


def _measured(path: Path) -> tuple[int, str] | None:
    with suppress(FileNotFoundError):
        try:
            with path.open("rb") as body:
                sha = hashlib.file_digest(body, "sha256").hexdigest()
                os.fsync(body.fileno())
                return body.tell(), sha
        except FileNotFoundError:
            raise
        except OSError as error:
            raise DiskProblem(f"{path} cannot be read: {error.strerror}.") from None
    return None
