"""Who may sign in. Passwords are kept as argon2id hashes; digests of older trackers stay until their next sign-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from planet_assets.exceptions import Conflict, Gone, Misused
from planet_assets.library.engine import Library, alone
from planet_assets.library.team_schema import person, token
from planet_assets.model.people import Person, Role
from planet_assets.rules.permissions import checked_person_name

FIRST = "first"
"""Kind of a password that somebody else has set: an argon2id hash, to be changed."""
KINDS = ("argon2id", FIRST, "sha1", "md5")


@dataclass(frozen=True, slots=True)
class Secret:
    """What a password is checked against."""

    person: Person
    """Whose it is."""
    hash: str | None
    """None when nobody has set one, so that nobody can sign in."""
    kind: str
    """One of KINDS."""

    def __repr__(self) -> str:
        return f"Secret({self.person.name!r}, {self.kind!r})"


def add(library: Library, new: Person, *, secret: str | None = None, kind: str = "argon2id", now: datetime) -> Person:
    """Add somebody.

    Raises:
        Conflict: the name or the e-mail address is taken.
        Misused: the name may not be one.
    """
    with library.write() as connection:
        _insert(connection, new, secret, kind, now)
    return get(library, new.name)


def first(library: Library, name: str, *, secret: str, now: datetime) -> bool:
    """Make the first admin; False when there is somebody already."""
    with library.write() as connection:
        alone(connection)
        if connection.execute(sa.select(person.c.name).limit(1)).first() is not None:
            return False
        _insert(connection, Person(name=name, role=Role.ADMIN), secret, FIRST, now)
    return True


def is_empty(library: Library) -> bool:
    """True while there is nobody."""
    with library.read() as connection:
        return connection.execute(sa.select(person.c.name).limit(1)).first() is None


def get(library: Library, name: str) -> Person:
    """Somebody by name.

    Raises:
        Gone: there is nobody of this name.
    """
    found = among(library, [name])
    if not found:
        raise Gone(f"There is no person {name!r}.", hint="`planet-assets people list` shows who there is.")
    return found[0]


def among(library: Library, names: list[str]) -> list[Person]:
    """Those of these names that are people."""
    with library.read() as connection:
        rows = connection.execute(sa.select(person).where(person.c.name.in_(names))).mappings()
        return [_person(row) for row in rows]


def listed(library: Library) -> list[Person]:
    """Everybody, by name."""
    with library.read() as connection:
        return [_person(row) for row in connection.execute(sa.select(person).order_by(person.c.name)).mappings()]


def secret_of(library: Library, name_or_email: str) -> Secret | None:
    """What to check a password against; None for somebody unknown."""
    named = person.c.name == name_or_email
    if "@" in name_or_email:
        named = sa.or_(named, person.c.email == name_or_email.lower())
    with library.read() as connection:
        row = connection.execute(sa.select(person).where(named)).mappings().first()
    return None if row is None else Secret(_person(row), row["secret"], row["secret_kind"])


def change(library: Library, name: str, values: Mapping[str, Any], *, now: datetime) -> Person:
    """Change `role`, `email`, `full_name` or `disabled`; who is disabled is signed out everywhere.

    Raises:
        Gone: there is nobody of this name.
        Conflict: the e-mail address is taken, or nobody would be left who may administer.
    """
    row = dict(values)
    if "role" in row:
        row["role"] = str(row["role"])
    if row.get("email"):
        row["email"] = row["email"].lower()
    with library.write() as connection:
        alone(connection)
        try:
            done = connection.execute(sa.update(person).where(person.c.name == name).values(row)).rowcount
        except IntegrityError:
            raise Conflict(f"The e-mail address of {name} is that of somebody else.") from None
        if not done:
            raise Gone(f"There is no person {name!r}.")
        _someone_rules(connection)
        if row.get("disabled"):
            _sign_out(connection, name, now)
    return get(library, name)


def set_secret(library: Library, name: str, *, secret: str, kind: str = "argon2id", now: datetime) -> None:
    """Give somebody a new password; every token of theirs is revoked.

    Raises:
        Gone: there is nobody of this name.
    """
    values = {"secret": secret, "secret_kind": kind}
    with library.write() as connection:
        if not connection.execute(sa.update(person).where(person.c.name == name).values(values)).rowcount:
            raise Gone(f"There is no person {name!r}.")
        _sign_out(connection, name, now)


def rehash(library: Library, name: str, *, old: str, secret: str) -> None:
    """Keep the same password by a better hash, unless it was changed meanwhile."""
    same = sa.update(person).where(person.c.name == name, person.c.secret == old)
    kind = sa.case((person.c.secret_kind == FIRST, FIRST), else_="argon2id")
    with library.write() as connection:
        connection.execute(same.values(secret=secret, secret_kind=kind))


def remove(library: Library, name: str, *, now: datetime) -> None:
    """Forget somebody and their tokens; what they wrote stays, with their name.

    Raises:
        Gone: there is nobody of this name.
        Conflict: nobody would be left who may administer.
    """
    with library.write() as connection:
        alone(connection)
        connection.execute(sa.delete(token).where(token.c.person == name))
        if not connection.execute(sa.delete(person).where(person.c.name == name)).rowcount:
            raise Gone(f"There is no person {name!r}.")
        _someone_rules(connection)


def _insert(connection: sa.Connection, new: Person, secret: str | None, kind: str, now: datetime) -> None:
    if kind not in KINDS:
        raise Misused(f"A password is kept as {', '.join(KINDS)}, not as {kind!r}.", argument="kind")
    row = {
        "name": checked_person_name(new.name),
        "role": str(new.role),
        "email": new.email.lower() if new.email else None,
        "full_name": new.full_name,
        "secret": secret,
        "secret_kind": kind,
        "disabled": new.disabled,
        "made_at": now,
    }
    try:
        connection.execute(sa.insert(person).values(row))
    except IntegrityError:
        raise Conflict(f"There is a person {new.name!r} already, or one with the same e-mail address.") from None


def _someone_rules(connection: sa.Connection) -> None:
    admins = sa.select(person.c.name).where(person.c.role == str(Role.ADMIN), person.c.disabled.is_(False))
    if connection.execute(admins.limit(1)).first() is None:
        raise Conflict("Nobody would be left who may administer.", hint="Make somebody else an admin first.")


def _sign_out(connection: sa.Connection, name: str, now: datetime) -> None:
    living = sa.update(token).where(token.c.person == name, token.c.revoked_at.is_(None))
    connection.execute(living.values(revoked_at=now))


def _person(row: sa.RowMapping) -> Person:
    return Person(
        name=row["name"],
        role=Role(row["role"]),
        email=row["email"],
        full_name=row["full_name"],
        disabled=row["disabled"],
        must_change=row["secret_kind"] == FIRST,
        made_at=row["made_at"],
    )
