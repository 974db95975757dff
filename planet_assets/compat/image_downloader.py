"""`ImageDownloader`: fetches what is new or changed in any JSON listing, as scripts of the ParentZone downloader do.

Files come by the verified transfer: parts that resume, promised lengths and digests held against what came, and names
that are given in one step and never to two assets. What a changed asset was before goes to `superseded`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import mimetypes
import os
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from planet_assets.compat.asset_tracker import AssetRecord, AssetTracker, is_tracking_disabled
from planet_assets.exceptions import AssetError, DiskProblem, Misused
from planet_assets.model.asset import Promise
from planet_assets.rules.changes import fingerprint, key_of
from planet_assets.transfer.check import check
from planet_assets.transfer.listing import Service
from planet_assets.transfer.place import discard, ensure_folder, part_path, place, same_bytes

if TYPE_CHECKING:
    from planet_assets.transfer.fetch import Fetcher

ADDRESSES = ("downloadUrl", "download_url")
"""Fields of a record that say where its bytes are; else they are at the download endpoint."""

NAMES = ("filename", "fileName", "file_name", "name")
SIZES = ("size", "size_bytes", "fileSize", "file_size")
MEDIA = ("mimeType", "mime_type", "contentType", "content_type")
SUPERSEDED = "superseded"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    listed: int = 0
    """Assets that the service has."""
    skipped: int = 0
    """Assets that were up to date."""
    downloaded: tuple[Path, ...] = ()
    """Files that were fetched."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Asset -> why it was not fetched; it is offered again by the next run."""

    def __str__(self) -> str:
        text = f"{self.listed} assets: {len(self.downloaded)} downloaded, {self.skipped} skipped as up to date"
        return f"{text}, {len(self.failed)} failed" if self.failed else text


class ImageDownloader:
    """Fetches the assets of a listing into a folder. `asset_tracker` is None when nothing is tracked."""

    def __init__(
        self,
        api_url: str,
        list_endpoint: str,
        download_endpoint: str,
        output_dir: str | os.PathLike[str],
        email: str | None = None,
        password: str | None = None,
        *,
        track_assets: bool = True,
        metadata_file: str | None = None,
        login_endpoint: str = "",
        max_concurrent: int = 5,
        timeout: float = 300.0,
    ) -> None:
        """Ask nothing yet.

        Args:
            api_url: address of the service.
            list_endpoint: where it lists its assets, as a JSON array or an object that holds one.
            download_endpoint: where the bytes are: `{id}` in it is the asset's key, else the key follows it.
            output_dir: folder for the files.
            email: who asks; with `password` sent as HTTP Basic, unless there is a sign-in.
            password: proves it.
            track_assets: False to remember nothing and fetch everything; so does `DISABLE_ASSET_TRACKING=1`.
            metadata_file: name of the tracker's JSON file.
            login_endpoint: where email and password are exchanged for a token.
            max_concurrent: downloads side by side.
            timeout: seconds without a byte after which a download is broken off.

        Raises:
            Misused: an argument cannot be meant.
        """
        if not 1 <= max_concurrent <= 64:
            raise Misused("max_concurrent is not between 1 and 64.", argument="max_concurrent")
        self.output_dir = Path(output_dir).expanduser().absolute()
        self.list_endpoint, self.download_endpoint = list_endpoint, download_endpoint
        self.max_concurrent, self.timeout = max_concurrent, timeout
        self._service = Service(api_url, email or "", password or "", login_endpoint=login_endpoint)
        tracked = track_assets and not is_tracking_disabled()
        self.asset_tracker = AssetTracker(self.output_dir, metadata_file) if tracked else None
        self._naming = threading.Lock()

    async def download_all_assets(self, force_redownload: bool = False) -> Outcome:
        """List, leave out what is up to date, fetch the rest.

        Args:
            force_redownload: True to fetch all, whatever is up to date.

        Raises:
            KeyRefused: email or password are wrong.
            NetworkError, ServerError: the listing cannot be had.
            DiskProblem: the folder cannot be written.
        """
        from planet_assets.transfer.fetch import Fetcher

        listed = await asyncio.to_thread(self._service.listing, self.list_endpoint)
        tracker = self.asset_tracker
        wanted = listed if force_redownload or tracker is None else tracker.get_new_assets(listed)
        await asyncio.to_thread(ensure_folder, self.output_dir)
        names = self._names(listed)
        done: list[Path] = []
        failed: dict[str, str] = {}
        turn = asyncio.Semaphore(self.max_concurrent)

        async def one(asset: AssetRecord) -> None:
            key = self._key(asset)
            async with turn:
                try:
                    done.append(await asyncio.to_thread(self._fetch, fetcher, asset, names[key]))
                except AssetError as error:
                    log.error("%s was not downloaded: %s", key, error)
                    failed[key] = str(error)

        with Fetcher(stall_s=self.timeout, authorize=self._service.headers_for) as fetcher:
            await asyncio.gather(*(one(asset) for asset in {self._key(each): each for each in wanted}.values()))
        ended = Outcome(
            listed=len(listed), skipped=len(listed) - len(wanted), downloaded=tuple(sorted(done)), failed=failed
        )
        log.info("%s", ended)
        return ended

    def _key(self, asset: AssetRecord) -> str:
        return key_of(asset) if self.asset_tracker is None else self.asset_tracker._get_asset_key(asset)

    def _names(self, listed: Sequence[AssetRecord]) -> dict[str, str]:
        """Key -> file name; of assets that share a name, each has its own."""
        plain = {self._key(asset): _plain_name(asset, self._key(asset)) for asset in listed}
        shared = [name.casefold() for name in plain.values()]
        held = {} if self.asset_tracker is None else self.asset_tracker.metadata
        taken = {str(record.get("filename")).casefold(): key for key, record in held.items() if record.get("success")}
        reserved = {Path(self.asset_tracker.metadata_file).name.casefold()} if self.asset_tracker else set()
        found = {}
        for key, name in plain.items():
            owner = taken.get(name.casefold(), key)
            is_free = shared.count(name.casefold()) == 1 and owner == key and name.casefold() not in reserved
            found[key] = name if is_free else _marked(name, key)
        return found

    def _fetch(self, fetcher: Fetcher, asset: AssetRecord, name: str) -> Path:
        """Bring one asset, and record how that ended."""
        final = self.output_dir / name
        try:
            part_at = part_path(final, fingerprint(asset)[:16])
            promise = _promise(asset)
            part = fetcher.fetch(self._address(asset), part_at, promise)
            try:
                check(part, promise)
            except AssetError:
                discard(part_at)
                raise
            with self._naming:
                if not same_bytes(final, part.md5):
                    self._put_aside(final)
                place(part, final)
        except AssetError:
            if self.asset_tracker is not None:
                self.asset_tracker.mark_asset_downloaded(asset, final, success=False)
            raise
        if self.asset_tracker is not None:
            self.asset_tracker.mark_asset_downloaded(asset, final, success=True)
        return final

    def _put_aside(self, final: Path) -> None:
        """What stands at the name, whoever made it, is kept."""
        if not os.path.lexists(final):
            return
        aside = self.output_dir / SUPERSEDED
        try:
            aside.mkdir(exist_ok=True)
            number, free = 1, aside / final.name
            while os.path.lexists(free):
                number += 1
                free = aside / f"{final.stem}_{number}{final.suffix}"
            os.rename(final, free)
        except OSError as error:
            raise DiskProblem(f"{final} cannot be put aside: {error.strerror}.") from None

    def _address(self, asset: AssetRecord) -> str:
        named = next((asset[name] for name in ADDRESSES if isinstance(asset.get(name), str) and asset[name]), None)
        if named is not None:
            return self._service.address(str(named))
        key = quote(key_of(asset), safe="")
        place = self.download_endpoint
        return self._service.address(place.replace("{id}", key) if "{id}" in place else f"{place.rstrip('/')}/{key}")


