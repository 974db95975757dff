"""What an element may be called and hold, what kind it is, and by which values it is found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from planet_assets.exceptions import Misused

ID_BYTES, KEY_BYTES, TEXT_BYTES = 1000, 200, 700
"""The longest id, the longest key, and how much of a text is in the index; PostgreSQL's indexes hold no more."""
MOST_VALUES = 2000
"""How many values of one element can be searched for."""
MOST_ELEMENTS = 100_000
"""How many elements one request may name."""
SECRETS = frozenset({"password", "token"})
"""Keys that no element may have: what is secret belongs to people."""

Document = Mapping[str, Any]


class Value(NamedTuple):
    """One value of an element, as it is found."""

    key: str
    """Its key; dots lead into objects."""
    kind: str
    """s text, n number, b boolean, z null, o object, a list (its length as text)."""
    text: str | None
    """What is compared as text."""
    number: float | None
    """What is compared as a number."""


def checked_id(value: object) -> str:
    """An id that an element may have.

    Raises:
        Misused: it may not.
    """
    if not isinstance(value, str) or not value:
        raise Misused("An _id is text and not empty.", argument="_id")
    if not value.isprintable() or len(value.encode("utf-8", "replace")) > ID_BYTES:
        raise Misused(f"An _id is printable and has {ID_BYTES} bytes at the most.", argument="_id")
    return value


def checked_keys(document: Document) -> Document:
    """Keys that an element may have.

    Raises:
        Misused: one may not be.
    """
    for key in document:
        if not key or key.startswith("$") or "." in key or "\0" in key or len(key.encode()) > KEY_BYTES:
            raise Misused(f"{key[:60]!r} is no key: it has no dot, no leading $, and {KEY_BYTES} bytes at the most.")
        if key in SECRETS:
            raise Misused(f"{key!r} is for people; no element keeps one.")
    return document


def unfolded(asked: object) -> list[dict[str, Any]]:
    """An object or a list of them as single elements; one with several ids is as many elements.

    Raises:
        Misused: it is neither, or empty.
    """
    found: list[dict[str, Any]] = []
    for one in asked if isinstance(asked, list) else [asked]:
        if not isinstance(one, dict) or not one:
            raise Misused("An element is a JSON object with at least one key.")
        ids = one.get("_id")
        found += [{**one, "_id": each} for each in ids] if isinstance(ids, list) else [one]
    return checked_number(found)


def ids_of(asked: object) -> list[str]:
    """An id or a list of them; a number is taken, and nothing is called so.

    Raises:
        Misused: it is neither, or empty.
    """
    found = asked if isinstance(asked, list) else [asked]
    return checked_number([_id_of(one) for one in found])


def _id_of(asked: object) -> str:
    if isinstance(asked, int | float) and not isinstance(asked, bool):
        return f"\0{asked}"
    if not isinstance(asked, str) or not asked:
        raise Misused("An id is text and not empty; several are a list.", argument="_id")
    return asked


def possible(ids: Iterable[str]) -> list[str]:
    """Ids that may be somewhere, each once and sorted: no NUL is in any, and PostgreSQL knows no text with one."""
    return sorted({one for one in ids if "\0" not in one})


def checked_number(found: list[Any]) -> list[Any]:
    """As many elements as one request may name, and one at least.

    Raises:
        Misused: too few or too many.
    """
    if not found:
        raise Misused("An empty list names no element.")
    if len(found) > MOST_ELEMENTS:
        raise Misused(f"A request may name {MOST_ELEMENTS:,} elements.")
    return found


def new_id(now: datetime, chance: bytes) -> str:
    """24 hex digits, the time first: what the other tracker calls elements that nobody has named."""
    return f"{int(now.timestamp()):08x}{chance[:8].hex()}"


def with_ulid(template: str, now: datetime, chance: bytes) -> str:
    """The id with `{#}` replaced by a ULID: the time and 80 random bits, in the order of time."""
    if "{#}" not in template:
        return template
    number = int(now.timestamp() * 1000) << 80 | int.from_bytes(chance[:10], "big")
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    ulid = "".join(digits[number >> shift & 31] for shift in range(125, -1, -5))
    return template.replace("{#}", ulid)


def kind_of(element_id: str, document: Document) -> str:
    """What an element is, by its id and keys."""
    if isinstance(document.get("src_id"), str) and isinstance(document.get("tgt_id"), str):
        return "edge"
    if element_id.startswith("/"):
        return "package" if element_id.endswith("/") else "file"
    return "comment" if "#parent" in document and "comment" in document else "note"


def merged(document: Document, changes: Document) -> dict[str, Any]:
    """The document with the changes in it; null removes a key."""
    found = {key: value for key, value in document.items() if changes.get(key, value) is not None}
    return found | {key: value for key, value in changes.items() if value is not None}


def values(document: Document) -> list[Value]:
    """Everything that the element can be found by."""
    found: list[Value] = []
    for one in _walk("", document):
        if len(found) == MOST_VALUES:
            break
        if len(one.key.encode()) <= KEY_BYTES:
            found.append(one)
    return list(dict.fromkeys(found))


def indexed(text: str) -> str:
    """Text as the index keeps it: whole, or its beginning and a digest."""
    raw = text.replace("\0", "\ufffd").encode("utf-8", "replace")
    if len(raw) <= TEXT_BYTES:
        return raw.decode()
    return f"{raw[:TEXT_BYTES].decode('utf-8', 'ignore')}\x1f{hashlib.sha256(raw).hexdigest()}"


def number_of(value: float) -> float | None:
    """A number as it is compared; None for one that no float can hold."""
    try:
        return float(value)
    except OverflowError:
        return None


def _walk(path: str, document: Document) -> Iterator[Value]:
    for key, value in document.items():
        where = f"{path}{key}"
        if isinstance(value, list):
            yield Value(where, "a", str(len(value)), None)
            for member in value:
                yield from _leaf(where, member) if not isinstance(member, list) else ()
        else:
            yield from _leaf(where, value)


def _leaf(where: str, value: Any) -> Iterator[Value]:
    if isinstance(value, Mapping):
        yield Value(where, "o", None, None)
        yield from _walk(f"{where}.", value)
    elif isinstance(value, str):
        yield Value(where, "s", value, None)
    elif isinstance(value, bool):
        yield Value(where, "b", "true" if value else "false", None)
    elif value is None:
        yield Value(where, "z", None, None)
    else:
        yield Value(where, "n", None, number_of(value))


def is_list(asked: object, found: Sequence[Any]) -> bool:
    """True when the reply to this is a list: several were asked for, or one in a list."""
    return isinstance(asked, list) or len(found) > 1
