"""Sixteen ways in which HTTP answers mislead, refuse or lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

from faultserver import Talk, cut, ignoring_range, moved, said, whole

from classes import fault

if TYPE_CHECKING:
    from stage import Stage

PAUSE = "nothing but a pause: it is asked again"
FRESH = "nothing: Planet is asked for a fresh link, and the transfer goes on where it was"
OVER = "nothing: what was kept is dropped and the file comes from its start, on the same link at no charge"
PAGE = "<html>Sorry</html>"


@fault("429 with seconds", "http", "recovered", happens="slow down, for so many seconds", seen="a pause of that length")
def throttled_s(stage: Stage) -> None:
    stage.front.script(said(429, "slow down", Retry_After="1"), stage.front.through)


@fault("429 with a date", "http", "recovered", happens="slow down, until a moment", seen="a pause until then")
def throttled_date(stage: Stage) -> None:
    def act(talk: Talk) -> None:
        said(429, Retry_After=format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True))(talk)

    stage.front.script(act, stage.front.through)


@fault(
    "429 with a day", "http", "clean",
    happens="slow down, for a day",
    seen="that Planet asks for a slower pace; the job stands; `resume` goes on when the day is over",
    words="slower pace", code=5,
)  # fmt: skip
def throttled_day(stage: Stage) -> None:
    stage.sandbox.fault("429-storm", path="/assets", retry_after="86400")
    stage.mending.append(lambda: stage.tomorrow())


def _failing(status: int) -> None:
    @fault(str(status), "http", "recovered", happens=f"the server answers {status}", seen=PAUSE)
    def failing(stage: Stage) -> None:
        stage.storage(said(status, PAGE, Content_Type="text/html"))
        stage.sandbox.fault("status", status=status, path="/assets", count=1)


for _status in (500, 502, 503, 504, 408):
    _failing(_status)


@fault(
    "401 in mid-job", "http", "clean",
    happens="the key is refused while a job is under way",
    seen="that Planet refused the key; with a good key it goes on",
    words="key", code=6,
)  # fmt: skip
def key_refused(stage: Stage) -> None:
    stage.sandbox.fault("status", status=401, path="/assets")


@fault("403 expired", "http", "recovered", happens="the link has expired, before the body and in it", seen=FRESH)
def expired(stage: Stage) -> None:
    gone = said(403, "<Error><Code>ExpiredToken</Code></Error>", Content_Type="application/xml")
    half = cut(stage.data, len(stage.data) // 2, etag=stage.etag)
    stage.front.script(gone, stage.front.billed(half), gone, stage.front.through)


@fault("404 or 410", "http", "recovered", happens="the storage knows the link no more", seen=FRESH)
def gone(stage: Stage) -> None:
    stage.front.script(said(404), said(410), stage.front.through)


@fault("200 to a Range", "http", "recovered", happens="the rest is asked for, and the whole file comes", seen=OVER)
def whole_for_a_range(stage: Stage) -> None:
    stage.storage(cut(stage.data, len(stage.data) // 2, etag=stage.etag), ignoring_range(stage.data, etag=stage.etag))


@fault(
    "416", "http", "clean",
    happens="the rest is asked for, and the server has none",
    seen="that a start from the beginning by a fresh link may charge again; it is not taken unasked, the next run asks",
    words="may charge", code=8,
)  # fmt: skip
def no_such_range(stage: Stage) -> None:
    stage.storage(cut(stage.data, len(stage.data) // 2, etag=stage.etag), said(416, Content_Range="bytes */17"))


@fault("wrong Content-Range", "http", "recovered", happens="the rest is asked for, and another part comes", seen=OVER)
def wrong_range(stage: Stage) -> None:
    half = len(stage.data) // 2
    size = len(stage.data)
    lie = whole(stage.data, etag=stage.etag, Content_Range=f"bytes {half - 1}-{size - 2}/{size}")
    stage.storage(cut(stage.data, half, etag=stage.etag), lie)


@fault("HTML with 200", "http", "recovered", happens="a page of a guest network in place of the file", seen=PAUSE)
def page(stage: Stage) -> None:
    disguised = said(200, PAGE * 20, Content_Type="image/tiff")
    stage.storage(said(200, PAGE, Content_Type="text/html"), disguised)


ASTRAY = (
    "that the link leads astray, and that another one may charge again, for nobody knows what the first one did; "
    "nothing was sent astray"
)
REDIRECT = "that the link leads astray, and where it was not followed to; nothing was sent there"


@fault(
    "redirect: loop, downgrade or foreign host/loop", "http", "clean",
    happens="the link leads in a circle", seen=ASTRAY, words="in circles", code=8,
)  # fmt: skip
def loop(stage: Stage) -> None:
    stage.sandbox.fault("redirect-loop")


@fault(
    "redirect: loop, downgrade or foreign host/foreign host", "http", "clean",
    happens="the API leads to another host", seen=REDIRECT, words="not the API", code=1,
)  # fmt: skip
def foreign(stage: Stage) -> None:
    stage.sandbox.fault("redirect-foreign", path="/assets")


@fault(
    "redirect: loop, downgrade or foreign host/downgrade", "http", "clean",
    happens="an encrypted link leads to an open one", seen=ASTRAY, words="encrypted", code=8,
)  # fmt: skip
def downgrade(stage: Stage) -> None:
    stage.behind_tls()
    stage.front.script(moved("http://localhost:9/open"))
