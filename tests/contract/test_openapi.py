"""Routes of Planet's side under what their description allows and forbids: an answer, never a fault of the server."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from teaming import team

from planet_assets.library.engine import Library

TAGS = {"planet", "plans"}
CASES, MANY = 50, 20_000


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    library = Library(tmp_path_factory.mktemp("openapi") / "library.db")
    with team(library) as running:
        yield running
    library.close()


def operations(office):
    """The operations of this side, and the figures."""
    document = office.of("").get("/v1/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    found = [each.ok() for each in schema.get_all_operations()]
    return [one for one in found if TAGS & set(one.definition.raw.get("tags", ())) or one.path == "/metrics"]


def play(office, examples):
    """So many cases over all operations."""
    known = operations(office)
    assert len(known) > 12
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    cases = st.one_of([one.as_strategy(generation_mode=mode) for one in known for mode in modes])
    people = st.sampled_from(["root", "eve", "ann", "gus"])

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, who=people)
    def never_a_fault(case, who):
        secret = office.secrets[who]
        answer = case.call(base_url=office.url, headers={"Authorization": f"Bearer {secret}"}, timeout=20)
        assert answer.status_code < 500, f"{case.method} {case.formatted_path}: {answer.status_code} {answer.text}"

    never_a_fault()
    assert office.of("").get("/health").status_code == 200


def test_no_case_is_a_fault(office):
    play(office, CASES)


@pytest.mark.soak
def test_no_case_of_many_is_a_fault(office):
    play(office, MANY)
