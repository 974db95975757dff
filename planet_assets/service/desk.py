"""What the routes of elements have in common: who asks, which element is a person, and which status says how it went.

People are no elements, but the other tracker shows them as such: their id is their name, and only an admin may make,
change or delete one. A password comes in and never goes out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import Request
from starlette.responses import Response

from planet_assets.exceptions import Conflict, Gone, Misused
from planet_assets.library import elements, people
from planet_assets.library.engine import Library
from planet_assets.model.element import Element
from planet_assets.model.people import Caller, Person, Role
from planet_assets.rules.permissions import is_person_name, sees_all, settable
from planet_assets.service import passwords
from planet_assets.service.answers import Json, text
from planet_assets.service.showing import person_element

PERSON_KEYS = {"class": "role", "email": "email", "fullname": "full_name", "disable": "disabled"}
"""Keys of a person as an element -> what they are here."""
WORDS = {404: "Not Found", 409: "Conflict"}
Shown = dict[str, Any] | None
"""An element as it is shown; None for one that could not be had."""


class Desk:
    """One request's view of the library."""

    def __init__(self, request: Request, caller: Caller) -> None:
        state = request.app.state
        self.library: Library = state.library
        self.options = state.options
        self.caller = caller
        self.now: datetime = state.clock.now()
        self.seen_by = None if sees_all(caller, author_mode=state.options.author_mode) else caller.name
        self.is_admin = caller.role is Role.ADMIN

    def allowed(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What of a document this caller may set."""
        return settable(self.caller, document)

    def read(self, ids: Sequence[str]) -> list[Shown]:
        """Elements by id, and people by name."""
        found = elements.read(self.library, ids, now=self.now, seen_by=self.seen_by)
        names = [one for one, each in zip(ids, found, strict=True) if each is None and is_person_name(one)]
        known = {one.name: person_element(one, self.caller) for one in self._people(names)}
        return [known.get(one) if each is None else each.as_dict() for one, each in zip(ids, found, strict=True)]

    def are_people(self, documents: Sequence[Mapping[str, Any]]) -> set[str]:
        """Which of the ids named here are people's."""
        names = [str(one.get("_id")) for one in documents]
        return {one.name for one in people.among(self.library, [each for each in names if is_person_name(each)])}

    def add_person(self, document: Mapping[str, Any]) -> Shown:
        """Make somebody of an element with a `username`; None when the name is taken."""
        name = document["username"]
        if document.get("_id", name) not in (name, None, "null"):
            raise Misused("A person's _id is the username.", argument="_id")
        values = self._person_values(document)
        secret, kind = self._secret(document)
        try:
            new = Person(name=name, **{"role": Role.GUEST, **values})
            if elements.read(self.library, [name], now=self.now)[0] is not None:
                return None
            made = people.add(self.library, new, secret=secret, kind=kind, now=self.now)
        except Conflict:
            return None
        return person_element(made, self.caller)

    def change_person(self, document: Mapping[str, Any]) -> Shown:
        """Change somebody; None when there is nobody of this name."""
        name = str(document["_id"])
        values = self._person_values(document)
        secret, kind = self._secret(document)
        try:
            changed = people.change(self.library, name, values, now=self.now) if values else None
            if secret is not None:
                people.set_secret(self.library, name, secret=secret, kind=kind, now=self.now)
            return person_element(changed or people.get(self.library, name), self.caller)
        except Gone:
            return None

    def _people(self, names: list[str]) -> list[Person]:
        found = people.among(self.library, names) if names else []
        return [one for one in found if self.seen_by in (None, one.name)]

    def _person_values(self, document: Mapping[str, Any]) -> dict[str, Any]:
        known = {*PERSON_KEYS, "_id", "username", "password", "author", "time"}
        if strange := [key for key in document if key not in known]:
            raise Misused(
                f"A person has no {strange[0][:60]!r}.", hint=f"There are {', '.join(PERSON_KEYS)}, password."
            )
        values = {ours: document[key] for key, ours in PERSON_KEYS.items() if key in document}
        if "role" in values:
            if values["role"] not in list(Role):
                raise Misused("class is guest, user, editor or admin.", argument="class")
            values["role"] = Role(values["role"])
        values |= {key: values[key] or "" for key in ("full_name",) if key in values}
        if not all(isinstance(values.get(key, ""), str | None) for key in ("email", "full_name")):
            raise Misused("email and fullname are texts.")
        if any(not one.isprintable() or len(one) > 300 for one in values.values() if isinstance(one, str)):
            raise Misused("email and fullname are printable, and short.")
        if not isinstance(values.get("disabled", False), bool):
            raise Misused("disable is true or false.", argument="disable")
        return values

    def _secret(self, document: Mapping[str, Any]) -> tuple[str | None, str]:
        """What to keep of a password; a digest of an older tracker is kept until the next sign-in."""
        password = document.get("password")
        if password is None:
            return None, "argon2id"
        if isinstance(password, str) and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{32}", password):
            return password, "sha1" if len(password) == 40 else "md5"
        return passwords.hashed(passwords.checked(password)), "argon2id"


def shown(found: Sequence[Element | None]) -> list[Shown]:
    """Elements as they are shown."""
    return [None if one is None else one.as_dict() for one in found]


def reply(found: Sequence[Any], *, as_list: bool, status: int = 200, none: int = 404) -> Response:
    """All that was asked for, 207 for a part of it, and an error for nothing."""
    if all(one is None for one in found):
        return text(WORDS[none], none)
    if any(one is None for one in found):
        return Json(list(found), 207)
    return Json(list(found) if as_list else found[0], status)


def parted(
    documents: Sequence[Mapping[str, Any]],
    is_apart: Callable[[Mapping[str, Any]], bool],
    one_by_one: Callable[[Mapping[str, Any]], Any],
    together: Callable[[list[Mapping[str, Any]]], Sequence[Any]],
) -> list[Any]:
    """Answers in the order of the documents, of which some go one by one and the others together."""
    others = [one for one in documents if not is_apart(one)]
    answers = iter(together(others) if others else ())
    return [one_by_one(one) if is_apart(one) else next(answers) for one in documents]
