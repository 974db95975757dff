"""Tokens: random, given out once, kept as a digest, revocable one by one; and sign-ins that failed.

A digest without salt is enough here, since a token is 256 random bits and nobody can guess it.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from planet_assets.exceptions import Gone
from planet_assets.library.engine import Library
from planet_assets.library.team_schema import attempt, person, token
from planet_assets.model.people import Person, Role, Token

PREFIX = "pat_"
KEPT = timedelta(days=30)
"""How long a token that has ended is still listed, and a failed sign-in remembered."""
SEEN_EVERY = timedelta(minutes=5)
"""How exactly it is noted when a token was last used: not every request may cost a write."""


def issue(
    library: Library, name: str, *, expires_at: datetime | None, now: datetime, scope: str = ""
) -> tuple[Token, str]:
    """A new token and its secret, which is nowhere kept.

    Raises:
        Gone: there is nobody of this name.
    """
    secret = PREFIX + secrets.token_urlsafe(32)
    made = Token(id=uuid.uuid4().hex, person=name, scope=scope, made_at=now, expires_at=expires_at)
    row = {"id": made.id, "person": name, "hash": _digest(secret), "scope": scope, "made_at": now}
    ended = sa.or_(token.c.expires_at < now - KEPT, token.c.revoked_at < now - KEPT)
    with library.write() as connection:
        if connection.execute(sa.select(person.c.name).where(person.c.name == name)).first() is None:
            raise Gone(f"There is no person {name!r}.")
        connection.execute(sa.delete(token).where(ended))
        connection.execute(sa.insert(token).values(row | {"expires_at": expires_at}))
        connection.execute(sa.update(person).where(person.c.name == name).values(signed_in_at=now))
    return made, secret


def holder(library: Library, secret: str, *, now: datetime) -> tuple[Person, Token] | None:
    """Whose token this is; None when it is nobody's, has ended or was revoked, or its person is disabled."""
    query = (
        sa.select(token, person.c.role, person.c.disabled, person.c.secret_kind)
        .join(person, person.c.name == token.c.person)
        .where(token.c.hash == _digest(secret), token.c.revoked_at.is_(None), person.c.disabled.is_(False))
    )
    with library.read() as connection:
        row = connection.execute(query).mappings().first()
    if row is None or (row["expires_at"] is not None and row["expires_at"] <= now):
        return None
    if row["last_used_at"] is None or now - row["last_used_at"] > SEEN_EVERY:
        with library.write() as connection:
            connection.execute(sa.update(token).where(token.c.id == row["id"]).values(last_used_at=now))
    found = Person(name=row["person"], role=Role(row["role"]), must_change=row["secret_kind"] == "first")
    return found, _token(row)


def listed(library: Library, name: str) -> list[Token]:
    """A person's tokens, the newest last."""
    query = sa.select(token).where(token.c.person == name).order_by(token.c.made_at)
    with library.read() as connection:
        return [_token(row) for row in connection.execute(query).mappings()]


def revoke(library: Library, token_id: str, *, now: datetime, of: str | None = None) -> None:
    """End a token, wherever it is used; `of` limits it to one person's.

    Raises:
        Gone: there is no such token.
    """
    mine = [token.c.id == token_id] + ([token.c.person == of] if of is not None else [])
    ended = sa.func.coalesce(token.c.revoked_at, sa.bindparam("at", now, type_=token.c.revoked_at.type))
    with library.write() as connection:
        if not connection.execute(sa.update(token).where(*mine).values(revoked_at=ended)).rowcount:
            raise Gone("There is no such token.")


def failed(library: Library, name: str, address: str, *, now: datetime) -> None:
    """Note a sign-in that failed."""
    with library.write() as connection:
        connection.execute(sa.delete(attempt).where(attempt.c.at < now - KEPT))
        connection.execute(sa.insert(attempt).values(name=name[:200], address=address, at=now))


def failures(library: Library, name: str, address: str, *, since: datetime) -> dict[str, Sequence[datetime]]:
    """When sign-ins failed: of this name from this address, of this address, of this name."""
    name = name[:200]
    asked = {
        "pair": (attempt.c.name == name, attempt.c.address == address),
        "address": (attempt.c.address == address,),
        "name": (attempt.c.name == name,),
    }
    newest = sa.select(attempt.c.at).order_by(attempt.c.at.desc()).limit(100)
    with library.read() as connection:
        return {
            kind: connection.execute(newest.where(attempt.c.at > since, *those)).scalars().all()
            for kind, those in asked.items()
        }


def forgive(library: Library, name: str, address: str) -> None:
    """Forget what failed before a sign-in of this name from this address was right."""
    with library.write() as connection:
        connection.execute(sa.delete(attempt).where(attempt.c.name == name[:200], attempt.c.address == address))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _token(row: sa.RowMapping) -> Token:
    names = ("id", "person", "scope", "made_at", "expires_at", "revoked_at", "last_used_at")
    return Token(**{name: row[name] for name in names})
