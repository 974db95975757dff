"""Every error the package raises, as one tree that branches by what the caller can do about it.

AssetError                      anything below; `str(error)` says what is wrong and what to do
├── TryLater                    the same call may succeed after `after_s` seconds
│   ├── NetworkError            no answer; also a builtin ConnectionError
│   ├── Throttled               Planet asked us to slow down
│   ├── ServerError             Planet failed to answer (5xx, malformed answers)
│   ├── NotYet                  Planet will have it later (embargo, SR some hours after)
│   ├── LibraryLocked           another process holds the library or the job
│   └── LibraryAway             the library's server does not answer
├── LinkExpired                 ask Planet for a fresh link, then go on
├── QuotaError
│   ├── OverQuota               "quota exceeded": `shortfall_km2` are missing
│   └── QuotaUnknown            nobody can say what is left; declare it or allow it
├── NotAllowed                  the account may not do this
│   ├── KeyMissing              no API key was found
│   ├── KeyRefused              Planet refused the key
│   ├── SignInNeeded            the tracker does not know who asks
│   └── PermissionMissing       the key is good, the asset is not licensed to it
├── Declined                    the person, hook or policy said no
│   └── CannotAsk               there is nobody to ask
├── Gone                        Planet or the tracker does not have it (any more)
├── Conflict                    it exists already, or another person has locked it
│   └── Changed                 it is not any more what it was when it was read
├── ActivationFailed            "activation failed": Planet could not make the asset ready
├── DownloadFailed              "download failed": retries are used up
│   └── Corrupt                 bytes differ from what was promised (`expected`, `got`)
├── ClipFailed                  the raster could not be cut
│   └── OutsideRaster           the ROI does not touch the raster
├── Unsafe                      hostile or unexpected: a name, a redirect, a raster driver
├── DiskProblem                 no space, not writable, a foreign file in the way
└── Misused                     an argument or setting is wrong; also a ValueError
"""

from __future__ import annotations


class AssetError(Exception):
    """Root of the tree: says what is wrong in `message` and what to do in `hint`."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class TryLater(AssetError):
    """The same call may succeed after `after_s` seconds."""

    def __init__(self, message: str, *, hint: str = "", after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.after_s = after_s


class NetworkError(TryLater, ConnectionError):
    """No answer came back, so what was asked may or may not have happened."""

    def __init__(
        self, message: str, *, hint: str = "", after_s: float | None = None, reached_server: bool = True
    ) -> None:
        super().__init__(message, hint=hint, after_s=after_s)
        self.reached_server = reached_server  # False only when the connection was refused or never made


class Throttled(TryLater):
    """Planet asked us to slow down; `after_s` is its own figure where it gave one."""


class ServerError(TryLater):
    """Planet answered, but not with what was asked (5xx, malformed or truncated JSON)."""


class NotYet(TryLater):
    """Planet will have it later; `after_s` says when to look again."""


class LibraryLocked(TryLater):
    """Another process holds the library or the job."""


class LibraryAway(TryLater):
    """The library's server does not answer, so what was being recorded may or may not have been."""


class LinkExpired(AssetError):
    """The address of the bytes no longer answers; nothing was charged for asking. Ask for a fresh one."""


class QuotaError(AssetError):
    """Something about quota stands in the way; nothing was spent."""


class OverQuota(QuotaError):
    """quota exceeded: what was asked costs `shortfall_km2` more than remains.

    `budget` names the budget of ours that refused (daily, weekly or reserve); it is empty when the quota itself did.
    """

    def __init__(self, message: str, *, hint: str = "", shortfall_km2: float = float("nan"), budget: str = "") -> None:
        super().__init__(message, hint=hint)
        self.shortfall_km2 = shortfall_km2
        self.budget = budget


class QuotaUnknown(QuotaError):
    """Nobody can say what is left."""


class NotAllowed(AssetError):
    """The account may not do this."""


class KeyMissing(NotAllowed):
    """No API key was found in any of the places that were looked at."""


class KeyRefused(NotAllowed):
    """Planet refused the API key."""


class SignInNeeded(NotAllowed):
    """The tracker does not know who asks: no token, or one that has ended or was revoked."""


class PermissionMissing(NotAllowed):
    """The key is good, but the asset is not licensed to it."""


class Declined(AssetError):
    """The person, hook or policy said no."""


class CannotAsk(Declined):
    """A question had to be asked and there is nobody to answer it."""


class Gone(AssetError):
    """Planet or the tracker does not have it, or has it no more."""


class Conflict(AssetError):
    """It exists already, or another person has locked it; nothing was changed."""


class Changed(Conflict):
    """Somebody has changed it since it was read; nothing was changed. Read it again."""


class ActivationFailed(AssetError):
    """activation failed: Planet could not make the asset ready."""


class DownloadFailed(AssetError):
    """download failed: retries are used up."""


class Corrupt(DownloadFailed):
    """The bytes differ from what Planet promised."""

    def __init__(self, message: str, *, hint: str = "", expected: str = "", got: str = "") -> None:
        super().__init__(message, hint=hint)
        self.expected = expected
        self.got = got


class ClipFailed(AssetError):
    """The raster could not be cut; the whole file is kept."""


class OutsideRaster(ClipFailed):
    """The ROI does not touch the raster."""


class Unsafe(AssetError):
    """Something hostile or unexpected was refused: a file name, a redirect, a raster driver."""


class DiskProblem(AssetError):
    """No space, not writable, or a foreign file stands where ours should go."""


class Misused(AssetError, ValueError):
    """An argument or setting is wrong; nothing was done."""

    def __init__(self, message: str, *, hint: str = "", argument: str = "") -> None:
        super().__init__(message, hint=hint)
        self.argument = argument
