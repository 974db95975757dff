"""The commands about held files: verify, clean up, count, move, adopt, remove, back up. None needs a key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.options import Group, dry_run_option
from planet_assets.cli.output import Face

if TYPE_CHECKING:
    from planet_assets.door.holding import Holdings
    from planet_assets.model.holdings import Stats

PATH = click.Path(path_type=Path)


@click.group(cls=Group)
def library() -> None:
    """The files the library knows, and the library itself."""


@library.command()
@click.option("--repair", is_flag=True, help="Bring back what another copy has; offer the rest to the next plan.")
@click.option("--bytes", "read_all", is_flag=True, help="Read every byte, also of files that nobody touched.")
def verify(repair: bool, read_all: bool) -> int:
    """Compare held files with what was recorded: length and time first, bytes of those that were touched."""
    face = Face.current()
    with open_holdings() as held:
        found = held.verify(repair=repair, read_all=read_all)
    lines = [f"{found}."]
    for word, paths in (("missing", found.missing), ("damaged", found.damaged), ("no digest", found.unproven)):
        lines += [f"  {word:<9} {path}" for path in paths]
    lines += [f"  repaired  {path}" for path in found.repaired] + [f"  not there {path}" for path in found.away]
    face.show(asdict(found), lambda: "\n".join(lines))
    return Code.OK if found.is_right else Code.VERIFICATION


@library.command()
@dry_run_option
def clean(dry_run: bool) -> int:
    """Drop records of files that are gone and unfinished files that no job owns; jobs and charges stay."""
    face = Face.current()
    with open_holdings() as held:
        done = held.clean(dry_run=dry_run)
    lines = [f"{'Would drop' if dry_run else 'Dropped'} {done}."]
    lines += [f"  gone       {path}" for path in done.forgotten] + [f"  unfinished {path}" for path in done.parts]
    face.show(asdict(done), lambda: "\n".join(lines))
    return Code.OK


@library.command()
def stats() -> int:
    """How much is held, where, of what, and what it cost."""
    face = Face.current()
    with open_holdings() as held:
        where, found = held.library.where, held.stats()
    face.show({"library": where, **asdict(found)}, lambda: stats_text(where, found))
    return Code.OK


def stats_text(where: str, found: Stats) -> str:
    """How much is held, as lines."""
    from planet_assets.view.units import exact_km2, human_bytes

    lines = [f"{where}: {found.files} files, {human_bytes(found.size_bytes)}, of {found.scenes} scenes."]
    lines.append(f"Missing: {found.missing}, removed: {found.removed}. Charged: {exact_km2(found.spent_km2)}.")
    for counted in (found.by_folder, found.by_asset_type):
        lines += [f"  {name}: {number} files, {human_bytes(size)}" for name, (number, size) in counted.items()]
    return "\n".join(lines)


@library.command()
@click.argument("source", type=PATH)
@click.argument("target", type=PATH)
def move(source: Path, target: Path) -> int:
    """Move the held files of a folder, or note that somebody has; nothing is overwritten."""
    face = Face.current()
    with open_holdings() as held:
        moved = held.move(source, target)
    face.show({"moved": moved}, lambda: f"{len(moved)} files are in {target}.")
    return Code.OK


@library.command()
@click.argument("folder", type=PATH)
@click.option("--item-type", default="PSScene", show_default=True, help="Kind of scene the files are of.")
@dry_run_option
def adopt(folder: Path, item_type: str, dry_run: bool) -> int:
    """Take files that lie in a folder into the library, so that nobody pays for them again."""
    face = Face.current()
    with open_holdings() as held:
        done = held.adopt(folder, item_type=item_type, dry_run=dry_run)
    lines = [f"{done}.", *(f"  left {path}: {why}" for path, why in done.skipped.items())]
    face.show(asdict(done), lambda: "\n".join(lines))
    return Code.OK if done.taken or done.known else Code.NOTHING_FOUND


@library.command()
@click.argument("what", nargs=-1, required=True, metavar="FILE|SCENE...")
@dry_run_option
def remove(what: tuple[str, ...], dry_run: bool) -> int:
    """Delete held files, by path or scene; jobs and charges stay. Fetching them again is charged again."""
    face = Face.current()
    with open_holdings() as held:
        gone = held.remove(what, dry_run=dry_run)
    lines = [f"{'Would remove' if dry_run else 'Removed'} {len(gone)} files.", *(f"  {path}" for path in gone)]
    face.show({"removed": gone}, lambda: "\n".join(lines))
    return Code.OK


@library.command()
@click.argument("file", type=PATH)
def backup(file: Path) -> int:
    """Write the whole library into a new file, while others go on working with it."""
    face = Face.current()
    with open_holdings() as held:
        path = held.backup(file)
    face.show({"backup": path}, lambda: f"The library is in {path}; held files are not.")
    return Code.OK


@library.command()
@click.argument("file", type=PATH)
def restore(file: Path) -> int:
    """Make the library what it was at a backup; what it is now is kept beside it."""
    face = Face.current()
    with open_holdings() as held:
        kept = held.restore(file)
    face.show({"kept": kept}, lambda: f"Restored. The library as it was before is in {kept}.")
    face.say("Charges since the backup are not in it: `planet-assets ledger reconcile` finds what Planet counted.")
    return Code.OK


@library.command()
@click.argument("file", type=PATH)
def merge(file: Path) -> int:
    """Take over what another library knows; doing it twice changes nothing."""
    face = Face.current()
    with open_holdings() as held:
        counts = held.merge(file)
    face.show({"new": counts}, lambda: ", ".join(f"{number} {name}" for name, number in counts.items()) + " new.")
    return Code.OK


@contextmanager
def open_holdings() -> Iterator[Holdings]:
    """The files the library knows.

    Raises:
        AssetError: the library cannot be opened.
    """
    from planet_assets.door.holding import Holdings
    from planet_assets.flow.clock import RealClock

    with open_library() as opened:
        yield Holdings(opened, RealClock())
