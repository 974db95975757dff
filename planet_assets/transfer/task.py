"""One call of `fetch`: where from, where to, what is promised, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from planet_assets.exceptions import LinkExpired
from planet_assets.model.asset import Part, Promise
from planet_assets.transfer import parts
from planet_assets.transfer.body import Sink
from planet_assets.transfer.parts import Kept, Mark
from planet_assets.transfer.watch import Watch


@dataclass(slots=True)
class Task:
    """One call of `fetch`."""

    url: str = field(repr=False)
    part: Path
    promise: Promise
    watch: Watch
    on_resolved: Callable[[str], None] | None
    on_start: Callable[[int], None] | None
    before_restart: Callable[[], None] | None
    on_progress: Callable[[int, int | None], None] | None
    host: str = "the storage"

    @property
    def name(self) -> str:
        """What a person calls the file."""
        return parts.title(self.part)

    def started(self, offset: int) -> None:
        """Say where the body starts."""
        if self.on_start is not None:
            self.on_start(offset)

    def restarts(self) -> None:
        """Say that kept bytes go; who is told may refuse."""
        if self.before_restart is not None:
            self.before_restart()


def complete_after_all(task: Task, total: int | None, kept: Kept) -> Part:
    """The storage has nothing after what is kept: then all of it is there, or it belongs to something else.

    Raises:
        LinkExpired: something else; what was kept is dropped.
    """
    size = kept.file.size_bytes
    known = kept.mark.size_bytes or task.promise.size_bytes or total
    if size == known and total in (None, size) and task.promise.md5 in (None, kept.file.md5):
        return finish(Sink(kept.file, size, task.on_progress), kept.mark, size)
    kept.file.close()
    parts.drop(task.part)
    raise LinkExpired(
        f"What was kept of {task.name} does not belong to what the storage holds now, and is dropped.",
        hint="Ask Planet for a fresh link.",
    )


def finish(sink: Sink, mark: Mark, resumed_from: int) -> Part:
    """What is known of the part now that nothing is missing."""
    sink.report()
    if mark.size_bytes is None:  # now it is known; after a crash the part is then seen to be complete
        parts.write_mark(sink.part.path, replace(mark, size_bytes=sink.part.size_bytes))
    return sink.part.finished(mark.etag, resumed_from)
