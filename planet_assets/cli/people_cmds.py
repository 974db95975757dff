"""The commands about the people of a team; they write to the library, so no service needs to run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.options import Group
from planet_assets.cli.output import Face
from planet_assets.exceptions import Misused

if TYPE_CHECKING:
    from planet_assets.model.people import Person

ROLES = ("guest", "user", "editor", "admin")


@click.group(cls=Group)
def people() -> None:
    """Add and list those who may sign in to the tracker, and give them passwords."""


@people.command(name="list")
def list_people() -> int:
    """Everybody, with class and e-mail address; no password is ever shown."""
    from planet_assets.library import people as rows

    face = Face.current()
    with open_library() as library:
        found = rows.listed(library)
    face.show({"people": [_document(one) for one in found]}, lambda: "\n".join(map(_line, found)) or "nobody")
    return Code.OK


@people.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="user", show_default=True, help="What they may do.")
@click.option("--email", metavar="ADDRESS", help="May be given instead of the name at sign-in.")
@click.option("--full-name", default="", metavar="TEXT", help="As people write it.")
def add(name: str, role: str, email: str | None, full_name: str) -> int:
    """Add somebody; a password is made and shown once, for them to change."""
    from planet_assets.cli.tracker_cmds import need_server
    from planet_assets.flow.clock import RealClock
    from planet_assets.library import people as rows
    from planet_assets.model.people import Person, Role

    need_server()
    from planet_assets.service import passwords

    face = Face.current()
    password = passwords.made()
    new = Person(name=name, role=Role(role), email=email, full_name=full_name)
    with open_library() as library:
        made = rows.add(library, new, secret=passwords.hashed(password), kind=rows.FIRST, now=RealClock().now())
    face.show({**_document(made), "password": password}, lambda: f"{_line(made)}\npassword: {password}")
    return Code.OK


@people.command()
@click.argument("name")
def password(name: str) -> int:
    """Give somebody a new password, shown once; all their sign-ins end."""
    from planet_assets.cli.tracker_cmds import need_server
    from planet_assets.flow.clock import RealClock
    from planet_assets.library import people as rows

    need_server()
    from planet_assets.service import passwords

    face = Face.current()
    fresh = passwords.made()
    with open_library() as library:
        rows.set_secret(library, name, secret=passwords.hashed(fresh), kind=rows.FIRST, now=RealClock().now())
    face.show({"name": name, "password": fresh}, lambda: f"password: {fresh}")
    return Code.OK


@people.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="What they may do from now on.")
@click.option("--disable/--enable", "disabled", default=None, help="May they sign in?")
def change(name: str, role: str | None, disabled: bool | None) -> int:
    """Change what somebody may do, or whether they may sign in."""
    from planet_assets.flow.clock import RealClock
    from planet_assets.library import people as rows

    values: dict[str, Any] = {"role": role, "disabled": disabled}
    given = {key: value for key, value in values.items() if value is not None}
    if not given:
        raise click.UsageError("Change what? --role, --disable or --enable.")
    face = Face.current()
    with open_library() as library:
        changed = rows.change(library, name, given, now=RealClock().now())
    face.show(_document(changed), lambda: _line(changed))
    return Code.OK


@people.command(name="import")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
def import_people(file: Path) -> int:
    """Take over users of another tracker: a JSON list of its user elements, sha1 or md5 passwords included.

    Such a password is good for one sign-in more, which keeps it as it is kept today.
    """
    from planet_assets.flow.clock import RealClock
    from planet_assets.library import people as rows

    face = Face.current()
    read = [_imported(one) for one in _elements(file)]
    with open_library() as library:
        known = {one.name for one in rows.listed(library)}
        new = [one for one in read if one[0].name not in known]
        for person, secret, kind in new:
            rows.add(library, person, secret=secret, kind=kind, now=RealClock().now())
    told = {"added": [one.name for one, _, _ in new], "known": sorted({one.name for one, _, _ in read} & known)}
    face.show(told, lambda: f"added: {len(told['added'])}, known already: {len(told['known'])}")
    return Code.OK


def _elements(file: Path) -> list[Any]:
    import json

    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misused(f"{file} cannot be read: {error}.", argument="file") from None
    return found if isinstance(found, list) else [found]


def _imported(element: Any) -> tuple[Person, str | None, str]:
    """Somebody as another tracker knows them, the digest of their password, and what it is."""
    from planet_assets.model.people import Person, Role

    if not isinstance(element, dict):
        raise Misused("A user is a JSON object.", argument="file")
    name, role = element.get("username", element.get("_id")), element.get("class", "guest")
    if role not in ROLES:
        raise Misused(f"{name}: class is guest, user, editor or admin, not {role!r}.", argument="file")
    digest = str(element.get("password") or "")
    kind = {40: "sha1", 32: "md5"}.get(len(digest), "argon2id")
    person = Person(
        name=str(name),
        role=Role(role),
        email=element.get("email"),
        full_name=str(element.get("fullname") or ""),
        disabled=bool(element.get("disable")),
    )
    return person, digest if kind != "argon2id" else None, kind


def _document(person: Person) -> dict[str, Any]:
    return {
        "name": person.name,
        "role": str(person.role),
        "email": person.email,
        "full_name": person.full_name,
        "disabled": person.disabled,
        "must_change": person.must_change,
    }


def _line(person: Person) -> str:
    more = [person.email or "", "disabled" if person.disabled else ""]
    return "  ".join([f"{person.name:<20} {person.role:<7}", *filter(None, more)]).rstrip()
