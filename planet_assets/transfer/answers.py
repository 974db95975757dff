"""Reads the answers of a storage: what a status means, how long to wait, whether a range is the one asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from planet_assets.exceptions import AssetError, Corrupt, LinkExpired, NetworkError, OverQuota, ServerError, Throttled
from planet_assets.model.asset import Promise

_GO_DURATION = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ns|us|µs|ms|s|m|h))+")
_GO_PIECE = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_GO_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_RETRY_IN = re.compile(r"(?i)retry[- ]in\W{0,4}(" + _GO_DURATION.pattern + ")")
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_UNSATISFIED = re.compile(r"bytes \*/(\d{1,18})")
_PAGES = {"html", "xhtml+xml", "json", "problem+json", "xml", "javascript"}
_LINK_GONE = {400, 401, 403, 404, 410}


@dataclass(frozen=True, slots=True)
class Span:
    """A range of bytes as a server states it, both ends included."""

    first: int
    last: int
    total: int


def content_range(value: str | None) -> Span | None:
    """A Content-Range with a known total; None when it is anything else."""
    found = _RANGE.fullmatch((value or "").strip())
    return Span(*map(int, found.groups())) if found else None


def unsatisfied_total(value: str | None) -> int | None:
    """The length of the file as a 416 states it; None when it does not."""
    found = _UNSATISFIED.fullmatch((value or "").strip())
    return int(found[1]) if found else None


def length_of(headers: Mapping[str, str]) -> int | None:
    """Content-Length in bytes; None when there is none that counts."""
    value = headers.get("content-length", "")
    return int(value) if re.fullmatch(r"\d{1,18}", value) and "transfer-encoding" not in headers else None


def is_page(content_type: str | None, media: str) -> bool:
    """True when the declared type is a page or a message of a server and not the file of type `media`."""
    subtype = (content_type or "").split(";")[0].strip().lower().rpartition("/")[2]
    if subtype == "xhtml+xml":
        subtype = "html"
    allowed = {"xml": {"xml"}, "json": {"json"}, "text": {"xml", "json"}, "any": _PAGES - {"html"}}.get(media, set())
    return subtype in _PAGES - allowed


def go_seconds(text: str) -> float | None:
    """Seconds of a Go duration like 200ms or 1m2s; None when it is none."""
    if not _GO_DURATION.fullmatch(text):
        return None
    return sum(float(number) * _GO_SECONDS[unit] for number, unit in _GO_PIECE.findall(text))


def seconds_to_wait(headers: Mapping[str, str], text: str = "") -> float | None:
    """How long the server asks us to wait, in seconds, 0 or more; None when it does not say.

    A date in Retry-After is read against the server's own Date, so that neither clock need be right.
    """
    exact = go_seconds(headers.get("x-retry-in", "").strip())
    if exact is not None:
        return exact
    after = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", after):
        return float(after)
    then, now = _date(after), _date(headers.get("date", ""))
    if then and now:
        return max(0.0, (then - now).total_seconds())
    found = _RETRY_IN.search(text)
    return go_seconds(found[1]) if found else None


def refusal(status: int, headers: Mapping[str, str], text: str, name: str) -> AssetError:
    """The error that an answer without a body for us amounts to.

    Args:
        status: HTTP status, neither 200 nor 206 nor a redirect.
        headers: of the answer, names in any case if the mapping allows, else in lower case.
        text: the beginning of its body.
        name: of the file it was about.
    """
    after_s = seconds_to_wait(headers, text)
    if status in (403, 429) and "quota" in text.lower():
        return OverQuota(
            f"quota exceeded: the download of {name} was refused.",
            hint="Wait for the quota to be renewed, or ask Planet for more.",
        )
    if status in (408, 429):
        return Throttled(
            f"The storage asked for a pause before {name} (HTTP {status}).", hint="Try later.", after_s=after_s
        )
    if status in _LINK_GONE:
        return LinkExpired(f"The link to {name} no longer answers (HTTP {status}).", hint="Ask Planet for a fresh one.")
    if status == 407:
        return NetworkError(
            f"The proxy wants a name and password before it lets {name} through (HTTP 407).",
            hint="Put them into the proxy setting.",
            reached_server=False,
        )
    return ServerError(f"The storage answered HTTP {status} for {name}.", hint="Try again later.", after_s=after_s)


def refuse_pages(headers: Mapping[str, str], media: str, name: str) -> None:
    """Refuse a body that is declared to be a message of the server, or compressed.

    Raises:
        ServerError: it is.
    """
    if is_page(headers.get("content-type"), media):
        raise ServerError(f"The storage sent a page or message in place of {name}.", hint="Try again later.")
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise ServerError(
            f"The storage sent {name} compressed although plain bytes were asked for.",
            hint="Does a proxy stand in between? Try without it.",
        )


def agreed_length(headers: Mapping[str, str], promise: Promise, name: str) -> int | None:
    """The length of a whole body, as announced and as promised; None when it shows only at the end.

    Raises:
        Corrupt: the two differ.
        ServerError: nothing would tell a whole file from a cut one.
    """
    announced, promised = length_of(headers), promise.size_bytes
    if announced is not None and promised is not None and announced != promised:
        raise _changed(name, f"{promised} bytes", f"{announced} bytes")
    total = announced if announced is not None else promised
    if total is None and not promise.md5 and "transfer-encoding" not in headers:
        raise ServerError(
            f"The storage does not say how long {name} is, and nothing else would show a cut.", hint="Try again later."
        )
    return total


def agreed_range(headers: Mapping[str, str], offset: int, expected: Promise, name: str) -> int:
    """The length of the whole file, if a partial answer goes on exactly where the part ends.

    Args:
        headers: of the answer.
        offset: bytes that are kept.
        expected: size and version mark, as far as they are known.
        name: of the file.

    Raises:
        Corrupt: it is another range or another version.
    """
    span = content_range(headers.get("content-range"))
    if span is None or span.first != offset or span.last != span.total - 1 or span.last < span.first:
        raise _changed(name, f"bytes from {offset} to the end", "another range")
    announced = length_of(headers)
    if announced not in (None, span.total - offset):
        raise _changed(name, f"{span.total - offset} bytes", f"{announced} bytes")
    if expected.size_bytes not in (None, span.total):
        raise _changed(name, f"{expected.size_bytes} bytes", f"{span.total} bytes")
    etag = headers.get("etag")
    if expected.etag and etag and etag != expected.etag:
        raise _changed(name, "the version that was begun", "another version")
    return span.total


def is_range(status: int, headers: Mapping[str, str], span: tuple[int, int, int], etag: str) -> bool:
    """True when an answer brings exactly the range that is due (first, last, total), of that version, as it is."""
    due = Span(*span)
    exact = status == 206 and content_range(headers.get("content-range")) == due
    plain = headers.get("content-encoding", "identity").strip().lower() in ("", "identity")
    return exact and plain and length_of(headers) == due.last - due.first + 1 and headers.get("etag") in (None, etag)


def _changed(name: str, expected: str, got: str) -> Corrupt:
    return Corrupt(
        f"The storage offered {got} of {name} where {expected} were due.",
        hint="The part is dropped; the next attempt fetches the file anew.",
        expected=expected,
        got=got,
    )


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
