"""The commands that speak to a tracker: the verbs of its API, JSON in and JSON out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.options import Group
from planet_assets.cli.output import Face
from planet_assets.exceptions import Misused

if TYPE_CHECKING:
    from planet_assets.blocking import TrackerClient

MOST_BYTES = 50 * 10**6


@click.group(cls=Group)
@click.option(
    "--url",
    envvar="PLANET_ASSETS_TRACKER",
    metavar="URL",
    help="Which tracker [PLANET_ASSETS_TRACKER, or the one signed in to].",
)
@click.pass_context
def tracker(context: click.Context, url: str | None) -> None:
    """Ask a team's tracker: create, find, change, lock, publish, comment.

    ELEMENTS is JSON: an object or a list of them, `@FILE`, or `-` for stdin.
    """
    context.obj = url


@tracker.command(name="sign-in")
@click.argument("name")
@click.option("--for", "lasts", metavar="TIME", help="How long: 2h, 30d [a day].")
@click.pass_obj
def sign_in(url: str | None, name: str, lasts: str | None) -> int:
    """Sign in by name or e-mail address; the token is kept in a file that only you can read.

    The password comes from a prompt, or from stdin where that is no terminal.
    """
    from planet_assets import config
    from planet_assets.sites import tokens

    face = Face.current()
    password = click.prompt("Password", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    with _opened(url) as client:
        told = client.sign_in(name, password.rstrip("\r\n"), lasts)
        tokens.keep(config.tracker_tokens(), _address(url), client.token)
    user = told.get("user", {})
    face.show(user, lambda: f"{user.get('_id')}: {user.get('class')}")
    if told.get("must_change"):
        face.say("Somebody else has set this password; change it on the tracker's page.")
    return Code.OK


@tracker.command(name="sign-out")
@click.pass_obj
def sign_out(url: str | None) -> int:
    """Revoke the token and forget it."""
    from planet_assets import config
    from planet_assets.sites import tokens

    with _opened(url) as client:
        try:
            client.sign_out()
        finally:
            tokens.keep(config.tracker_tokens(), _address(url), None)
    return Code.OK


@tracker.command()
@click.pass_obj
def verify(url: str | None) -> int:
    """Who one is there."""
    return _told(url, lambda client: client.verify())


@tracker.command()
@click.argument("elements")
@click.pass_obj
def create(url: str | None, elements: str) -> int:
    """Add elements."""
    return _told(url, lambda client: client.create(_json(elements)))


@tracker.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def read(url: str | None, ids: tuple[str, ...]) -> int:
    """Elements by id."""
    return _told(url, lambda client: client.read(_several(ids)))


@tracker.command()
@click.argument("elements")
@click.pass_obj
def update(url: str | None, elements: str) -> int:
    """Change keys of elements, each named by its `_id`; null removes one."""
    return _told(url, lambda client: client.update(_json(elements)))


@tracker.command()
@click.argument("elements")
@click.pass_obj
def upsert(url: str | None, elements: str) -> int:
    """Add what is new, change what is there."""
    return _told(url, lambda client: client.upsert(_json(elements)))


@tracker.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def delete(url: str | None, ids: tuple[str, ...]) -> int:
    """Delete elements."""
    return _told(url, lambda client: client.delete(_several(ids)))


@tracker.command()
@click.argument("query", nargs=-1, required=True, metavar="TERM...")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Ids at the most.")
@click.pass_obj
def search(url: str | None, query: tuple[str, ...], limit: int | None) -> int:
    """Ids of the elements that answer all terms: `type:scene 'cloud<0.2'`; `*` is everything."""
    face = Face.current()
    with _opened(url) as client:
        found = client.search(" ".join(query), limit=limit)
    face.show(found, lambda: "\n".join(found))
    return Code.OK if found else Code.NOTHING_FOUND


@tracker.command(name="search-mongo")
@click.argument("query")
@click.option("--sort", metavar="JSON", help='Keys: {"time": -1} for the newest first.')
@click.option("--limit", type=click.IntRange(min=0), default=0, metavar="N", help="Ids at the most [all].")
@click.option("--skip", type=click.IntRange(min=0), default=0, metavar="N", help="Ids to leave out first.")
@click.pass_obj
def search_mongo(url: str | None, query: str, sort: str | None, limit: int, skip: int) -> int:
    """How many elements answer a query in MongoDB's words, and their ids."""
    order = _json(sort) if sort else None
    return _told(url, lambda client: client.search_mongo(_json(query), order, limit, skip))


