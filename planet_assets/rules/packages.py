"""How an element's files become a bundle: `/dir/` is one unit of the files directly in it, any other path one file.

A component's name must stand at every site: one that may not begins with `x=` there, and its signs are written `=XX`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import PurePosixPath

from planet_assets.exceptions import Misused, Unsafe
from planet_assets.rules import sealing

_CODED = re.compile(rb"=([0-9A-F]{2})")
_MARK, _MOST = "x=", 200
KIND = "element"


def is_package(element_id: str) -> bool:
    """True for `/dir/`."""
    return element_id.endswith("/")


def checked_path(element_id: str) -> PurePosixPath:
    """The path of an element below a site's folder.

    Raises:
        Unsafe: it would lead out of the folder, or cannot be a path.
    """
    inner = element_id.removeprefix("/").removesuffix("/")
    parts = inner.split("/")
    bad = any(part in ("", ".", "..") or len(part.encode("utf-8", "replace")) > 255 for part in parts)
    if not element_id.startswith("/") or bad or any(ord(sign) < 32 or sign in "\\\x7f" for sign in inner):
        raise Unsafe(f"{element_id!r} is no path below a site's folder.")
    return PurePosixPath(*parts)


def bundle_name(element_id: str) -> str:
    """Name of the bundle that carries an element: readable, and another for every element."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", checked_path(element_id).name).replace("..", "_").strip("._-")[:60]
    return f"{readable or 'x'}-{hashlib.sha256(element_id.encode()).hexdigest()[:16]}"


def coded(name: str) -> str:
    """A file's name, or its path in a bundle, as a component's name.

    Raises:
        Misused: it is too long.
    """
    if "=" not in name:
        with suppress(Misused):
            return sealing.checked_name(name, "name")
    text = _MARK + re.sub(r"[^A-Za-z0-9_-]", lambda sign: "".join(f"={one:02X}" for one in sign[0].encode()), name)
    if len(text) > _MOST:
        raise Misused(f"{name[:60]}... is too long a name for a file of a bundle.")
    return text


def decoded(component: str) -> str:
    """The name that a component's name stands for."""
    if not component.startswith(_MARK):
        return component
    inner = component.removeprefix(_MARK).encode()
    return _CODED.sub(lambda found: bytes([int(found[1], 16)]), inner).decode("utf-8", "replace")


def file_names(element_id: str, components: Iterable[str]) -> dict[str, str]:
    """Component -> name of its file in the element's folder.

    Raises:
        Unsafe: a name is none of a file directly there.
    """
    found = {}
    for one in components:
        name = decoded(one)
        if not name or "/" in name or name in (".", "..") or any(ord(sign) < 32 or sign in "\\\x7f" for sign in name):
            raise Unsafe(f"{name!r} is no name of a file in {element_id}.")
        found[one] = name
    return found


def chosen(names: Sequence[str], include: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[str]:
    """Paths that match an include pattern, where there are any, and no exclude pattern; `*` and `?` as in a shell.

    A pattern without a slash is held against every part of a path, one with a slash against the whole.
    """
    return [name for name in names if (not include or _matches(name, include)) and not _matches(name, exclude)]


def patterns(text: object) -> list[str]:
    """Patterns as a parameter holds them: a list, or text with a comma or a new line between two."""
    if isinstance(text, list):
        return [str(one).strip() for one in text if str(one).strip()]
    return [one.strip() for one in re.split(r"[,\n]", text) if one.strip()] if isinstance(text, str) else []


def _matches(name: str, wanted: Sequence[str]) -> bool:
    inner = name.strip("/")
    for pattern in wanted:
        told = pattern.strip("/")
        if any(_fits(told, part) for part in ([inner] if "/" in told else inner.split("/"))):
            return True
    return False


def _fits(pattern: str, text: str) -> bool:
    """`*` and `?` as in a shell, without going back further than the last star, so no pattern can run away."""
    at, sign, star, mark = 0, 0, -1, 0
    while at < len(text):
        if sign < len(pattern) and pattern[sign] == "*":
            star, mark = sign, at
            sign += 1
        elif sign < len(pattern) and pattern[sign] in ("?", text[at]):
            at, sign = at + 1, sign + 1
        elif star >= 0:
            mark += 1
            at, sign = mark, star + 1
        else:
            return False
    return pattern[sign:].strip("*") == ""
