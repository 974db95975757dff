"""Reads parts of one version of a remote file, over one link, and notices when the file is not the same any more.

The first answer says how long the file is and which version (a strong ETag); from then on every request holds on to it
by If-Range. An answer that is anything but the range asked for, of that version, is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

from planet_assets.exceptions import NetworkError
from planet_assets.transfer import answers
from planet_assets.transfer.parts import strong_etag
from planet_assets.transfer.watch import Cut

Take = Callable[[int, Mapping[str, str], Iterator[bytes]], None]
"""Told the status, headers and body of an answer while it is open."""
Ask = Callable[[Mapping[str, str], Take], None]
"""Asks the link with more headers; what breaks is one of our errors."""

MOST_FRUITLESS = 2
"""Times in a row that a range may break without a byte."""


class NoRanges(Exception):
    """The storage does not hand out parts of one version, and why; take the whole."""


class VersionChanged(Exception):
    """The file is not the one whose parts were read; begin again."""


class Ranges:
    """One version of a remote file. After the first read several threads may read at once."""

    def __init__(self, ask: Ask, *, name: str, media: str, on_start: Callable[[], None] | None = None) -> None:
        """Nothing is asked yet.

        Args:
            ask: see `Ask`.
            name: of the file, for messages.
            media: what it must look like: tiff, xml, ...
            on_start: told when the first good answer is in, before a byte of it is read.
        """
        self.etag: str | None = None
        self.size_bytes = 0
        self.read_bytes = 0
        self._ask, self._name, self._media, self._on_start = ask, name, media, on_start
        self._counting = threading.Lock()

    def read(self, start: int, length: int) -> bytes:
        """Exactly these bytes; fewer only where the file ends before. A connection that breaks is made again.

        Raises:
            NoRanges, VersionChanged: see there.
            NetworkError: it broke too often.
            LinkExpired, Throttled, ServerError, OverQuota, Unsafe: as `Fetcher.fetch`.
        """
        data, fruitless = bytearray(), 0
        stop = start + length if self.etag is None else min(start + length, self.size_bytes)
        while start + len(data) < stop:
            had = len(data)
            try:
                self._some(start + had, stop - 1, data)
            except NetworkError as error:
                fruitless = 0 if len(data) > had else fruitless + 1
                if fruitless > MOST_FRUITLESS or not error.reached_server:
                    raise
            stop = min(stop, self.size_bytes) if self.etag is not None else stop
        return bytes(data)

    def _some(self, first: int, last: int, data: bytearray) -> None:
        """Add to `data` what one answer brings."""

        def take(status: int, headers: Mapping[str, str], chunks: Iterator[bytes]) -> None:
            due = self._due(status, headers, first, last)
            for chunk in chunks:
                due -= len(chunk)
                if due < 0:
                    raise NoRanges("it sent more than it announced")
                data.extend(chunk)
                with self._counting:
                    self.read_bytes += len(chunk)
            if due:
                raise Cut

        held = {} if self.etag is None else {"If-Range": self.etag}
        self._ask({"Range": f"bytes={first}-{last}", **held}, take)

    def _due(self, status: int, headers: Mapping[str, str], first: int, last: int) -> int:
        """How many bytes follow.

        Raises:
            NoRanges, VersionChanged: see there. ServerError: a page or message.
        """
        begun = self.etag is not None
        if status != 206:
            raise VersionChanged if begun else NoRanges("it ignores ranges" if status == 200 else "it is empty")
        answers.refuse_pages(headers, self._media, self._name)
        span = answers.content_range(headers.get("content-range"))
        etag = strong_etag(headers.get("etag"))
        if begun and (etag not in (None, self.etag) or (span is not None and span.total != self.size_bytes)):
            raise VersionChanged
        if span is None or span.first != first or span.last != min(last, span.total - 1) or span.last < first:
            raise NoRanges("it sent other bytes than were asked for")
        if answers.length_of(headers) not in (None, span.last - first + 1):
            raise NoRanges("its lengths do not agree")
        if not begun:
            if etag is None:
                raise NoRanges("it does not say which version a part belongs to")
            self.etag, self.size_bytes = etag, span.total
            if self._on_start is not None:
                self._on_start()
        return span.last - first + 1
