"""The byte loop: from the connection into the part, hashed on the way, never more than was announced.

Two ways in. `pour` takes chunks as an HTTP library hands them out and is right for every kind of body. `pour_socket`
reads a body of known length from the socket into one reused buffer, past all parsers, several times as fast.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from planet_assets.exceptions import Corrupt, ServerError
from planet_assets.transfer.check import HEAD_BYTES, kind_of, starts_like
from planet_assets.transfer.parts import PartFile
from planet_assets.transfer.watch import Cut
from planet_assets.transfer.wire import Wire

MOST_BYTES = 1 << 38
"""Where a body that announced no length is cut off, bytes (256 GiB)."""

_REPORT_S = 0.1
_SNIFF_BYTES = 64


class Sink:
    """Takes the bytes of one body: a hard cap on their number, and a report now and then."""

    def __init__(
        self, part: PartFile, total: int | None, on_progress: Callable[[int, int | None], None] | None
    ) -> None:
        """Start where the part stands.

        Args:
            part: open, at the offset where the body starts.
            total: length of the whole file in bytes; None when the server did not say.
            on_progress: told (bytes on disk, total), ten times a second at most.
        """
        self.part = part
        self.total = total
        self.ahead_bytes = 0
        """Bytes that have come already and wait beside the part; they count as received."""
        self._on_progress = on_progress
        self._reported_at = float("-inf")

    @property
    def missing(self) -> int | None:
        """Bytes still to come; None when the total is not known."""
        return None if self.total is None else self.total - self.part.size_bytes

    def take(self, data: memoryview) -> None:
        """Write bytes that belong to the file.

        Raises:
            Corrupt: there are more than were announced.
            DiskProblem: the disk refused.
        """
        limit = MOST_BYTES if self.total is None else self.total
        if self.part.size_bytes + len(data) > limit:
            raise Corrupt(
                f"The storage sent more of {self.part.path.name} than it announced.",
                hint="The part is dropped; the next attempt fetches the file anew.",
                expected=f"{limit} bytes",
                got="more",
            )
        self.part.write(data)
        now = time.monotonic()
        if now - self._reported_at >= _REPORT_S:
            self.report(now)

    def report(self, now: float | None = None) -> None:
        """Say how far it is."""
        self._reported_at = time.monotonic() if now is None else now
        if self._on_progress is not None:
            self._on_progress(self.part.size_bytes + self.ahead_bytes, self.total)


def pour(chunks: Iterable[bytes], sink: Sink) -> None:
    """Take every chunk there is.

    Raises:
        Corrupt, DiskProblem: see `Sink.take`.
    """
    for chunk in chunks:
        if chunk:
            sink.take(memoryview(chunk))


def pour_socket(wire: Wire, sink: Sink, buffer: memoryview) -> None:
    """Take exactly the bytes that are missing, from the socket.

    Raises:
        Cut: the connection ended or broke before.
        Stopped, Stalled: see `Watch.look`.
        DiskProblem: see `Sink.take`.
    """
    while missing := sink.missing:
        count = wire.read_into(buffer[:missing])
        if count == 0:
            raise Cut
        sink.take(buffer[:count])


def sniffed(chunks: Iterator[bytes], total: int | None, *, name: str, host: str, media: str) -> bytes:
    """The first bytes of a body, enough to tell its kind, which is the promised one.

    Raises:
        Cut: it ended before.
        ServerError: it is a page or message.
        Corrupt: it is something else.
    """
    head = b""
    while len(head) < _SNIFF_BYTES:
        chunk = next(chunks, None)
        if chunk is None:
            break
        head += chunk
    if total is not None and len(head) < min(total, _SNIFF_BYTES):
        raise Cut
    kind = kind_of(head[:HEAD_BYTES])
    if starts_like(head[:HEAD_BYTES], media):
        return head
    if kind in ("html", "json", "xml", "text"):
        raise ServerError(f"{host} sent {kind} in place of {name}.", hint="Try again later.")
    raise Corrupt(
        f"What {host} sent for {name} begins like {kind}, not like {media}.",
        hint="The part is dropped; the next attempt fetches the file anew.",
        expected=media,
        got=kind,
    )
