"""The files the library knows, for scripts: `manager.files`. Nothing is asked of Planet and nothing is spent."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planet_assets.door import reaching
from planet_assets.export.vector import roi_of
from planet_assets.flow import exporting, holdings
from planet_assets.flow import publish as publishing
from planet_assets.flow.adopt_files import adopt_folder
from planet_assets.flow.masking import clear_shares
from planet_assets.library import bundles, saving
from planet_assets.library.engine import Library, working
from planet_assets.model.bundle import Published, Site
from planet_assets.model.clearness import ClearShare
from planet_assets.model.holdings import Adopted, Cleaned, Stats, Verified
from planet_assets.model.ports import Clock


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a library holds, and what can be done about it."""

    library: Library
    """Whose files."""
    clock: Clock
    """The time."""

    def verify(self, *, repair: bool = False, read_all: bool = False) -> Verified:
        """Compare files with what was recorded: first length and time, and the bytes of those that were touched.

        Args:
            repair: True to bring back what another held copy has, to put damaged files aside, and to offer what is
                missing to the next plan.
            read_all: True to read every byte.
        """
        return holdings.verify(self.library, self.clock.now(), repair=repair, read_all=read_all)

    def clean(self, *, dry_run: bool = False) -> Cleaned:
        """Drop records of files that are gone and unfinished files that no job owns; jobs and charges stay."""
        return holdings.clean(self.library, self.clock.now(), dry_run=dry_run)

    def stats(self) -> Stats:
        """How much is held, where, of what, and what it cost."""
        return holdings.stats(self.library)

    def move(self, source: str | Path, target: str | Path) -> list[Path]:
        """Move the held files of a folder to another one, or note that somebody has; nothing is overwritten.

        Raises:
            DiskProblem: something else stands there.
            LibraryLocked: jobs are under way in the folder.
        """
        return holdings.move(self.library, Path(source), Path(target))

    def adopt(self, folder: str | Path, *, item_type: str = "PSScene", dry_run: bool = False) -> Adopted:
        """Take files that lie in a folder into the library by name and digest, so that nobody pays for them again."""
        where = Path(folder).expanduser().absolute()
        return adopt_folder(self.library, where, self.clock.now(), item_type=item_type, dry_run=dry_run)

    def backup(self, path: str | Path) -> Path:
        """Write the whole library into a new file, while others go on working with it.

        Raises:
            DiskProblem: the file exists, or cannot be written.
        """
        return saving.backup(self.library, Path(path).expanduser().absolute())

    def restore(self, path: str | Path) -> Path:
        """Make the library what it was when a backup was made; what it is now is kept in a backup beside it.

        Raises:
            LibraryLocked: a process works on jobs.
            Misused: the file is no library, or this one lies on a server.
        """
        return saving.restore(self.library, Path(path).expanduser().absolute(), self.clock.now())

    def merge(self, path: str | Path) -> dict[str, int]:
        """Take over what another library knows; doing it twice changes nothing. No charge is lost or counted twice.

        Returns:
            Table -> rows that were new.

        Raises:
            Misused: the file is no library.
        """
        return saving.merge(self.library, Path(path).expanduser().absolute())

    def to_xarray(
        self, asset_type: str, *, scenes: Collection[str] = (), roi: Any = None, folder: str | Path | None = None
    ) -> Any:
        """A time stack of held files of one asset type: an `xarray.DataArray` of time, band, y, x, NaN for nothing.

        Args:
            asset_type: for example ortho_analytic_4b.
            scenes: ids; every held one otherwise.
            roi: region to bound it, in any form; all that the files cover otherwise.
            folder: only files in this folder. Of a scene that is held twice the cut file is taken.

        Raises:
            Misused: nothing is held, the files share no grid, or xarray is not installed (extra `cube`).
        """
        where = None if folder is None else Path(folder).expanduser().absolute()
        region = None if roi is None else roi_of(roi)
        return exporting.stacked(self.library, asset_type, ids=scenes, roi=region, folder=where)

    def clear_shares(
        self,
        roi: Any,
        *,
        scenes: Collection[str] = (),
        classes: Collection[str] = ("clear",),
        min_confidence: int = 0,
    ) -> dict[str, ClearShare]:
        """How clear each scene is over a region, exactly, by the UDM2 that is held of it; `select(clear=)` takes it.

        Args:
            roi: region, in any form.
            scenes: ids; every scene of which a UDM2 is held otherwise. Those that do not touch the region are left out.
            classes: what counts as clear, of clear, snow, shadow, light_haze, heavy_haze, cloud.
            min_confidence: least confidence of the class, per cent.
        """
        now, region = self.clock.now(), roi_of(roi)
        return clear_shares(self.library, region, now, ids=scenes, classes=classes, min_confidence=min_confidence)

    def add_site(self, name: str, address: str | Path, **options: str) -> Site:
        """Name a place that bundles are shipped to: a folder, or s3://bucket/prefix with obstore's options.

        Raises:
            Misused: the address cannot be meant, or an option is a secret, which belongs into the environment.
        """
        return bundles.add_site(self.library, name, publishing.read_address(str(address), options), options)

    def publish(self, scenes: Iterable[str], *, to: str) -> list[Published]:
        """Seal all that is held of each scene and ship it: visible at the site when whole, exactly once.

        Killed anywhere, it goes on when called again. One that fails does not stop the rest. Planet's licence says
        whom files may be given to.

        Args:
            scenes: ids; none to finish what is outstanding.
            to: name of a site.

        Raises:
            Misused: there is no such site, or nothing is held of a scene.
            Corrupt: a file is not what was recorded.
        """
        site, ids = bundles.site_named(self.library, to), dict.fromkeys(scenes)
        with working() as owner:
            made = [publishing.seal_scene(self.library, one, by=owner, clock=self.clock) for one in ids]
            wanted = made if ids else bundles.outstanding(self.library, site.id)
            with closing(reaching.depot(site)) as depot:
                return publishing.ship(self.library, site, wanted, owner=owner, clock=self.clock, depot=depot)

    def remove(self, what: Iterable[str | Path], *, dry_run: bool = False) -> list[Path]:
        """Delete held files, by path or scene; jobs and charges stay, and a plan that fetches them again says so.

        Raises:
            Misused: the library holds nothing of that name.
        """
        return holdings.remove(self.library, what, dry_run=dry_run)
