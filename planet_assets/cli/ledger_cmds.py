"""The commands about what was spent: `ledger show`, `export`, `reconcile`, `budget`."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planet_assets.cli.codes import Code
from planet_assets.cli.fetch_cmds import open_manager
from planet_assets.cli.library_cmds import open_library
from planet_assets.cli.options import Group, dry_run_option
from planet_assets.cli.output import Face, as_json
from planet_assets.exceptions import DiskProblem, Misused
from planet_assets.view.documents import quota_document

if TYPE_CHECKING:
    from planet_assets.library.engine import Library
    from planet_assets.model.spend import Reconciliation, Spend

BY_HAND = "planet-assets ledger budget"
"""Who states a budget that was typed in."""


@click.group(cls=Group)
def ledger() -> None:
    """What was spent on what, when and by which script; and how that compares with Planet."""


account_option = click.option("--account", metavar="ID", help="Whose ledger [the one that was used last].")
month_option = click.option("--month", metavar="YYYY-MM", help="Only what counts in this month, UTC.")


@ledger.command()
@account_option
@month_option
@click.option("--all", "everything", is_flag=True, help="Every row; else those of the month.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE", help="Draw the month into an SVG file.")
def show(account: str | None, month: str | None, everything: bool, picture: Path | None) -> int:
    """The rows of a month, what they add up to, and what remains. Needs no key and no network."""
    from planet_assets.flow.clock import RealClock
    from planet_assets.flow.reconcile import month as month_of
    from planet_assets.view.ledger import ledger_table
    from planet_assets.view.month import month_svg, month_words

    face = Face.current()
    if everything and month:
        raise click.UsageError("--all and --month exclude each other.")
    with open_library() as library:
        whose = _account(library, account)
        report = month_of(library, whose, month, RealClock().now())
        rows = _rows(library, whose, None if everything else report.first.strftime("%Y-%m"))
    if picture is not None:
        _write(picture, month_svg(report))
        face.say(f"The month is drawn in {picture}.")
    spent = math.fsum(row.spent_km2 for row in rows)
    document = {
        "account": whose,
        "month": None if everything else f"{report.first:%Y-%m}",
        "spent_km2": spent,
        "held_km2": report.held_km2,
        "quota": quota_document(report.quota),
        "rows": [_document(row) for row in rows],
    }
    face.show(document, lambda: f"{ledger_table(rows)}\n\nAccount {whose}. {month_words(report)}")
    return Code.OK


@ledger.command()
@account_option
@month_option
@click.option("--format", "kind", type=click.Choice(["csv", "json"]), default="csv", show_default=True, help="Of what.")
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Into a file [stdout].")
def export(account: str | None, month: str | None, kind: str, output: Path | None) -> int:
    """The rows as CSV or JSON; all of them, or those of a month."""
    face = Face.current()
    with open_library() as library:
        whose = _account(library, account)
        rows = [_document(row) for row in _rows(library, whose, month)]
    text = as_json({"account": whose, "rows": rows}) + "\n" if kind == "json" else _csv(rows)
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)
        face.say(f"{len(rows)} rows are in {output}.")
    return Code.OK


@ledger.command()
@click.option("--report", type=click.Path(path_type=Path), metavar="CSV", help="A usage report of Planet's.")
@click.option("--since", metavar="DATE", help="Read orders from then on, to rebuild a lost ledger.")
@click.option("--accept", is_flag=True, help="Write the drift into the ledger, with --reason.")
@click.option("--reason", metavar="TEXT", help="Why; it is kept with the row.")
@dry_run_option
def reconcile(report: Path | None, since: str | None, accept: bool, reason: str | None, dry_run: bool) -> int:
    """Compare the ledger with Planet's posted usage and with everybody's orders, and name the drift.

    Orders of others are kept in the ledger as spend that is not posted yet; a drift only with --accept.
    """
    from planet_assets.model.item import parse_time
    from planet_assets.rules.reports import read_report
    from planet_assets.view.ledger import reconciliation_text

    face = Face.current()
    if accept != bool(reason and reason.strip()):
        raise click.UsageError("--accept and --reason belong together.")
    try:
        start = None if since is None else parse_time(since)
    except ValueError:
        raise click.UsageError(f"--since {since} is no date; write 2026-11-01.") from None
    lines = [] if report is None else read_report(_read(report))
    with open_manager(face) as manager:
        found = manager.reconcile(report=lines, accept=reason if accept else None, since=start, dry_run=dry_run)
    face.show(_outcome(found), lambda: reconciliation_text(found))
    return Code.PARTLY if found.drift.km2 and not found.adjusted_km2 and found.drift.is_known else Code.OK


@ledger.command()
@click.argument("source", metavar="FROM")
@click.option("--into", "target", metavar="ID", help="Whose ledger takes it over [the one that was used last].")
def merge(source: str, target: str | None) -> int:
    """Move the ledger of a key that was reset, where Planet names no subscription, into another; sums do not change.

    FROM is the account that `ledger show` names, key:... for example. What belongs to a subscription is never moved.
    """
    from planet_assets.library import accounts

    face = Face.current()
    with open_library() as library:
        if not accounts.is_provisional(_account(library, source)):
            raise Misused(
                f"{source} is a subscription of Planet's, and two subscriptions never mix.",
                hint=f"Only accounts that begin with {', '.join(accounts.PROVISIONAL)} can be moved.",
                argument="from",
            )
        into = _account(library, target)
        if into == source:
            raise Misused(f"{source} cannot be moved into itself.", hint="Name another by --into.", argument="into")
        moved = accounts.merge(library, source, into)
    document = {"from": source, "into": into, "rows": moved}
    face.show(document, lambda: f"{moved} rows of {source} are in the ledger of {into} now.")
    return Code.OK


@ledger.command()
@account_option
@click.option("--daily", "daily_km2", type=click.FloatRange(min=0, min_open=True), metavar="KM2", help="In a UTC day.")
@click.option("--weekly", "weekly_km2", type=click.FloatRange(min=0, min_open=True), metavar="KM2", help="In a week.")
@click.option("--reserve", "reserve_share", type=click.FloatRange(0, 1, max_open=True), metavar="SHARE", help="Kept.")
@click.option("--forget", metavar="WHO", help="Take back what a script or settings file stated.")
def budget(
    account: str | None,
    daily_km2: float | None,
    weekly_km2: float | None,
    reserve_share: float | None,
    forget: str | None,
) -> int:
    """Show or state budgets that hold for every script on the library; the strictest holds."""
    from planet_assets.library import budgets
    from planet_assets.model.quota import Budget

    face = Face.current()
    typed = Budget(daily_km2=daily_km2, weekly_km2=weekly_km2, reserve_share=reserve_share)
    changes: dict[str, Budget | None] = {} if typed == Budget() else {BY_HAND: typed}
    with open_library() as library:
        whose = _account(library, account)
        if forget is not None:
            if forget not in budgets.listed(library, whose):
                raise Misused(f"Nothing was stated by {forget!r}.", hint="`planet-assets ledger budget` shows who.")
            changes[forget] = None
        stated = budgets.state(library, whose, changes)
    document = {"account": whose, "budgets": [{"stated_by": who, **asdict(one)} for who, one in stated.items()]}
    face.show(document, lambda: "\n".join(_budget_lines(stated)) or "No budgets.")
    return Code.OK


def _budget_lines(stated: dict[str, Any]) -> list[str]:
    from planet_assets.view.units import exact_km2, plain

    lines = []
    for who, one in stated.items():
        figures = [
            f"{exact_km2(one.daily_km2)} a day" if one.daily_km2 is not None else "",
            f"{exact_km2(one.weekly_km2)} a week" if one.weekly_km2 is not None else "",
            f"{one.reserve_share:.0%} of the limit kept back" if one.reserve_share is not None else "",
        ]
        lines.append(f"{plain(who)}: {', '.join(figure for figure in figures if figure)}")
    return lines


def _account(library: Library, wanted: str | None) -> str:
    """The account asked for, else the one that was written to last.

    Raises:
        Misused: the library has no ledger of this account.
    """
    from planet_assets.library import ledger as rows
    from planet_assets.library import spends

    known = list(dict.fromkeys([*spends.accounts(library), *rows.accounts(library)]))
    if wanted is None:
        return known[0] if known else ""
    if wanted not in known:
        raise Misused(f"There is no ledger of {wanted!r}.", hint=f"Known: {', '.join(known) or 'none'}.")
    return wanted


def _rows(library: Library, account: str, month: str | None) -> list[Spend]:
    from planet_assets.flow.clock import RealClock
    from planet_assets.library import spends
    from planet_assets.rules.allowance import next_interval
    from planet_assets.rules.months import read_month

    if month is None:
        return spends.listed(library, account=account)
    first = read_month(month, RealClock().now())
    return spends.listed(library, account=account, since=first, before=next_interval(first))


def _document(row: Spend) -> dict[str, Any]:
    return {**asdict(row), "certainty": row.certainty}


def _outcome(found: Reconciliation) -> dict[str, Any]:
    drift = {**asdict(found.drift), "km2": found.drift.km2, "word": found.drift.word}
    return {**asdict(found), "drift": drift, "quota": quota_document(found.quota)}


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    from planet_assets.model.spend import Spend

    out = io.StringIO()
    names = [*(field.name for field in fields(Spend)), "certainty"]
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "at": row["at"].isoformat()} for row in rows)
    return out.getvalue()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise Misused(f"The usage report {path} cannot be read: {reason}.", argument="report") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DiskProblem(f"{path} cannot be written: {error.strerror}.", hint="Choose another file.") from None