def _promise(asset: AssetRecord) -> Promise:
    """What the listing says of the bytes; what it does not say is not checked."""
    size = next((asset[name] for name in SIZES if type(asset.get(name)) is int and asset[name] >= 0), None)
    sums = (str(asset.get(name) or "").removeprefix("md5:").lower() for name in ("md5", "checksum"))
    md5 = next((one for one in sums if re.fullmatch("[0-9a-f]{32}", one)), None)
    return Promise(media="any", size_bytes=size, md5=md5)


def _plain_name(asset: AssetRecord, key: str) -> str:
    """A name that is safe on every disk: that of the record where it has one, else its key."""
    told = next((str(asset[name]) for name in NAMES if asset.get(name)), "")
    name = re.sub(r"[^\w. ()+,=@-]+", "_", told.replace("\\", "/").rpartition("/")[2]).strip(" .")
    if not name:
        name = re.sub(r"[^\w.-]+", "_", key).strip(" .") or hashlib.sha256(key.encode()).hexdigest()[:16]
    if not Path(name).suffix:
        media = next((str(asset[one]) for one in MEDIA if asset.get(one)), "")
        with suppress(ValueError):
            name += mimetypes.guess_extension(media.partition(";")[0].strip()) or ""
    stem, suffix = Path(name).stem, Path(name).suffix
    if re.fullmatch(r"(?i)con|prn|aux|nul|com\d|lpt\d", stem):
        stem = f"_{stem}"
    return stem.encode()[:150].decode(errors="ignore") + suffix[:20]


def _marked(name: str, key: str) -> str:
    return f"{Path(name).stem}_{hashlib.sha256(key.encode()).hexdigest()[:8]}{Path(name).suffix}"


if __name__ == "__main__":
    from planet_assets.compat.image_downloader_cli import main

    main()
