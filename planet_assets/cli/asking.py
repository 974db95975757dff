"""Putting a question to a person, also when stdin carries data: the terminal itself is asked, or nobody."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from planet_assets.exceptions import CannotAsk, Misused

if TYPE_CHECKING:
    from planet_assets.flow.consent import Hook
    from planet_assets.model.plan import Plan

QUESTION = "Proceed with download? (y/n): "


async def ask_person(plan: Plan) -> bool:
    """A hook for the manager: shows the dialog and waits for yes or no.

    It waits on a thread that dies with the process, so that Ctrl-C at the question ends the command at once.

    Raises:
        CannotAsk: nobody is there.
    """
    from planet_assets.view.text import confirmation_dialog

    dialog = f"{confirmation_dialog(plan)}\n{QUESTION}"
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[str | CannotAsk] = loop.create_future()

    def settle(answer: str | CannotAsk) -> None:
        if not answered.done():
            answered.set_result(answer)

    def wait() -> None:
        answer: str | CannotAsk
        try:
            answer = ask(dialog)
        except CannotAsk as error:
            answer = error
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(settle, answer)

    threading.Thread(target=wait, name="question", daemon=True).start()
    answer = await answered
    if isinstance(answer, CannotAsk):
        raise answer
    return answer.strip().lower() in ("y", "yes")


def asked_of(*, yes: bool, team: str | None, project: str | None) -> Hook | bool:
    """Who is asked: nobody where one has agreed, the team at a tracker, or the person here.

    Raises:
        Misused: somebody is asked who is not to be asked.
    """
    if team is None:
        if project is not None:
            raise Misused("--project belongs to --ask-team.", argument="project")
        return False if yes else ask_person
    if yes:
        raise Misused("--yes asks nobody, --ask-team asks the team.", hint="Leave one of them out.", argument="yes")
    from planet_assets import config, policies

    return policies.ask_team(team, token=config.tracker_token(team) or "", project=project or "")


def can_ask() -> bool:
    """True when a person could answer."""
    try:
        with _terminal():
            return True
    except CannotAsk:
        return False


def ask(text: str) -> str:
    """The line a person types after `text`.

    Raises:
        CannotAsk: nobody is there, or the input has ended.
    """
    with _terminal() as (read_from, write_to):
        os.write(write_to, text.encode(errors="replace"))
        # not through a buffered file: a thread that waits in one would break the interpreter's end after Ctrl-C
        line = os.read(read_from, 4096)
    if not line:
        raise CannotAsk("The question was not answered: the input has ended.", hint="--yes agrees without asking.")
    return line.decode(errors="replace")


@contextmanager
def _terminal() -> Iterator[tuple[int, int]]:
    """Descriptors to read from and write to: stdin and stderr where they are a terminal, else the controlling one."""
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty():
        yield sys.stdin.fileno(), sys.stderr.fileno()
        return
    opened: list[int] = []
    try:
        opened.append(os.open("CONIN$" if os.name == "nt" else "/dev/tty", os.O_RDWR))
        opened.append(os.open("CONOUT$" if os.name == "nt" else "/dev/tty", os.O_RDWR))
        if os.name != "nt" and os.tcgetpgrp(opened[0]) != os.getpgrp():
            raise OSError("in the background, where reading would stop the process")
    except OSError:
        _close(opened)
        raise CannotAsk(
            "The download must be confirmed and there is nobody to ask: this is no terminal.",
            hint="Look at it with --dry-run, and agree with --yes.",
        ) from None
    try:
        yield opened[0], opened[1]
    finally:
        _close(opened)


def _close(opened: list[int]) -> None:
    for descriptor in opened:
        os.close(descriptor)
