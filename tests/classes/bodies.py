"""Six ways in which a body is not the file."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from faultserver import Talk, chunked, cut, said, whole

from classes import fault

if TYPE_CHECKING:
    from stage import Stage

AGAIN = "nothing: what is wrong is dropped, and the file fetched again at no charge"


@fault("short without length", "body", "recovered", happens="the body ends early and never said how long", seen=AGAIN)
def short(stage: Stage) -> None:
    def act(talk: Talk) -> None:
        talk.head(200, {"Content-Type": "image/tiff"})
        talk.send(stage.data[: len(stage.data) // 2])
        talk.fin()

    stage.storage(act)


@fault("long", "body", "recovered", happens="the body goes on after the file's end", seen=AGAIN)
def long(stage: Stage) -> None:
    stage.storage(whole(stage.data + b"!" * 5000, etag='"other"'), whole(stage.data + b"!", etag='"other"'))


@fault("flipped byte", "body", "recovered", happens="one bit of the body is wrong, its length right", seen=AGAIN)
def flipped(stage: Stage) -> None:
    wrong = bytearray(stage.data)
    wrong[len(wrong) // 2] ^= 16
    stage.storage(whole(bytes(wrong), etag=stage.etag))


@fault(
    "replaced between ranges", "body", "recovered",
    happens="the file is replaced while half of it is here, under another or the same ETag", seen=AGAIN,
)  # fmt: skip
def replaced(stage: Stage) -> None:
    half, other = len(stage.data) // 2, bytes(255 - byte for byte in stage.data)
    begun = cut(other, half, etag='"old"')
    lie = cut(other, half, etag=stage.etag)
    stage.storage(begun, lie, whole(stage.data, etag=stage.etag))


@fault(
    "gzip bomb", "body", "recovered",
    happens="a small compressed body that would unpack to gigabytes",
    seen="nothing: it is not unpacked; the file is asked for again",
)  # fmt: skip
def bomb(stage: Stage) -> None:
    small = gzip.compress(bytes(20_000_000), 9)
    stage.storage(said(200, small, Content_Type="image/tiff", Content_Encoding="gzip"))


@fault("bad chunk", "body", "recovered", happens="a chunk without a valid length", seen=AGAIN)
def bad_chunk(stage: Stage) -> None:
    stage.storage(chunked(stage.data, size=500, bad_at=3))
