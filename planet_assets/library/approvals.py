"""Plans that wait for a yes. One conditional update decides, so of any number of editors one has the word.

What counts against a budget is what the ledger holds and has spent for a plan's jobs, which carry its id; of a plan
that is approved and has no jobs here yet, what was approved.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from planet_assets.exceptions import Conflict, Gone
from planet_assets.library.accounts import kept, write_kept
from planet_assets.library.engine import Library, alone
from planet_assets.library.schema import kv, ledger
from planet_assets.library.team_schema import approval, approval_event
from planet_assets.model.approval import Approval, ApprovalState, TeamRule
from planet_assets.rules import approval as rules

RULE = "team_rule"
"""Key under which the team's rule is kept."""
BY_RULE = "the team's rule"

_SEEN = sa.select(approval).where(approval.c.id == sa.bindparam("asked"))


def rule_of(library: Library) -> TeamRule:
    """What the team has agreed on; until it has, every plan that costs waits."""
    return TeamRule(**kept(library, RULE, {}))


def agree(library: Library, rule: TeamRule) -> TeamRule:
    """Agree on a rule; plans that wait already go on waiting.

    Raises:
        Misused: it cannot be meant.
    """
    with library.write() as connection:
        write_kept(connection, RULE, asdict(rules.checked_rule(rule)))
    return rule


def post(library: Library, new: Approval, *, asked_above_km2: float | None = None, now: datetime) -> Approval:
    """Put a plan to the team: it waits, or is approved at once where the rule lets it pass.

    The same question of the same person is put once, however often it is sent.

    Raises:
        Conflict: another question has this id.
    """
    expire(library, now)
    with library.write() as connection:
        alone(connection)
        if found := _seen(connection, new.id):
            if (found.by, found.plan_id, _known_km2(found)) != (new.by, new.plan_id, _known_km2(new)):
                raise Conflict(f"Another plan was put as {new.id} already.", hint="Ask under another id.")
            return found
        rule = _rule(connection)
        why = rules.why_wait(
            rule,
            km2=new.km2,
            verdict=str(new.document.get("verdict", {}).get("word", "unknown")),
            person=new.by,
            project=new.project,
            spent_km2=_spent(connection, rules.month_begin(now)),
            asked_above_km2=asked_above_km2,
        )
        asked = replace(new, why=why, posted_at=now, expires_at=now + timedelta(seconds=rule.waits_for_s))
        if not why:
            asked = replace(asked, state=ApprovalState.APPROVED, decided_by=BY_RULE, decided_at=now, by_rule=True)
        connection.execute(sa.insert(approval), _row(asked))
        _note(connection, asked.id, ApprovalState.WAITING, new.by, now)
        if not why:
            _note(connection, asked.id, ApprovalState.APPROVED, BY_RULE, now)
    return asked


def decide(library: Library, plan_id: str, *, approve: bool, by: str, reason: str = "", now: datetime) -> Approval:
    """Answer a plan that waits.

    Raises:
        Conflict: it was answered, taken back or has lapsed.
        Gone: there is none.
    """
    state = ApprovalState.APPROVED if approve else ApprovalState.REFUSED
    return _end(library, plan_id, state, by=by, reason=reason, now=now)


def withdraw(library: Library, plan_id: str, *, by: str, now: datetime) -> Approval:
    """Take a plan back that waits. Errors are those of `decide`."""
    return _end(library, plan_id, ApprovalState.WITHDRAWN, by=by, reason="", now=now)


def expire(library: Library, now: datetime) -> None:
    """Let plans lapse that have waited for too long."""
    late = (approval.c.state == ApprovalState.WAITING, approval.c.expires_at <= now)
    with library.read() as connection:
        if connection.execute(sa.select(approval.c.id).where(*late).limit(1)).first() is None:
            return
    values = {"state": ApprovalState.EXPIRED, "decided_at": now, "reason": "Nobody answered in time."}
    with library.write() as connection:
        ended = connection.execute(sa.update(approval).where(*late).values(values).returning(approval.c.id))
        for plan_id in ended.scalars().all():
            _note(connection, plan_id, ApprovalState.EXPIRED, "", now)


def get(library: Library, plan_id: str) -> Approval:
    """One plan that was put.

    Raises:
        Gone: there is none.
    """
    with library.read() as connection:
        if found := _seen(connection, plan_id):
            return found
    raise Gone(f"No plan {plan_id!r} was put to the team.")