@tracker.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--depth", type=click.IntRange(min=0), default=0, metavar="N", help="Steps; 0 is without end.")
@click.pass_obj
def graph(url: str | None, ids: tuple[str, ...], depth: int) -> int:
    """Elements, the sources of edges that lead to them, and those edges."""
    return _told(url, lambda client: client.graph(list(ids), depth))


@tracker.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def lock(url: str | None, ids: tuple[str, ...]) -> int:
    """Take elements for editing, all or none; another's lock is exit code 11."""
    return _told(url, lambda client: client.lock(_several(ids)))


@tracker.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def unlock(url: str | None, ids: tuple[str, ...]) -> int:
    """Give elements back."""
    return _told(url, lambda client: client.unlock(_several(ids)))


@tracker.command()
@click.argument("elements")
@click.pass_obj
def publish(url: str | None, elements: str) -> int:
    """Add files: `_id` (a path), `comment` and `origin` each."""
    return _told(url, lambda client: client.publish(_json(elements)))


@tracker.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--message", "-m", "words", required=True, metavar="TEXT", help="What to say.")
@click.pass_obj
def comment(url: str | None, ids: tuple[str, ...], words: str) -> int:
    """Say something about elements."""
    return _told(url, lambda client: client.comment(_several(ids), words))


@tracker.command()
@click.argument("element_id", metavar="ID")
@click.argument("keys", metavar="KEYS")
@click.pass_obj
def version(url: str | None, element_id: str, keys: str) -> int:
    """Make a new version of a file; KEYS is JSON with its `file`."""
    return _told(url, lambda client: client.version(element_id, _json(keys)))


@tracker.command(name="sites")
@click.pass_obj
def list_sites(url: str | None) -> int:
    """Every site, with its colour, what waits for it, and whether its agent was heard of."""
    face = Face.current()
    with _opened(url) as client:
        found = client.sites()
    face.show(found, lambda: "\n".join(map(_site_line, found)) or "no sites")
    return Code.OK


def _site_line(one: dict[str, Any]) -> str:
    counts = f"{one['present']} there, {one['wanted']} to come, {one['failed']} failed"
    return f"{one['name']}: {one['colour']}, {counts}, {'agent alive' if one['is_alive'] else 'no agent'}"


def _told(url: str | None, ask: Callable[[TrackerClient], Any]) -> int:
    """Ask, and show the answer; a null in it means that some could not be had."""
    face = Face.current()
    with _opened(url) as client:
        found = ask(client)
    face.show(found, lambda: json.dumps(found, indent=2, ensure_ascii=False))
    return Code.PARTLY if isinstance(found, list) and None in found else Code.OK


@contextmanager
def _opened(url: str | None) -> Iterator[TrackerClient]:
    from planet_assets import config
    from planet_assets.blocking import TrackerClient

    address = _address(url)
    with TrackerClient(address, config.tracker_token(address)) as client:
        yield client


def _address(url: str | None) -> str:
    if url:
        return url
    from planet_assets import config
    from planet_assets.sites import tokens

    known = tokens.addresses(config.tracker_tokens())
    if len(known) != 1:
        raise Misused("Which tracker?", hint="--url https://HOST, or set PLANET_ASSETS_TRACKER.", argument="url")
    return known[0]


def _several(ids: tuple[str, ...]) -> str | list[str]:
    return ids[0] if len(ids) == 1 else list(ids)


def _json(text: str) -> Any:
    if text == "-":
        text = sys.stdin.read(MOST_BYTES)
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise Misused(f"{text[1:]} cannot be read: {error}.") from None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Misused("This is no JSON.", hint="An object or a list, @FILE, or - for stdin.") from None
    if not isinstance(found, dict) and not (isinstance(found, list) and all(isinstance(one, dict) for one in found)):
        raise Misused("JSON here is an object, or a list of objects.")
    return found
