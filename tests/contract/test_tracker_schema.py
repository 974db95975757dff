"""Requests as schemathesis makes them from the service's own description: whatever is sent, the answer is no 5xx."""

from __future__ import annotations

import re

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from teams import running

REQUESTS = 1_000
SOAK = 50_000
STREAMS = re.compile(r"^/v1/events|^/socket")
"""Answers that do not end."""
ELSEWHERE = {"planet", "plans"}
"""Planet's side has a file of its own."""


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schema")
    with running(str(folder / "library.db"), files=folder / "files") as made:
        yield made


def operations(team):
    schema = schemathesis.openapi.from_dict(team.app.openapi())
    found = [one.ok() for one in schema.get_all_operations() if not STREAMS.match(one.ok().path)]
    return [one for one in found if not ELSEWHERE & set(one.definition.raw.get("tags", ()))]


def attack(team, number, *, name):
    """So many requests over all operations; statuses by operation."""
    cases = [one.as_strategy() for one in operations(team)]
    seen: dict[str, set[int]] = {}

    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(cases))
    def send(case):
        headers = {"Authorization": f"Bearer {team.secrets[name]}"} if name else {}
        reply = case.call(base_url=team.url, headers=headers, timeout=20)
        seen.setdefault(f"{case.method} {case.path}", set()).add(reply.status_code)
        assert reply.status_code < 500 or reply.status_code == 501, (case.as_curl_command(), reply.text)

    send()
    return seen


def test_nothing_that_is_sent_is_a_mistake_of_ours(team):
    with team.option(auth=False):
        seen = attack(team, REQUESTS, name=None)
    assert len(seen) > 30
    assert {200, 400, 404} <= set().union(*seen.values())


def test_nor_of_somebody_who_may_do_little(team):
    seen = attack(team, 25, name="guest")
    assert 403 in set().union(*seen.values())


@pytest.mark.soak
def test_nothing_of_fifty_thousand(team):
    with team.option(auth=False):
        attack(team, SOAK, name=None)