def listed(
    library: Library, *, states: Collection[str] = (), by: str | None = None, limit: int = 100
) -> list[Approval]:
    """Plans that were put, the newest first."""
    query = sa.select(approval).order_by(approval.c.posted_at.desc(), approval.c.id).limit(limit)
    if states:
        query = query.where(approval.c.state.in_(list(states)))
    if by is not None:
        query = query.where(approval.c.person == by)
    with library.read() as connection:
        return [_approval(row) for row in connection.execute(query).mappings()]


def counts(library: Library) -> dict[str, int]:
    """How many plans were put, by state."""
    query = sa.select(approval.c.state, sa.func.count()).group_by(approval.c.state)
    with library.read() as connection:
        return {str(state): int(number) for state, number in connection.execute(query)}


def spent_km2(library: Library, now: datetime) -> dict[str, float]:
    """Budget's name -> what is spent, held or approved in the month."""
    with library.read() as connection:
        return _spent(connection, rules.month_begin(now))


def _end(library: Library, plan_id: str, state: ApprovalState, *, by: str, reason: str, now: datetime) -> Approval:
    expire(library, now)
    waits = (approval.c.id == plan_id, approval.c.state == ApprovalState.WAITING)
    values = {"state": state, "decided_by": by, "decided_at": now, "reason": reason}
    with library.write() as connection:
        if connection.execute(sa.update(approval).where(*waits).values(values)).rowcount == 1:
            _note(connection, plan_id, state, by, now)
            return _known(connection, plan_id)
    found = get(library, plan_id)
    who = f" by {found.decided_by}" if found.decided_by else ""
    raise Conflict(f"Plan {plan_id} was {found.state}{who} already.", hint="It is not changed any more.")


def _known(connection: sa.Connection, plan_id: str) -> Approval:
    return _approval(connection.execute(_SEEN, {"asked": plan_id}).mappings().one())


def _seen(connection: sa.Connection, plan_id: str) -> Approval | None:
    row = connection.execute(_SEEN, {"asked": plan_id}).mappings().one_or_none()
    return None if row is None else _approval(row)


def _rule(connection: sa.Connection) -> TeamRule:
    text = connection.execute(sa.select(kv.c.value).where(kv.c.key == RULE)).scalar_one_or_none()
    return TeamRule() if text is None else TeamRule(**json.loads(text))


def _spent(connection: sa.Connection, since: datetime) -> dict[str, float]:
    said_yes = (approval.c.state == ApprovalState.APPROVED, approval.c.decided_at >= since)
    columns = (approval.c.plan_id, approval.c.person, approval.c.project, approval.c.km2)
    approved = list(connection.execute(sa.select(*columns).where(*said_yes)))
    mine = sa.select(approval.c.plan_id).where(*said_yes)
    counted = sa.func.sum(ledger.c.held_km2) + sa.func.sum(ledger.c.spent_km2)
    rows = sa.select(ledger.c.batch_id, counted).where(ledger.c.batch_id.in_(mine)).group_by(ledger.c.batch_id)
    booked = {batch_id: float(km2) for batch_id, km2 in connection.execute(rows)}
    sums: dict[str, float] = {}
    for plan_id, person, project, km2 in approved:
        for name in rules.budget_names(person, project):
            sums[name] = sums.get(name, 0.0) + booked.get(plan_id, km2 or 0.0)
        if plan_id in booked:
            booked[plan_id] = 0.0  # asked about twice, but booked once
    return sums


def _note(connection: sa.Connection, plan_id: str, state: ApprovalState, by: str, at: datetime) -> None:
    connection.execute(sa.insert(approval_event), {"at": at, "approval_id": plan_id, "state": state, "by": by})


def _known_km2(one: Approval) -> float | None:
    return None if math.isnan(one.km2) else one.km2


def _row(one: Approval) -> dict[str, Any]:
    row = {column.name: getattr(one, column.name) for column in approval.c if column.name != "person"}
    texts = {"document": json.dumps(one.document), "why": json.dumps(one.why)}
    return {**row, **texts, "person": one.by, "km2": _known_km2(one)}


def _approval(row: sa.RowMapping) -> Approval:
    values = {name: value for name, value in row.items() if name != "person"}
    values |= {"by": row["person"], "km2": math.nan if row["km2"] is None else row["km2"]}
    values |= {"document": json.loads(row["document"]), "why": tuple(json.loads(row["why"]))}
    return Approval(**values | {"state": ApprovalState(row["state"])})
