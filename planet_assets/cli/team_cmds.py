"""The command `tracker`: what a team says about its files, asked of a tracker and told to it. None needs a key.

Replies are the tracker's JSON; on a terminal one line for each element. What was there only in part ends with 3, what
was not there with 4, a refusal with 6, and what another person was first in with 11.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.options import Group
from planet_assets.cli.output import Face, as_json
from planet_assets.exceptions import CannotAsk, Misused

if TYPE_CHECKING:
    from planet_assets.blocking import TrackerClient

HOME = "planet_assets.tracker"


@click.group(cls=Group)
@click.option("--url", envvar="PLANET_ASSETS_TRACKER", metavar="URL", help="Which tracker; the one signed in to.")
@click.pass_context
def tracker(context: click.Context, url: str | None) -> None:
    """Elements of a team's tracker: create, read, search, lock, publish, comment."""
    context.meta[HOME] = url


@tracker.command(name="sign-in")
@click.argument("url")
@click.option("--name", required=True, metavar="NAME", help="Name or e-mail address.")
@click.option("--lasts", metavar="SPAN", help="How long the sign-in lasts: 2h, 30d.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin; else it is asked for.")
def sign_in(url: str, name: str, lasts: str | None, password_stdin: bool) -> int:
    """Sign in; the token is kept in a file that only you can read."""
    from planet_assets import config
    from planet_assets.blocking import TrackerClient
    from planet_assets.cli.asking import can_ask
    from planet_assets.door import reaching
    from planet_assets.sites import tokens

    face = Face.current()
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif can_ask():
        password = click.prompt("Password", hide_input=True, err=True)
    else:
        raise CannotAsk("Nobody is there to ask for the password.", hint="Give it by --password-stdin.")
    with TrackerClient(url, verify=reaching.trust()) as client:
        told = client.sign_in(name, password, lasts)
        tokens.keep(config.tracker_tokens(), client.url, client.token)
        person = told.get("user", {})
        face.show(
            {"url": client.url, "user": person}, lambda: f"{person.get('_id', name)} is signed in at {client.url}."
        )
    return Code.OK


@tracker.command(name="sign-out")
def sign_out() -> int:
    """Revoke the token and forget it."""
    from planet_assets import config
    from planet_assets.sites import tokens

    face = Face.current()
    with _client() as client:
        try:
            client.sign_out()
        finally:
            tokens.keep(config.tracker_tokens(), client.url, None)
        face.show({"url": client.url}, lambda: f"Signed out of {client.url}.")
    return Code.OK


@tracker.command()
def who() -> int:
    """Who I am there."""
    with _client() as client:
        return _shown({**client.verify(), "url": client.url})


@tracker.command()
@click.argument("elements", metavar="JSON")
def create(elements: str) -> int:
    """Add elements: a JSON object or array, or - for stdin."""
    with _client() as client:
        return _shown(client.create(_json(elements)))


@tracker.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def read(ids: tuple[str, ...]) -> int:
    """Elements by id, with how they stand at each site."""
    with _client() as client:
        return _shown(client.read(_one_or_all(ids)))


@tracker.command()
@click.argument("elements", metavar="JSON")
def update(elements: str) -> int:
    """Set keys of elements, each with its _id; null removes a key. - reads stdin."""
    with _client() as client:
        return _shown(client.update(_json(elements)))


@tracker.command()
@click.argument("elements", metavar="JSON")
def upsert(elements: str) -> int:
    """Update what is there, and create the rest. - reads stdin."""
    with _client() as client:
        return _shown(client.upsert(_json(elements)))


@tracker.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def delete(ids: tuple[str, ...]) -> int:
    """Remove elements; their history stays."""
    with _client() as client:
        return _shown(client.delete(_one_or_all(ids)))


@tracker.command()
@click.argument("terms", nargs=-1, required=True, metavar="TERM...")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At the most so many.")
@click.option("--offset", type=click.IntRange(min=0), metavar="N", help="Leave out the first N.")
def search(terms: tuple[str, ...], limit: int | None, offset: int | None) -> int:
    """Ids that all terms hold for: key:value key>5 words; * finds everything."""
    with _client() as client:
        found = client.search(" ".join(terms), limit=limit, offset=offset)
    _shown(found)
    return Code.OK if found else Code.NOTHING_FOUND


@tracker.command(name="search-mongo")
@click.argument("query", metavar="JSON")
@click.option("--sort", metavar="JSON", help='Keys: {"time": -1} for the newest first.')
@click.option("--limit", type=click.IntRange(min=0), default=0, metavar="N", help="At the most so many [all].")
@click.option("--offset", type=click.IntRange(min=0), default=0, metavar="N", help="Leave out the first N.")
def search_mongo(query: str, sort: str | None, limit: int, offset: int) -> int:
    """How many elements answer a query in MongoDB's words, and their ids."""
    with _client() as client:
        return _shown(client.search_mongo(_json(query), _json(sort) if sort else None, limit, offset))


