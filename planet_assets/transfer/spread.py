"""One body over several connections, where one alone is slower than the line (see `lanes`).

The part stays a true beginning of the file: what comes ahead of it is written beside it, each stretch in a file of its
own that is a true beginning of the stretch (`<part>.at-<offset>`), and is moved into the part in order, where it is
hashed. So a crash needs no other care than before, and what was ahead is used by the next attempt.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import FileIO
from itertools import pairwise
from pathlib import Path

from planet_assets.exceptions import DiskProblem
from planet_assets.transfer import disk
from planet_assets.transfer.body import Sink
from planet_assets.transfer.lanes import Lanes
from planet_assets.transfer.parts import ahead_paths
from planet_assets.transfer.watch import Cut, Stalled, Stopped

Read = Callable[[memoryview], int]
"""Reads what is there into a buffer; 0 at the end."""
Ranges = Callable[[int, int, Callable[[], bool]], AbstractContextManager[Read]]
"""Asks for bytes `first` to `last` on a connection of its own, until told to stop; raises Cut when it is refused."""

WORTH_WINDOWS = 2.0
"""With less than this to go, in windows of `Lanes`, nothing is gained by another connection."""
_TRIES = 3
_BUFFER_BYTES = 256 << 10
_LOOK_S = 0.2


class _Stretch:
    """Bytes from `start` to `end` of the file, fetched by a thread of its own into a file of its own."""

    def __init__(self, start: int, end: int, path: Path, fd: int, have: int = 0) -> None:
        self.start = start
        self.end = end
        self.path = path
        self.fd = fd
        self.have = have
        self.running = False

    @property
    def usable(self) -> int:
        """Bytes that are there and belong to it: its end may have been moved forward meanwhile."""
        return min(self.have, self.end - self.start)

    @property
    def left(self) -> int:
        """Bytes still to come."""
        return self.end - self.start - self.usable


class Spread:
    """Takes what is missing of one body, over as many connections as help."""

    def __init__(self, sink: Sink, ranges: Ranges, lanes: Lanes, look: Callable[[], None]) -> None:
        """Nothing is asked for yet.

        Args:
            sink: takes the bytes in order; its total is known.
            ranges: opens further connections.
            lanes: decides when.
            look: called now and then while waiting; may raise to give up.
        """
        self._sink = sink
        self._ranges = ranges
        self._lanes = lanes
        self._look = look
        self._ahead: list[_Stretch] = []
        self._threads: list[threading.Thread] = []
        self._news = threading.Condition()
        self._over = self._refused = False
        self._looked_at = self._began_at = time.monotonic()
        self._began_bytes = sink.part.size_bytes

    def pour(self, read: Read, buffer: memoryview) -> None:
        """Take all that is missing; `read` stands at the end of the part.

        Raises:
            Cut: a connection ended or broke before; what has come ahead is kept.
            Stopped, Stalled: see `Watch.look`.
            DiskProblem: see `Sink.take`.
        """
        self._lanes.join()
        asked_to = self._sink.part.size_bytes + (self._sink.missing or 0)
        try:
            self._take_up()
            self._stream(read, asked_to, buffer)
            while self._sink.missing:
                room, first = self._room(), self._sink.part.size_bytes
                if room == 0:
                    self._append(self._ahead[0], buffer)
                    continue
                with self._ranges(first, first + room - 1, lambda: False) as again:
                    self._stream(again, first + room, buffer)
        finally:
            self._end()
            self._lanes.leave(self)

    def _room(self) -> int:
        """Bytes from the end of the part to what comes ahead of it."""
        with self._news:
            for vain in [one for one in self._ahead if not one.running and not one.have]:
                self._ahead.remove(vain)
                self._forget(vain)
                self._refused = True
            total = self._sink.part.size_bytes + (self._sink.missing or 0)
            limit = self._ahead[0].start if self._ahead else total
            return limit - self._sink.part.size_bytes

    def _stream(self, read: Read, asked_to: int, buffer: memoryview) -> None:
        """Fill the room from a connection that brings bytes up to `asked_to`."""
        while room := max(0, min(self._room(), asked_to - self._sink.part.size_bytes)):
            count = read(buffer[:room])
            if count == 0:
                raise Cut
            self._sink.take(buffer[:count])
            self._lanes.arrived(count)
            self._consider()

    def _append(self, stretch: _Stretch, buffer: memoryview) -> None:
        """Move a stretch into the part as it comes; one that its thread gave up ends early, and leaves room."""
        with disk.doing("read", stretch.path), open(stretch.path, "rb", buffering=0) as come:
            self._append_from(come, stretch, buffer)
        with self._news:
            self._ahead.remove(stretch)
        self._forget(stretch)

    def _append_from(self, come: FileIO, stretch: _Stretch, buffer: memoryview) -> None:
        done = 0
        while True:
            with self._news:
                if done == stretch.usable and stretch.running:
                    self._news.wait(_LOOK_S)
                usable, running = stretch.usable, stretch.running
            self._look()
            self._consider(done)
            if done == usable and not running:
                return
            while done < usable:
                block = buffer[: min(len(buffer), usable - done)]
                count = come.readinto(block) or 0
                if count == 0:
                    raise Cut
                self._sink.take(block[:count])
                done += count

    # More connections

    def _consider(self, appended: int = 0) -> None:
        """Open more connections when they may help."""
        now = time.monotonic()
        if self._refused or now - self._looked_at < self._lanes.window_s / 4:
            return
        self._looked_at = now
        with self._news:
            waiting = sum(stretch.usable for stretch in self._ahead) - appended
            running = sum(stretch.running for stretch in self._ahead)
        self._sink.ahead_bytes = waiting
        come = self._sink.part.size_bytes + waiting - self._began_bytes
        missing = (self._sink.missing or 0) - waiting
        worth = come > 0 and missing * (now - self._began_at) >= WORTH_WINDOWS * self._lanes.window_s * come
        for _ in range(self._lanes.more(self, 1 + running, worth=worth)):
            if not self._split():
                return

    def _split(self) -> bool:
        """Give the second half of the longest stretch that is still to come to a connection of its own."""
        with self._news:
            position = self._sink.part.size_bytes
            total = position + (self._sink.missing or 0)
            mine = (position, self._ahead[0].start if self._ahead else total, None)
            theirs = [(one.start + one.usable, one.end, one) for one in self._ahead if one.running]
            first, end, owner = max((mine, *theirs), key=lambda each: each[1] - each[0])
            start = (first + end) // 2
            if end - start < self._lanes.least_bytes:
                return False
            path = self._sink.part.path.with_name(f"{self._sink.part.path.name}.at-{start}")
            try:
                stretch = _Stretch(start, end, path, disk.open_new(path))
            except DiskProblem:
                return False
            if owner is not None:
                owner.end = start
            self._ahead.append(stretch)
            self._ahead.sort(key=lambda each: each.start)
        self._run(stretch)
        return True

    def _take_up(self) -> None:
        """Use what an earlier attempt had brought ahead of the part."""
        part = self._sink.part
        total = part.size_bytes + (self._sink.missing or 0)
        found: list[_Stretch] = []
        for path in ahead_paths(part.path):
            start = int(re.sub(r".*\.at-", "", path.name))
            fd = disk.open_regular(path, write=True) if part.size_bytes < start < total else None
            if fd is None or len(found) >= self._lanes.most:
                if fd is not None:
                    os.close(fd)
                disk.remove(path)
                continue
            found.append(_Stretch(start, total, path, fd, have=os.fstat(fd).st_size))
        found.sort(key=lambda each: each.start)
        for one, following in pairwise(found):
            one.end = following.start
        self._ahead = found
        for one in found:
            if one.left and self._lanes.most > 1:
                self._run(one)

    def _run(self, stretch: _Stretch) -> None:
        stretch.running = True
        thread = threading.Thread(target=self._fetch, args=(stretch,), name="ahead", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _fetch(self, stretch: _Stretch) -> None:
        """On its own thread: fill the stretch; when that cannot be done, leave the rest of it to the others."""
        buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._lanes.join()
        try:
            for _ in range(_TRIES):
                try:
                    self._fill(stretch, buffer)
                    return
                except (Cut, Stalled):
                    continue
        except (Stopped, DiskProblem, OSError):
            pass
        finally:
            self._lanes.leave()
            with self._news:
                stretch.running = False
                self._news.notify_all()

    def _fill(self, stretch: _Stretch, buffer: memoryview) -> None:
        first = stretch.start + stretch.have
        if stretch.left == 0:
            return
        with self._ranges(first, stretch.end - 1, lambda: self._over) as read:
            while room := stretch.left:
                count = read(buffer[: min(len(buffer), room)])
                if count == 0:
                    raise Cut
                os.lseek(stretch.fd, stretch.have, os.SEEK_SET)
                disk.write_all(stretch.fd, buffer[:count])
                self._lanes.arrived(count)
                with self._news:
                    stretch.have += count
                    self._news.notify_all()

    def _end(self) -> None:
        """Let nothing go on; what is ahead stays for the next attempt."""
        self._over = True
        for thread in self._threads:
            thread.join()
        self._sink.ahead_bytes = 0
        for stretch in self._ahead:
            os.close(stretch.fd)
        self._ahead = []

    def _forget(self, stretch: _Stretch) -> None:
        os.close(stretch.fd)
        disk.remove(stretch.path)
