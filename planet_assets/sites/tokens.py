"""Keeps what trackers know us by: one file, readable by its owner only, a token for each address."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

from planet_assets.exceptions import DiskProblem, Unsafe
from planet_assets.sites.addresses import origin_of

VARIABLES = ("PLANET_ASSETS_TRACKER", "PLANET_ASSETS_TRACKER_TOKEN")
"""Of the environment: an address, and the token for it."""

_MOST_BYTES = 1 << 20


def find(path: Path, address: str, told_address: str | None = None, told_token: str | None = None) -> str | None:
    """The token for an address: the one that was told for it, else the one that is kept.

    Raises:
        DiskProblem: the file cannot be read.
        Unsafe: others can read it.
    """
    if told_token and told_address and origin_of(told_address) == origin_of(address):
        return told_token
    return _read(path).get(origin_of(address))


def addresses(path: Path) -> list[str]:
    """Trackers that a token is kept for.

    Raises:
        DiskProblem: the file cannot be read.
        Unsafe: others can read it.
    """
    return sorted(_read(path))


def keep(path: Path, address: str, token: str | None) -> None:
    """Remember a token, or forget it where it is None.

    Raises:
        DiskProblem: the file cannot be written.
        Unsafe: others can read what is there.
    """
    known = _read(path)
    if token is None:
        known.pop(origin_of(address), None)
    else:
        known[origin_of(address)] = token
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as out:
            json.dump(known, out, indent=1)
        os.replace(fresh, path)
    except OSError as error:
        raise DiskProblem(f"The token cannot be kept in {path}: {error.strerror}.") from None
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as body:
            mode = os.fstat(body.fileno()).st_mode
            data = body.read(_MOST_BYTES)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DiskProblem(f"{path} cannot be read: {error.strerror}.") from None
    if os.name != "nt" and mode & 0o077:
        raise Unsafe(f"{path} holds tokens, and others can read it.", hint=f"chmod 600 {path}")
    try:
        known = json.loads(data or b"{}")
    except ValueError:
        raise DiskProblem(f"{path} is no list of tokens.", hint="Remove it, and sign in again.") from None
    return {str(key): str(value) for key, value in known.items()} if isinstance(known, dict) else {}
