"""One bar for a whole run: files, km², speed and time left. Silent without a terminal or notebook."""

from __future__ import annotations

import sys
from typing import Any

from planet_assets.model.asset import AssetStatus
from planet_assets.model.job import DownloadJob


class Bar:
    """Shows how far a set of jobs has come; `tell` is called with a fresh job on every change."""

    def __init__(self, jobs: list[DownloadJob], *, enabled: bool | None = None) -> None:
        self._jobs = {job.id: job for job in jobs}
        self._bar: Any = None
        if (watched() if enabled is None else enabled) and any(not job.status.is_final for job in jobs):
            self._bar = _tqdm()(total=None, unit="B", unit_scale=True, desc=self._words(), dynamic_ncols=True)

    def tell(self, job: DownloadJob) -> None:
        """Redraw with a job's fresh state."""
        self._jobs[job.id] = job
        if self._bar is None:
            return
        self._bar.total = sum(one.size_bytes or 0 for one in self._jobs.values()) or None
        self._bar.set_description(self._words(), refresh=False)
        self._bar.update(sum(one.bytes_done for one in self._jobs.values()) - self._bar.n)

    def close(self) -> None:
        """Leave the last state standing."""
        if self._bar is not None:
            self._bar.close()

    def _words(self) -> str:
        jobs = self._jobs.values()
        done = sum(job.status is AssetStatus.COMPLETED for job in jobs)
        spent = sum(job.spent_km2 for job in jobs)
        return f"{done}/{len(jobs)} files, {spent:,.0f} km²"


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
