"""The flags of `download` about what is held: not to ask, to fetch anew, to tell, to tidy up. The ledger counts on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planet_assets.cli.codes import Code

if TYPE_CHECKING:
    from planet_assets.blocking import AssetManager
    from planet_assets.cli.output import Face
    from planet_assets.cli.scenes import Wish
    from planet_assets.model.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """What was typed."""

    is_off: bool
    """True to fetch as if nothing were held, and to note no file."""
    anew: bool
    """True to fetch what is held once more."""
    show_stats: bool
    """True to tell at the end what is held."""
    cleanup: bool
    """True to drop records of files that are gone."""
    dry_run: bool
    """True to change nothing."""

    @classmethod
    def taken_from(cls, typed: dict[str, Any], *, dry_run: bool) -> Tracking:
        """The flags, taken out of everything that was typed; `DISABLE_ASSET_TRACKING` counts as --no-tracking."""
        from planet_assets.compat.environment import asset_tracking_disabled

        return cls(
            is_off=typed.pop("no_tracking") or asset_tracking_disabled(),
            anew=typed.pop("force_redownload"),
            show_stats=typed.pop("show_stats"),
            cleanup=typed.pop("cleanup"),
            dry_run=dry_run,
        )

    def is_all_that_is_asked(self, wish: Wish) -> bool:
        """True when nothing is to be fetched."""
        wants = wish.scenes or wish.start is not None or wish.end is not None
        return (self.show_stats or self.cleanup) and not wants

    def alone(self, face: Face) -> int:
        """Tidy up and tell, without fetching anything."""
        from planet_assets.cli.holdings_cmds import open_holdings, stats_text

        with open_holdings() as held:
            cleaned = held.clean(dry_run=self.dry_run) if self.cleanup else None
            where, found = held.library.where, held.stats()
        lines = [] if cleaned is None else [f"{'Would drop' if self.dry_run else 'Dropped'} {cleaned}."]
        lines += [stats_text(where, found)] if self.show_stats else []
        document: dict[str, Any] = {} if cleaned is None else {"cleaned": asdict(cleaned)}
        face.show(document | ({"library": where, **asdict(found)} if self.show_stats else {}), lambda: "\n".join(lines))
        return Code.OK

    def begin(self, face: Face) -> None:
        """Say what is unusual, and tidy up."""
        if self.is_off:
            face.say("Tracking is off: what is held may be fetched and charged again; the ledger counts it.")
        if self.cleanup:
            from planet_assets.cli.holdings_cmds import open_holdings

            with open_holdings() as held:
                face.say(f"Dropped {held.clean(dry_run=self.dry_run)}.")

    def plan(self, wish: Wish, manager: AssetManager) -> Plan | None:
        """The plan of a wish; of everything, where what is held does not count."""
        scenes, options = wish.request(manager)
        if not scenes:
            return None
        made = manager.plan(scenes, **options)
        held = [want.key for want in made.already_held]
        return manager.plan(scenes, **options, refetch=held) if held and (self.is_off or self.anew) else made

    def end(self, face: Face, manager: AssetManager, plan: Plan) -> None:
        """Forget the files where nothing is to be noted; tell what is held."""
        from planet_assets.cli.holdings_cmds import open_holdings, stats_text
        from planet_assets.library import copies, jobs

        if self.is_off:
            library = manager.asynchronous.library
            done = [job for job in jobs.listed(library, batch_id=plan.id) if job.downloaded_file_path is not None]
            paths = [path for job in done for path in (job.path, job.clipped_path) if path is not None]
            copies.forget(library, map(Path, paths))
        if self.show_stats:
            with open_holdings() as held:
                face.say(stats_text(held.library.where, held.stats()))
