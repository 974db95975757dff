"""Random weather on a real socket: cut, flipped, swapped, stalled, reset, refused, mixed. Never a wrong success."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from faultserver import Act, FaultServer, Talk, chunked, cut, gzipped, ignoring_range, said, whole
from tiffs import tiff_bytes

from planet_assets.exceptions import AssetError
from planet_assets.model.asset import Promise
from planet_assets.transfer.check import check
from planet_assets.transfer.fetch import Fetcher
from planet_assets.transfer.place import discard, part_path, place

SEED = int(os.environ.get("WEATHER_SEED", random.randrange(2**32)))
STALL_S = 0.06
TRIES = 8
FILES = [(tiff_bytes(size, seed=1), tiff_bytes(size, seed=2)) for size in (700, 3_000, 20_000, 300_000)]
"""Each file, and another one of the same length that takes its place now and then."""
SHARES = (40, 40, 18, 2)
"""The largest goes past the HTTP library."""


def _reset(talk: Talk) -> None:
    talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.open = False


def _both(first: Act, second: Act) -> Act:
    def act(talk: Talk) -> None:
        first(talk)
        second(talk)

    return act


def _cut(data: bytes, chance: random.Random, etag: str) -> Act:
    return cut(data, chance.randrange(len(data)), etag=etag)


def _reset_after(data: bytes, chance: random.Random, etag: str) -> Act:
    sent = cut(data, chance.randrange(len(data)), etag=etag)
    return _both(sent, _reset)


def _stalled(data: bytes, chance: random.Random, etag: str) -> Act:
    sent, seconds = cut(data, chance.randrange(len(data)), etag=etag), 2 * STALL_S
    return _both(sent, lambda talk: talk.stall(seconds))


def _flipped(data: bytes, chance: random.Random, etag: str) -> Act:
    wrong = bytearray(data)
    for _ in range(chance.choice([1, 1, 3])):
        wrong[chance.randrange(len(wrong))] ^= 1 << chance.randrange(8)
    return whole(bytes(wrong), etag=etag)


def _shifted(data: bytes, chance: random.Random, etag: str) -> Act:
    def act(talk: Talk) -> None:
        at, size = talk.request.offset, len(data)
        other = max(0, at + chance.choice([-1, 1, 5]))
        whole(data, etag=etag, Content_Range=f"bytes {other}-{size - 1}/{size}" if at else None)(talk)

    return act


def _unsaid(data: bytes, chance: random.Random, etag: str) -> Act:
    """No length, and the body ends early or not."""
    end = chance.choice([len(data), chance.randrange(len(data))])

    def act(talk: Talk) -> None:
        talk.head(200, {"Content-Type": "image/tiff", "ETag": etag})
        talk.send(data[:end])
        talk.fin()

    return act


def _longer(data: bytes, chance: random.Random, etag: str) -> Act:
    return whole(data + b"!" * chance.randrange(1, 500), etag=etag)


def _chunks(data: bytes, chance: random.Random, etag: str) -> Act:
    size = max(100, len(data) // 5)
    return chunked(data, size=size, bad_at=chance.choice([None, 2]), end=chance.random() < 0.7)


def _refused(data: bytes, chance: random.Random, etag: str) -> Act:
    status = chance.choice([400, 401, 403, 404, 408, 410, 416, 429, 429, 429, 500, 502, 503, 503, 503, 504])
    return said(status, chance.choice(["", "<html>no</html>", '{"message": "no"}']), Retry_After="0")


def _page(data: bytes, chance: random.Random, etag: str) -> Act:
    text = "<html>Welcome</html>".ljust(chance.choice([30, len(data)]))
    return said(200, text, Content_Type=chance.choice(["text/html", "image/tiff"]))


def _packed(data: bytes, chance: random.Random, etag: str) -> Act:
    return gzipped(data)


def _all_of_it(data: bytes, chance: random.Random, etag: str) -> Act:
    return ignoring_range(data, etag=etag)


def _mute(data: bytes, chance: random.Random, etag: str) -> Act:
    return lambda talk: talk.fin()


WEATHER: list[tuple[Callable[[bytes, random.Random, str], Act], int]] = [
    (_cut, 6), (_reset_after, 6), (_stalled, 1), (_flipped, 6), (_shifted, 4), (_unsaid, 3), (_longer, 3),
    (_chunks, 3), (_refused, 6), (_page, 3), (_packed, 1), (_all_of_it, 3), (_mute, 3),
]  # fmt: skip
"""What may come, and its weight; twice as often as all of it the sun shines."""
GOOD = 2 * sum(weight for _, weight in WEATHER)


class Sky:
    """What the storage does next; a file may be replaced by another under another mark or, as a lie, its own."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.file = FILES[0]
        self.came: Counter[str] = Counter()

    def __call__(self, talk: Talk) -> None:
        chance, (data, other) = self.chance, self.file
        etag = '"one"'
        if chance.random() < 0.1:
            data, etag = other, chance.choice(['"one"', '"two"'])
            self.came[f"swapped under {etag}"] += 1
        makers = [None, *(maker for maker, _ in WEATHER)]
        [maker] = chance.choices(makers, [GOOD, *(weight for _, weight in WEATHER)])
        self.came[maker.__name__.strip("_") if maker else "good"] += 1
        (whole(data, etag=etag) if maker is None else maker(data, chance, etag))(talk)


def fetched(fetcher: Fetcher, url: str, final: Path, data: bytes) -> str:
    """What became of one transfer, tried a few times as a job would."""
    promise = Promise(media="tiff", md5=hashlib.md5(data).hexdigest())
    part, said = part_path(final, "f1"), ""
    for _ in range(TRIES):
        try:
            received = fetcher.fetch(url, part, promise)
            check(received, promise)
            place(received, final)
            break
        except AssetError as error:
            said = type(error).__name__
            if said in ("Corrupt", "Unsafe"):
                discard(part)
        assert not final.exists()
    right = final.exists() and final.read_bytes() == data
    assert right or not final.exists(), "a wrong success"
    final.unlink(missing_ok=True)
    discard(part)
    return "right" if right else f"gave up: {said}"


def weathered(folder: Path, count: int, seed: int) -> None:
    chance = random.Random(seed)
    sky, ends = Sky(random.Random(seed + 1)), Counter[str]()
    with FaultServer(sky) as server, Fetcher(stall_s=STALL_S, connect_s=5, trust_env=False) as fetcher:
        for _ in range(count):
            [sky.file] = chance.choices(FILES, SHARES)
            ends[fetched(fetcher, server.url(), folder / "scene.tif", sky.file[0])] += 1
        print(
            f"WEATHER_SEED={seed}: {count} transfers, {len(server.requests)} requests, {dict(ends)}, {dict(sky.came)}"
        )
    assert os.listdir(folder) == []
    assert ends["right"] > 0.9 * count


def test_two_thousand_transfers_in_any_weather(tmp_path: Path) -> None:
    weathered(tmp_path, 2_000, SEED)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("tenth", range(10))
def test_a_hundred_thousand_transfers_in_any_weather(tmp_path: Path, tenth: int) -> None:
    weathered(tmp_path, 10_000, SEED + 2 * tenth)
