"""What bends the world of a forged process: a clock that jumps, a dead address, commits whose answer is lost."""

from __future__ import annotations

import itertools
import socket
from datetime import timedelta
from typing import Any


def clock(hours: float) -> None:
    """The computer's clock jumps in the first pause after a transfer broke off."""
    from planet_assets.flow.acquire import Acquire
    from planet_assets.flow.clock import RealClock

    broken, right = Acquire._broken, RealClock.now

    def jump(*given: Any, **named: Any) -> Any:
        event = broken(*given, **named)
        RealClock.now = lambda self: right(self) + timedelta(hours=hours)  # type: ignore[method-assign]
        return event

    Acquire._broken = jump  # type: ignore[method-assign]


def date(hours: float) -> None:
    """It is so much later."""
    from planet_assets.flow.clock import RealClock

    right = RealClock.now
    RealClock.now = lambda self: right(self) + timedelta(hours=hours)  # type: ignore[method-assign]


def dead_address(port: int) -> None:
    """Every host has a first address at which nobody answers, as with IPv6 that leads nowhere."""
    find = socket.getaddrinfo

    def found(*given: Any, **named: Any) -> list[Any]:
        dead = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        return [dead, *find(*given, **named)]

    socket.getaddrinfo = found  # type: ignore[assignment]


def lost_commits(every: int) -> None:
    """Every so many commits the server's answer is lost, by turns before and after it has committed."""
    import psycopg
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    commit, count, after = PGDialect_psycopg.do_commit, itertools.count(1), itertools.cycle([False, True])

    def drop(self: Any, connection: Any) -> None:
        if next(count) % every:
            commit(self, connection)
            return
        if next(after):
            commit(self, connection)
        connection.dbapi_connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    PGDialect_psycopg.do_commit = drop  # type: ignore[method-assign]
