"""Exit codes: one for each thing the caller can do about it, read from the classes of `exceptions`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from planet_assets import exceptions
from planet_assets.exceptions import (
    AssetError,
    Conflict,
    Corrupt,
    Declined,
    Gone,
    LibraryLocked,
    Misused,
    NotAllowed,
    QuotaError,
    TryLater,
)

if TYPE_CHECKING:
    from planet_assets.model.job import DownloadJob


class Code(IntEnum):
    """How a command ended."""

    OK = 0
    ERROR = 1
    USAGE = 2
    PARTLY = 3
    NOTHING_FOUND = 4
    TRY_LATER = 5
    AUTH = 6
    QUOTA = 7
    DECLINED = 8
    LOCKED = 11
    VERIFICATION = 12
    INTERRUPTED = 130


TABLE: dict[type[AssetError], Code] = {
    LibraryLocked: Code.LOCKED,
    Conflict: Code.LOCKED,
    TryLater: Code.TRY_LATER,
    QuotaError: Code.QUOTA,
    NotAllowed: Code.AUTH,
    Declined: Code.DECLINED,
    Gone: Code.NOTHING_FOUND,
    Corrupt: Code.VERIFICATION,
    Misused: Code.USAGE,
    AssetError: Code.ERROR,
}
"""The nearest of an error's classes that stands here decides."""


def code_of(kind: type[AssetError]) -> Code:
    """The exit code of a class of errors."""
    return next(TABLE[each] for each in kind.__mro__ if each in TABLE)


def code_of_jobs(jobs: Sequence[DownloadJob]) -> Code:
    """The exit code of a run: all done, partly done, or what kept every job from it."""
    codes = {_code_of_job(job) for job in jobs}
    if not codes:
        return Code.OK
    if Code.OK in codes:
        return Code.OK if len(codes) == 1 else Code.PARTLY
    return codes.pop() if len(codes) == 1 else Code.ERROR


def _code_of_job(job: DownloadJob) -> Code:
    if job.status.value == "completed":
        return Code.OK
    if job.status.value == "user_cancelled":
        return Code.DECLINED
    if not job.status.is_final:
        return Code.TRY_LATER
    kind = getattr(exceptions, job.error_kind, AssetError)
    return code_of(kind)
