"""Places for downloads: the oldest first, none lost, none kept by those who have gone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from making import NOW

from planet_assets.flow.turnstile import Turnstile

RATES = {"data": 1e6, "orders": 1e6}


def test_the_oldest_activation_is_served_first() -> None:
    async def serve() -> list[str]:
        turnstile, order = Turnstile(1, RATES), []
        assert turnstile.try_enter("a") and turnstile.try_enter("b") and not turnstile.try_enter("c")

        async def wait(name: str, minutes: int) -> None:
            await turnstile.enter(name, NOW + timedelta(minutes=minutes))
            order.append(name)
            turnstile.leave(name)

        waiting = [asyncio.create_task(wait(name, minutes)) for name, minutes in (("young", 9), ("old", 1), ("mid", 5))]
        await asyncio.sleep(0)
        turnstile.leave("a")
        await asyncio.gather(*waiting)
        return order

    assert asyncio.run(serve()) == ["old", "mid", "young"]


def test_who_stops_waiting_takes_no_place() -> None:
    async def leave_early() -> None:
        turnstile = Turnstile(1, RATES)
        turnstile.try_enter("a")
        turnstile.try_enter("b")
        gone = asyncio.create_task(turnstile.enter("gone", NOW))
        stays = asyncio.create_task(turnstile.enter("stays", NOW + timedelta(minutes=1)))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        turnstile.leave("a")
        await asyncio.wait_for(stays, 1)
        turnstile.leave("nobody")
        turnstile.leave("b")
        assert turnstile.try_enter("next")

    asyncio.run(leave_early())


def test_a_place_given_to_one_who_was_cancelled_at_that_moment_goes_on() -> None:
    async def unlucky() -> None:
        turnstile = Turnstile(1, RATES)
        turnstile.try_enter("a")
        turnstile.try_enter("b")
        first = asyncio.create_task(turnstile.enter("first", NOW))
        second = asyncio.create_task(turnstile.enter("second", NOW + timedelta(minutes=1)))
        await asyncio.sleep(0)
        turnstile.leave("a")
        first.cancel()
        await asyncio.wait_for(second, 1)

    asyncio.run(unlucky())


def test_bodies_side_by_side_are_bounded_and_room_comes_back() -> None:
    async def flow() -> None:
        turnstile = Turnstile(2, RATES)
        await turnstile.board("a")
        await turnstile.board("a")
        await turnstile.board("b")
        third = asyncio.create_task(turnstile.board("c"))
        await asyncio.sleep(0.01)
        assert not third.done()
        turnstile.land("a")
        turnstile.land("a")
        await asyncio.wait_for(third, 1)
        fourth = asyncio.create_task(turnstile.board("d"))
        await asyncio.sleep(0.01)
        assert not fourth.done(), "landing twice gives back one place only"
        fourth.cancel()

    asyncio.run(flow())