@tracker.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--depth", type=click.IntRange(min=0), default=0, show_default=True, help="Steps; 0 is all.")
def graph(ids: tuple[str, ...], depth: int) -> int:
    """What elements are made of, and the edges between."""
    with _client() as client:
        return _shown(client.graph(list(ids), depth))


@tracker.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def lock(ids: tuple[str, ...]) -> int:
    """Lock elements for yourself, all or none; locking your own again renews it."""
    with _client() as client:
        return _shown(client.lock(_one_or_all(ids)))


@tracker.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def unlock(ids: tuple[str, ...]) -> int:
    """End your locks."""
    with _client() as client:
        return _shown(client.unlock(_one_or_all(ids)))


@tracker.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--comment", required=True, metavar="TEXT", help="What it is.")
@click.option("--origin", required=True, metavar="SITE", help="The site where it lies.")
@click.option("--key", "keys", multiple=True, metavar="A=B", help="More keys; JSON where it is, else text.")
def publish(paths: tuple[str, ...], comment: str, origin: str, keys: tuple[str, ...]) -> int:
    """Add files to what is shared: they go where the team's rule says."""
    more = dict(_pair(one) for one in keys)
    documents = [{**more, "_id": path, "comment": comment, "origin": origin} for path in paths]
    with _client() as client:
        return _shown(client.publish(documents))


@tracker.command()
@click.argument("element", metavar="ID")
@click.argument("text")
def comment(element: str, text: str) -> int:
    """Say something about an element."""
    with _client() as client:
        return _shown(client.comment(element, text))


@tracker.command()
@click.argument("element", metavar="ID")
@click.argument("file")
def version(element: str, file: str) -> int:
    """Make a new version of a file; what it was before stays as a child."""
    with _client() as client:
        return _shown(client.version(element, {"file": file}))


@tracker.command(name="sites")
def list_sites() -> int:
    """Every site, with its colour, what waits for it, and when its agent was heard of."""
    face = Face.current()
    with _client() as client:
        found = client.sites()
    face.show(found, lambda: "\n".join(map(_site_line, found)) or "no sites")
    return Code.OK


@contextmanager
def _client() -> Iterator[TrackerClient]:
    """The tracker that is meant, and who one is there.

    Raises:
        Misused: nobody has said which one.
    """
    from planet_assets import config
    from planet_assets.blocking import TrackerClient
    from planet_assets.door import reaching
    from planet_assets.sites import tokens

    url = click.get_current_context().meta.get(HOME)
    if not url:
        known = tokens.addresses(config.tracker_tokens())
        if len(known) != 1:
            raise Misused(
                "Which tracker?" if known else "No tracker is known.",
                hint="Give --url or PLANET_ASSETS_TRACKER" + (f": {', '.join(known)}" if known else ", or sign in."),
            )
        url = known[0]
    with TrackerClient(url, config.tracker_token(url), verify=reaching.trust()) as client:
        yield client


def _shown(found: Any) -> int:
    face = Face.current()
    face.show(found, lambda: "\n".join(map(_line, found if isinstance(found, list) else [found])))
    return Code.PARTLY if isinstance(found, list) and None in found else Code.OK


def _line(one: Any) -> str:
    if not isinstance(one, dict):
        return "not there" if one is None else str(one)
    rest = {key: value for key, value in one.items() if key != "_id"}
    return f"{one.get('_id', '')}  {as_json(rest, compact=True)}"


def _site_line(one: dict[str, Any]) -> str:
    agent = "agent alive" if one["is_alive"] else "no agent"
    counts = f"{one['present']} there, {one['wanted']} to come, {one['failed']} failed"
    return f"{one['name']}: {one['colour']}, {counts}, {agent}"


def _json(text: str) -> Any:
    """JSON as it was typed, from stdin by `-`, or from a file by `@`."""
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8")
        found = json.loads(sys.stdin.read() if text == "-" else text)
    except OSError as error:
        raise Misused(f"{text[1:]} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise Misused("That is no JSON.", hint="""Write '{"_id": "/a/b.tif", "key": 1}'.""") from None
    if not isinstance(found, dict | list):
        raise Misused("Elements are a JSON object, or an array of them.")
    return found


def _pair(word: str) -> tuple[str, Any]:
    key, sign, text = word.partition("=")
    if not sign or not key:
        raise click.UsageError(f"--key {word}: write it as A=B.")
    try:
        return key, json.loads(text)
    except ValueError:
        return key, text


def _one_or_all(ids: Sequence[str]) -> str | list[str]:
    return ids[0] if len(ids) == 1 else list(ids)
