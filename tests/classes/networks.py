"""Fourteen ways in which the network fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import certifi
from faultserver import Talk, cut, hung_up, said, silent

from classes import fault

if TYPE_CHECKING:
    from stage import Stage

AGAIN = "nothing but a pause: the transfer goes on where it was"


@fault(
    "refused", "network", "clean",
    happens="nobody listens at the storage's port",
    seen="`download failed`, the storage's host and that it refused; `jobs retry` goes on when it is back",
    words="refused", code=5,
)  # fmt: skip
def refused(stage: Stage) -> None:
    stage.front.down()


@fault(
    "DNS", "network", "clean",
    happens="the host's name is not known",
    seen="that the quota is unknown, because the host cannot be found; nothing was spent",
    words="cannot be found", code=7,
)  # fmt: skip
def dns(stage: Stage) -> None:
    stage.spoiled["PLANET_ASSETS__PLANET__API_URL"] = "http://no-such-host.invalid"


@fault(
    "connect timeout", "network", "clean",
    happens="the host takes no connection and refuses none",
    seen="`download failed`: the storage's host did not answer; `jobs retry` goes on",
    words="nobody answered in time", code=5,
)  # fmt: skip
def connect_timeout(stage: Stage) -> None:
    stage.front.dead()


@fault(
    "bad certificate", "network", "clean",
    happens="nobody vouches for the host's certificate",
    seen="that the quota is unknown, because the certificate is not trusted; nothing was spent",
    words="certificate", code=7,
)  # fmt: skip
def bad_certificate(stage: Stage) -> None:
    stage.spoiled["PLANET_ASSETS__PLANET__API_URL"] = stage.encrypted()[0].url
    stage.spoiled["SSL_CERT_FILE"] = certifi.where()


@fault(
    "TLS cut", "network", "recovered",
    happens="an encrypted connection ends in mid-body without saying so",
    seen=AGAIN,
)  # fmt: skip
def tls_cut(stage: Stage) -> None:
    stage.behind_tls()
    stage.storage(cut(stage.data, len(stage.data) // 2, etag=stage.etag))


@fault("FIN", "network", "recovered", happens="the connection ends in mid-body", seen=AGAIN)
def fin(stage: Stage) -> None:
    stage.storage(cut(stage.data, len(stage.data) // 2, etag=stage.etag))


@fault("RST", "network", "recovered", happens="the connection is reset in mid-body", seen=AGAIN)
def rst(stage: Stage) -> None:
    stage.storage(cut(stage.data, len(stage.data) // 2, then="rst", etag=stage.etag), hung_up("rst"))


@fault(
    "stall", "network", "recovered",
    happens="the body stops, the connection stays",
    seen="a pause of `timeout` seconds, then it goes on with a new connection",
)  # fmt: skip
def stall(stage: Stage) -> None:
    stage.storage(cut(stage.data, len(stage.data) // 2, then="stall", etag=stage.etag))


@fault(
    "slow drip", "network", "recovered",
    happens="the body comes at a few bytes a second",
    seen="a slow bar; below 100 bytes a second over `timeout` seconds it goes on with a new connection",
)  # fmt: skip
def slow_drip(stage: Stage) -> None:
    stage.storage(cut(stage.data, len(stage.data) // 2, drip=0.1, etag=stage.etag))


@fault(
    "half-open", "network", "recovered",
    happens="the request is taken and never answered",
    seen="a pause of `timeout` seconds, then it is asked again on a new connection",
)  # fmt: skip
def half_open(stage: Stage) -> None:
    stage.storage(silent())


def _behind_proxy(stage: Stage) -> None:
    """The world beyond a proxy; only it knows where Planet is."""
    stage.environment["PLANET_ASSETS__PLANET__API_URL"] = f"http://planet.example:{stage.sandbox.port}"
    stage.environment["PLANET_ASSETS__PROXY"] = stage.front.base
    stage.sandbox.world.storage_port = stage.front.behind


@fault(
    "proxy 407", "network", "clean",
    happens="the proxy wants a name and a password",
    seen="that the quota is unknown, because the proxy wants a password; nothing was spent",
    words="proxy", code=7,
)  # fmt: skip
def proxy_407(stage: Stage) -> None:
    _behind_proxy(stage)
    stage.front.script(said(407, "<html>who are you?</html>", Content_Type="text/html"))


@fault(
    "proxy error page", "network", "recovered",
    happens="the proxy answers with a page of its own",
    seen="nothing but a pause: it is asked again",
)  # fmt: skip
def proxy_error_page(stage: Stage) -> None:
    _behind_proxy(stage)
    page = said(502, "<html>Bad Gateway</html>", Content_Type="text/html")

    def now_and_then(talk: Talk) -> None:
        (page if len(stage.front.requests) % 3 == 1 else stage.front.through)(talk)

    stage.front.script(now_and_then)


@fault(
    "dead IPv6", "network", "recovered",
    happens="the first address of a host leads nowhere, the second is good",
    seen="nothing: the second address is tried beside the first",
)  # fmt: skip
def dead_ipv6(stage: Stage) -> None:
    from stage import dead_end

    listener, fillers = dead_end()
    stage.twists["dead_address"] = listener.getsockname()[1]
    stage.ending += [each.close for each in (listener, *fillers)]


@fault(
    "link flap", "network", "recovered",
    happens="the connection breaks, and for a while nobody can be reached",
    seen="pauses that double, then it goes on where it was",
)  # fmt: skip
def link_flap(stage: Stage) -> None:
    from stage import later

    stage.environment["PLANET_ASSETS__RETRY_DELAY"] = "0.15"
    broken = cut(stage.data, len(stage.data) // 2, then="rst", etag=stage.etag)

    def flap(talk: Talk) -> None:
        stage.front.down()
        broken(talk)
        later(0.25, stage.front.up)

    stage.storage(flap)
