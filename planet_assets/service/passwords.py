"""Passwords as argon2id, and the digests of older trackers as far as they can still be checked.

At most two passwords are checked at a time, and a few wait: each check takes tens of milliseconds and megabytes, which
a crowd of guessers would otherwise turn into an outage.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from planet_assets.exceptions import Misused, Throttled

SHORTEST, LONGEST = 8, 1000
_hasher = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
_turns, _queue = threading.Semaphore(2), threading.Semaphore(10)
_NOBODY = "$argon2id$v=19$m=32768,t=3,p=1$" + "A" * 22 + "$" + "A" * 43


@contextmanager
def turn() -> Iterator[None]:
    """While one of these lasts, few others do.

    Raises:
        Throttled: too many wait already.
    """
    if not _queue.acquire(blocking=False):
        raise Throttled("Too many sign in at once.", hint="Wait, and try again.", after_s=1.0)
    try:
        with _turns:
            yield
    finally:
        _queue.release()


def checked(password: object) -> str:
    """A password that may be set.

    Raises:
        Misused: it is too short, too long or no text.
    """
    if not isinstance(password, str) or not SHORTEST <= len(password) <= LONGEST:
        raise Misused(f"A password is text of {SHORTEST} to {LONGEST} characters.", argument="password")
    return password


def hashed(password: str) -> str:
    """What is kept of a password."""
    return _hasher.hash(password)


def made() -> str:
    """A password that nobody can guess, for somebody to change."""
    return secrets.token_urlsafe(12)


def is_right(password: str, kept: str | None, kind: str) -> bool:
    """True when it is the password; it takes as long for somebody who is not known."""
    given = password[: LONGEST + 1].encode("utf-8", "replace")
    if kind in ("sha1", "md5") and kept:
        found = hashlib.new(kind, given, usedforsecurity=False).hexdigest()
        return hmac.compare_digest(found, kept.lower())
    try:
        return _hasher.verify(kept or _NOBODY, given) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(kept: str, kind: str) -> bool:
    """True when a right password should be kept by a better hash."""
    return kind in ("sha1", "md5") or _hasher.check_needs_rehash(kept)
