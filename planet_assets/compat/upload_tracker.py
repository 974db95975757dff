"""`UploadTracker` and `PendingUpload`: what is still to be shipped, as scripts written for methodic-research call it.

Registration is whole or not at all, between threads and processes; a bundle that nobody knows is not complete.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from planet_assets.flow.clock import RealClock
from planet_assets.library.owners import this_process
from planet_assets.library.uploads import Upload as PendingUpload
from planet_assets.library.uploads import Uploads

__all__ = ["PendingUpload", "UploadTracker"]


class UploadTracker:
    """Tracks uploads in a local SQLite file. Safe to share between threads, and the file between processes."""

    def __init__(self, db_path: str | os.PathLike[str] = "upload_state.db") -> None:
        """Open or make the file; one that the other tool wrote is taken over.

        Raises:
            AssetError: the file is something else.
        """
        self._uploads = Uploads(Path(db_path))
        self._clock = RealClock()

    def register_components(
        self, asset_id: str, asset_type: str, components: Iterable[tuple[str, str, int | None]]
    ) -> None:
        """Record all (component, local_path, size) of an asset as PENDING, and seal it.

        What is shipped already and unchanged stays shipped.

        Raises:
            Misused: the asset is sealed and has no such component.
        """
        self._uploads.register(asset_id, asset_type, components, now=self._clock.now(), seal=True)

    def add_components(self, asset_id: str, asset_type: str, components: Iterable[tuple[str, str, int | None]]) -> None:
        """Record some components of an asset that stays open, in any number of calls; end with `seal`.

        Raises:
            Misused: the asset is sealed.
        """
        self._uploads.register(asset_id, asset_type, components, now=self._clock.now(), seal=False)

    def mark_pending(
        self, asset_id: str, component: str, local_path: str, size: int | None = None, asset_type: str = "unknown"
    ) -> None:
        """Register a single component as PENDING; the asset stays open until `seal`.

        Raises:
            Misused: the asset is sealed and has no such component.
        """
        self.add_components(asset_id, asset_type, [(component, local_path, size)])

    def seal(self, asset_id: str) -> None:
        """Say that no component will come any more.

        Raises:
            Misused: it has none.
        """
        self._uploads.seal(asset_id, now=self._clock.now())

    def mark_uploading(self, asset_id: str, component: str, *, owner: str | None = None) -> None:
        """Its bytes are on their way.

        Args:
            asset_id: names the asset.
            component: names the file.
            owner: who claimed it; whoever did not claim anything leaves it out.

        Raises:
            LibraryLocked: another owner has claimed it.
        """
        self._uploads.mark(asset_id, component, "UPLOADING", now=self._clock.now(), owner=owner)

    def mark_completed(
        self, asset_id: str, component: str, sha256: str | None = None, *, owner: str | None = None
    ) -> None:
        """It has arrived. `owner` and errors as in `mark_uploading`."""
        self._uploads.mark(asset_id, component, "COMPLETED", now=self._clock.now(), owner=owner, sha256=sha256)

    def mark_failed(
        self,
        asset_id: str,
        component: str,
        error: str = "",
        retry_after_s: float = 0.0,
        *,
        owner: str | None = None,
    ) -> None:
        """It did not arrive; it stays outstanding and may be claimed again after a while. `owner` as before."""
        self._uploads.mark(asset_id, component, "FAILED", now=self._clock.now(), owner=owner, error=error)
        if retry_after_s > 0:
            self._uploads.put_off(asset_id, component, self._clock.now() + timedelta(seconds=retry_after_s))

    def claim(self, owner: str | None = None, lease_s: float = 600.0) -> PendingUpload | None:
        """Take one outstanding component for this owner alone; its lease ends with the next mark, or by itself."""
        return self._uploads.claim(owner or this_process(), lease_s=lease_s, now=self._clock.now())

    def get_incomplete(self) -> list[PendingUpload]:
        """Every component that is not COMPLETED, oldest first."""
        return self._uploads.outstanding()

    def get_pending_uploads(self) -> list[PendingUpload]:
        """The same as `get_incomplete`."""
        return self.get_incomplete()

    def get_attempts(self, asset_id: str, component: str) -> tuple[int, str]:
        """How often a component failed, and the last error."""
        query = "SELECT attempts, COALESCE(error, '') FROM upload_claim WHERE asset_id = ? AND component = ?"
        found = self._uploads.rows(query, asset_id, component)
        return found[0] if found else (0, "")

    def completed_sha256s(self, asset_id: str) -> dict[str, str]:
        """Digests of what has arrived, by component."""
        query = (
            "SELECT component, sha256 FROM upload_state"
            " WHERE asset_id = ? AND state = 'COMPLETED' AND sha256 IS NOT NULL ORDER BY component"
        )
        return dict(self._uploads.rows(query, asset_id))

    def all_components_completed(self, asset_id: str) -> bool:
        """True when the asset is sealed and every component has arrived; false for one that nobody knows."""
        return self._uploads.is_complete(asset_id)

    def get_unfinalized(self) -> list[str]:
        """Assets that have arrived whole while nobody was told; finalize them, then call `mark_finalized`."""
        return self._uploads.unfinished()

    def mark_finalized(self, asset_id: str) -> bool:
        """Note that the server knows; True for the one caller who was first."""
        return self._uploads.finish(asset_id, now=self._clock.now())

    def purge_finalized(self) -> int:
        """Forget assets that are finalized, and say how many."""
        return self._uploads.purge()

    def get_latest_checkpoint_path(self, *, ready_only: bool = False) -> str | None:
        """The folder of the newest `checkpoint` that was registered, or with `ready_only` has arrived whole."""
        query = "SELECT asset_id, local_path FROM upload_state WHERE asset_type = 'checkpoint'"
        for asset_id, path in self._uploads.rows(f"{query} ORDER BY created_at DESC, rowid DESC"):
            if not ready_only or self.all_components_completed(asset_id):
                return str(Path(path).parent)
        return None

    def has_registered_assets(self) -> bool:
        """True when anything is registered, which tells a restart."""
        return bool(self._uploads.rows("SELECT 1 FROM upload_state LIMIT 1"))

    def close(self) -> None:
        """Give back the file; the next call opens it again."""
        self._uploads.close()
