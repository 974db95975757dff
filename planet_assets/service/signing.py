"""Signing in and out: the password is checked slowly, guessers wait, and what is given out is a token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from planet_assets.exceptions import NotAllowed, SignInNeeded, Throttled
from planet_assets.library import people, tokens
from planet_assets.library.engine import Library
from planet_assets.model.people import Caller, Person, Role, Token
from planet_assets.rules import slowing
from planet_assets.rules.durations import span
from planet_assets.service import passwords

LONGEST = timedelta(days=366)
"""How long a token of somebody who is no admin may live."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in that was right."""

    person: Person
    """Who it is."""
    token: Token
    """What it is known by here."""
    secret: str
    """The token itself, told once."""

    def __repr__(self) -> str:
        return f"SignedIn({self.person.name!r})"


def sign_in(
    library: Library, name: object, password: object, *, address: str, lasts: object, default: timedelta, now: datetime
) -> SignedIn:
    """Check a name (or e-mail address) and a password, and give out a token.

    Raises:
        SignInNeeded: one of them is wrong, or nobody may sign in so.
        Throttled: too many were wrong before.
    """
    if not isinstance(name, str) or not isinstance(password, str) or not _storable(name):
        raise SignInNeeded("Unauthorized")
    with passwords.turn():
        kept = _checked(library, name, password, address=address, now=now)
        person = kept.person
        expires_at = ends(lasts, role=person.role, default=default, now=now)
        if kept.hash is not None and passwords.is_outdated(kept.hash, kept.kind):
            people.rehash(library, person.name, old=kept.hash, secret=passwords.hashed(password))
    token, secret = tokens.issue(library, person.name, expires_at=expires_at, now=now)
    return SignedIn(person, token, secret)


def _checked(library: Library, name: str, password: str, *, address: str, now: datetime) -> people.Secret:
    """The one whose name and password these are.

    Raises:
        SignInNeeded: nobody's.
        Throttled: too many were wrong before.
    """
    before = tokens.failures(library, name, address, since=now - slowing.WINDOW)
    wait_s = max(slowing.wait_s(when, now, kind) for kind, when in before.items())
    if wait_s > 0:
        raise Throttled("Too many sign-ins have failed.", hint="Wait, and try again.", after_s=wait_s)
    kept = people.secret_of(library, name)
    right = passwords.is_right(password, kept.hash if kept else None, kept.kind if kept else "argon2id")
    if kept is None or not right or kept.person.disabled:
        tokens.failed(library, name, address, now=now)
        raise SignInNeeded("Unauthorized")
    tokens.forgive(library, name, address)
    return kept


def ends(lasts: object, *, role: Role, default: timedelta, now: datetime) -> datetime | None:
    """When a token that is to last so long ends; None for never, which only an admin may ask for.

    Raises:
        SignInNeeded: it is no length of time.
        NotAllowed: it is longer than the person may have.
    """
    try:
        length = default if lasts is None or lasts == "" else span(lasts)
    except ValueError:
        raise SignInNeeded("Unauthorized", hint="expiresIn is no length of time: write 2h or 1d.") from None
    if role is not Role.ADMIN and (length is None or length > LONGEST):
        raise NotAllowed("Forbidden", hint="Only an admin may have a token that lasts longer than a year.")
    return None if length is None else now + length


def change_password(library: Library, caller: Caller, old: object, new: object, *, address: str, now: datetime) -> None:
    """Give oneself a new password; every token of one's own is revoked.

    Raises:
        NotAllowed: the old one is wrong.
        Misused: the new one cannot be one.
        Throttled: too many were wrong before.
    """
    fresh = passwords.checked(new)
    with passwords.turn():
        try:
            _checked(library, caller.name, old if isinstance(old, str) else "", address=address, now=now)
        except SignInNeeded:
            raise NotAllowed("The old password is wrong.") from None
    people.set_secret(library, caller.name, secret=passwords.hashed(fresh), now=now)


def _storable(name: str) -> bool:
    return 0 < len(name) <= 300 and name.isprintable()
