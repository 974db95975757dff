"""One bar for a whole run: files, km², what is being waited for, speed and time left. Silent where nobody looks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any

from planet_assets.model.asset import AssetStatus
from planet_assets.model.job import DownloadJob

TICK_S = 0.5
_FLOWING = (AssetStatus.DOWNLOADING, AssetStatus.CLIPPING, AssetStatus.COMPLETED)


class Bar:
    """Shows how far a set of jobs has come; `tell` is called with a fresh job on every change."""

    def __init__(self, jobs: list[DownloadJob], *, enabled: bool | None = None) -> None:
        self._jobs = {job.id: job for job in jobs}
        self._bar: Any = None
        self._ended = threading.Event()
        if not (watched() if enabled is None else enabled) or all(job.status.is_final for job in jobs):
            return
        done, total = bytes_of(jobs)
        self._bar = _tqdm()(
            total=total,
            initial=done,
            unit="B",
            unit_scale=True,
            desc=words_of(jobs),
            dynamic_ncols=True,
            bar_format=None if in_notebook() else layout_of(jobs),
        )
        if not in_notebook():
            threading.Thread(target=self._tick, name="planet-assets-bar", daemon=True).start()

    def tell(self, job: DownloadJob) -> None:
        """Redraw with a job's fresh state."""
        self._jobs[job.id] = job
        if self._bar is None:
            return
        jobs = list(self._jobs.values())
        done, self._bar.total = bytes_of(jobs)
        if not in_notebook():
            self._bar.bar_format = layout_of(jobs)
        self._bar.set_description_str(words_of(jobs), refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave the last state standing."""
        self._ended.set()
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _tick(self) -> None:
        """Let the clock on the bar go on while nothing arrives."""
        while not self._ended.wait(TICK_S):
            if (bar := self._bar) is not None:
                bar.refresh()


def words_of(jobs: Sequence[DownloadJob]) -> str:
    """`2/6 files, 1,368 km², 3 activating, 1 downloading`."""
    done = sum(job.status is AssetStatus.COMPLETED for job in jobs)
    spent_km2 = sum(job.spent_km2 for job in jobs)
    states = [job.status.value for job in jobs if job.status is not AssetStatus.COMPLETED]
    counted = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return ", ".join([f"{done}/{len(jobs)} files", f"{spent_km2:,.0f} km²", *counted])


def layout_of(jobs: Sequence[DownloadJob]) -> str:
    """What stands beside the words: a speed while bytes arrive, a time left only where nothing waits for Planet."""
    done, total = bytes_of(jobs)
    parts = ["{desc}"]
    if done:
        parts.append("|{bar:24}| {n_fmt}B of {total_fmt}B" if total else "{n_fmt}B")
    parts.append("{elapsed}")
    if any(job.status is AssetStatus.DOWNLOADING for job in jobs):
        parts.append("{rate_fmt}")
        if total and all(job.status in _FLOWING for job in jobs):
            parts.append("{remaining} left")
    return "  ".join(parts)


def bytes_of(jobs: Sequence[DownloadJob]) -> tuple[int, int | None]:
    """Bytes that have arrived, and how many there will be; a size nobody knows yet is taken to be like its fellows'.

    The total is None as long as some asset type has no size to go by. What is held already is neither.
    """
    coming = [job for job in jobs if job.held_copy is None]
    sizes: dict[str, list[int]] = {}
    for job in coming:
        if job.size_bytes:
            sizes.setdefault(job.asset_type, []).append(job.size_bytes)
    done = sum(job.bytes_done for job in coming)
    if any(job.asset_type not in sizes for job in coming):
        return done, None
    fellows = {asset_type: sum(known) // len(known) for asset_type, known in sizes.items()}
    return done, sum(job.size_bytes or fellows[job.asset_type] for job in coming) or None


def watched() -> bool:
    """True when a person can see the bar."""
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def in_notebook() -> bool:
    """True inside a running notebook kernel."""
    kernel = sys.modules.get("ipykernel.kernelapp")
    return kernel is not None and bool(kernel.IPKernelApp.initialized())


def _tqdm() -> Any:
    if in_notebook():
        try:
            import ipywidgets  # noqa: F401
            from tqdm.notebook import tqdm as notebook_bar
        except ImportError:
            pass
        else:
            return notebook_bar
    from tqdm import tqdm

    return tqdm
