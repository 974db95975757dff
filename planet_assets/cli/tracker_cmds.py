"""The command that starts the tracker of a team."""

from __future__ import annotations

import importlib.util
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.options import Command
from planet_assets.exceptions import DiskProblem, Misused
from planet_assets.rules.destinations import checked_site

if TYPE_CHECKING:
    from planet_assets.library.engine import Library
    from planet_assets.service.options import ServiceOptions

NEEDED = ("fastapi", "uvicorn", "sse_starlette", "prometheus_client", "argon2", "re2")
FIRST_ADMIN = "admin"
LAB_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@click.command(cls=Command)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, help="Port; 0 is any free one.")
@click.option("--no-auth", is_flag=True, help="Everybody is an admin; only on this machine.")
@click.option("--author-mode", is_flag=True, help="All but admins see only what they wrote.")
@click.option("--certificate", type=click.Path(path_type=Path), metavar="FILE", help="Serve https with this chain.")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="The certificate's key.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes that serve.")
@click.option(
    "--files", type=click.Path(path_type=Path), metavar="DIR", help="Take files and bundles, and keep them here."
)
@click.option(
    "--site", "site", default="hub", show_default=True, metavar="NAME", help="What that folder is called as a site."
)
def serve(
    host: str,
    port: int,
    no_auth: bool,
    author_mode: bool,
    certificate: Path | None,
    key: Path | None,
    files: Path | None,
    site: str,
    workers: int,
) -> int:
    """Serve the library to a team until Ctrl-C: elements, people, plans, and a page to watch.

    The first start makes the first admin and prints a password, once.
    """
    need_server()
    if (certificate is None) != (key is None):
        raise Misused("--certificate and --key belong together.", argument="certificate")
    if no_auth and not is_here(host):
        raise Misused(
            f"--no-auth makes everybody on the network of {host} an admin.",
            hint="Leave it out, or listen on 127.0.0.1.",
            argument="no_auth",
        )
    for name, path in (("certificate", certificate), ("key", key)):
        if path is not None and not path.is_file():
            raise Misused(f"--{name} {path} is no file.", argument=name)
    from planet_assets.service.options import ServiceOptions

    options = ServiceOptions(
        auth=not no_auth,
        author_mode=author_mode,
        secure=certificate is not None,
        hosts=LAB_HOSTS if no_auth else frozenset(),
        files=files.expanduser().absolute() if files else None,
        site=checked_site(site),
    )
    pair = (certificate, key) if certificate and key else None
    _serve(options, host, port, pair, workers)
    return Code.OK


def _serve(options: ServiceOptions, host: str, port: int, certificate: tuple[Path, Path] | None, workers: int) -> None:
    from planet_assets.service.app import build
    from planet_assets.service.serving import Serving, Workers, bound

    try:
        listener = bound(host, port)
    except OSError as error:
        raise DiskProblem(
            f"The tracker cannot listen on {host}:{port}: {error.strerror or error}.",
            hint="Another one may be running; choose another --port.",
        ) from None
    others = Workers(workers - 1)
    try:
        with open_library() as library:
            serving = Serving(build(library, options=options), host, port, certificate=certificate, listener=listener)
            if others.is_first:
                click.echo(f"tracker: {serving.url}")
                click.echo(f"library: {library.where}")
                if options.auth:
                    _greet_first_admin(library)
            serving.run()
    finally:
        others.end()


def _greet_first_admin(library: Library) -> None:
    """Make the first admin where there is nobody; the password is shown here and nowhere again."""
    from planet_assets.flow.clock import RealClock
    from planet_assets.library import people
    from planet_assets.service import passwords

    if not people.is_empty(library):
        return
    password = passwords.made()
    if people.first(library, FIRST_ADMIN, secret=passwords.hashed(password), now=RealClock().now()):
        click.echo(f"first admin: {FIRST_ADMIN}")
        click.echo(f"password: {password}")
        click.echo("It is shown only now: sign in and change it.")


def is_here(host: str) -> bool:
    """True for an address that only this machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def need_server() -> None:
    """Refuse clearly where what the tracker is served by is not installed.

    Raises:
        Misused: it is missing.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise Misused(
            f"The tracker needs {', '.join(missing)}, which are not installed.",
            hint='pip install "planet-assets[server]"',
        )
