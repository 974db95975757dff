"""What the environment says to the tools whose names are kept here. Read at use."""

from __future__ import annotations

import os
from pathlib import Path


def asset_tracking_disabled() -> bool:
    """True when `DISABLE_ASSET_TRACKING` is set to something but 0, no or false."""
    return os.environ.get("DISABLE_ASSET_TRACKING", "").strip().lower() not in ("", "0", "no", "false")


def asset_metadata_file() -> str | None:
    """The name that `ASSET_METADATA_FILE` gives to the file of an AssetTracker."""
    return os.environ.get("ASSET_METADATA_FILE", "").strip() or None


def downloader_password() -> str | None:
    """The password of an ImageDownloader: `IMAGE_DOWNLOADER_PASSWORD`."""
    return os.environ.get("IMAGE_DOWNLOADER_PASSWORD") or None


def metadir_base() -> Path:
    """Where a metadir is when nobody says: `MMMETA`, or the working folder."""
    return Path(os.environ.get("MMMETA") or os.getcwd()).absolute()


def metadir_files_root() -> Path | None:
    """Where the files of a metadir are: `MMMETA_FILES_ROOT`."""
    named = os.environ.get("MMMETA_FILES_ROOT")
    return Path(named).absolute() if named else None


def metadir_log_level() -> str:
    """How much a metadir tells on the command line: `LOGGING`."""
    return os.environ.get("LOGGING") or "INFO"


def metadir_logs_json() -> bool:
    """True when `LOG_FORMAT` is something but TEXT: a line of JSON each."""
    return os.environ.get("LOG_FORMAT", "TEXT").upper() != "TEXT"
