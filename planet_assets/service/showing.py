"""How people are shown to others: as elements, as the other tracker shows them, and never with a secret."""

from __future__ import annotations

from typing import Any

from planet_assets.model.people import Caller, Person, Role


def person_element(person: Person, caller: Caller) -> dict[str, Any]:
    """A person as an element; the e-mail address is for oneself and admins."""
    shown: dict[str, Any] = {"_id": person.name, "username": person.name, "class": str(person.role)}
    if person.full_name:
        shown["fullname"] = person.full_name
    if person.email and (caller.name == person.name or caller.role is Role.ADMIN):
        shown["email"] = person.email
    if person.disabled:
        shown["disable"] = True
    return shown
