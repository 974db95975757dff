"""When a body may open more connections: where that is seen to bring more, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from planet_assets.transfer.lanes import REST_S, Lanes


class Link:
    """A simulated link: what so many connections bring together, bytes a second."""

    def __init__(self, rate: Callable[[int], float]) -> None:
        self.now, self.rate, self.connections = 0.0, rate, 1
        self.lanes = Lanes(clock=lambda: self.now)
        self.lanes.join()
        self.opened: list[int] = []

    def go(self, seconds: float, body: object = "body") -> None:
        for _ in range(round(seconds / 0.1)):
            self.now += 0.1
            self.lanes.arrived(int(0.1 * self.rate(self.connections)))
            if more := self.lanes.more(body, self.connections):
                self.opened.append(more)
                self.connections += more
                for _ in range(more):
                    self.lanes.join()


def test_where_connections_are_capped_there_are_soon_as_many_as_may_be() -> None:
    link = Link(lambda connections: 5e6 * connections)
    link.go(6)
    assert link.opened == [1, 6]


def test_a_full_line_is_tried_once_a_minute() -> None:
    link = Link(lambda connections: 5e6)
    link.go(REST_S * 0.9)
    assert link.opened == [1]
    link.go(REST_S)
    assert link.opened == [1, 2]


def test_a_line_that_fills_up_on_the_way_gets_no_more() -> None:
    link = Link(lambda connections: min(5e6 * connections, 12e6))
    link.go(30)
    assert sum(link.opened) <= 7 and link.opened[0] == 1
    before = list(link.opened)
    link.go(20)
    assert link.opened == before


def test_what_was_learned_holds_for_the_next_body() -> None:
    link = Link(lambda connections: 5e6 * connections)
    link.go(6)
    for _ in range(link.connections - 1):
        link.lanes.leave()
    link.lanes.leave("body")
    link.connections, link.opened = 1, []
    link.lanes.join()
    link.go(0.2, "next")
    assert link.opened == [7]


@pytest.mark.parametrize("rate", [0.0, 5e6])
def test_nothing_is_opened_before_a_rate_is_known_or_where_it_is_not_worth_it(rate: float) -> None:
    link = Link(lambda connections: rate)
    link.go(0.9)
    assert link.opened == []
    assert link.lanes.more("body", 1, worth=False) == 0


def test_one_body_tries_at_a_time() -> None:
    link = Link(lambda connections: 5e6 * connections)
    link.go(1.2)
    assert link.opened == [1] and link.lanes.more("other", 1) == 0
