"""`python -m planet_assets.compat.image_downloader`: the downloader's flags on the command line."""

from __future__ import annotations

import asyncio
import logging
import sys

import click

from planet_assets.compat import environment
from planet_assets.compat.asset_tracker import AssetTracker, is_tracking_disabled
from planet_assets.compat.image_downloader import ImageDownloader
from planet_assets.exceptions import AssetError

WARNING = (
    "A password on the command line can be read by every user of this machine: "
    "set IMAGE_DOWNLOADER_PASSWORD, or leave it out to be asked."
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--api-url", help="Address of the service.")
@click.option("--list-endpoint", help="Where it lists its assets.")
@click.option("--download-endpoint", help="Where the bytes are: {id} in it is the asset's id, else the id follows it.")
@click.option("--login-endpoint", default="", help="Where email and password are exchanged for a token.")
@click.option("--output-dir", required=True, help="Folder for the files.")
@click.option("--email", help="Who asks.")
@click.option("--password", help="Better: IMAGE_DOWNLOADER_PASSWORD, or be asked.")
@click.option("--max-concurrent", type=int, default=5, show_default=True, help="Downloads side by side.")
@click.option("--no-tracking", is_flag=True, help="Remember nothing and fetch everything.")
@click.option("--force-redownload", is_flag=True, help="Fetch everything, whatever is up to date.")
@click.option("--show-stats", is_flag=True, help="Show figures of what is tracked; without --api-url, only that.")
@click.option("--cleanup", is_flag=True, help="Drop records of files that are gone; without --api-url, only that.")
def command(
    api_url: str | None,
    list_endpoint: str | None,
    download_endpoint: str | None,
    login_endpoint: str,
    output_dir: str,
    email: str | None,
    password: str | None,
    max_concurrent: int,
    no_tracking: bool,
    force_redownload: bool,
    show_stats: bool,
    cleanup: bool,
) -> int:
    """Fetch what is new or changed in a JSON listing."""
    tracker = None if no_tracking or is_tracking_disabled() else AssetTracker(output_dir)
    if cleanup and tracker is not None:
        click.echo(f"{tracker.cleanup_missing_files()} records of missing files dropped.")
    code = 0
    if api_url or not (show_stats or cleanup):
        if not (api_url and list_endpoint and download_endpoint):
            raise click.UsageError("--api-url, --list-endpoint and --download-endpoint are needed to fetch.")
        downloader = ImageDownloader(
            api_url,
            list_endpoint,
            download_endpoint,
            output_dir,
            email,
            _password(email, password),
            track_assets=tracker is not None,
            login_endpoint=login_endpoint,
            max_concurrent=max_concurrent,
        )
        done = asyncio.run(downloader.download_all_assets(force_redownload=force_redownload))
        click.echo(str(done))
        code = int(bool(done.failed))
    if show_stats:
        click.echo("Nothing is tracked." if tracker is None else tracker.stats_text())
    return code


def _password(email: str | None, given: str | None) -> str | None:
    """From the environment or a prompt; on the command line it is warned about."""
    if given is not None:
        click.echo(WARNING, err=True)
        return given
    if not email:
        return None
    found = environment.downloader_password()
    if found is None and sys.stdin.isatty():
        found = click.prompt(f"Password of {email}", hide_input=True, err=True)
    if found is None:
        raise click.UsageError("There is no password: set IMAGE_DOWNLOADER_PASSWORD.")
    return found


def main() -> None:
    """Run the command; errors become one line."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        sys.exit(command.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        click.echo(f"image_downloader: {error.format_message()}", err=True)
        sys.exit(2)
    except AssetError as error:
        click.echo(f"image_downloader: {error}", err=True)
        sys.exit(1)
