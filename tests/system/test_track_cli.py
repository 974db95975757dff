"""`track`: listings of scenes and of foreign records, week by week, without key or network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def scene(scene_id: str, stage: str = "finalized", **more: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": scene_id, "properties": {"publishing_stage": stage, **more}, "geometry": None}


def test_scenes_week_by_week(desk: Desk) -> None:
    first = [scene("20250101_100000_37_2465", "preview"), scene("b", updated="2025-01-02")]
    assert desk.run("track", desk.saved(first), "--name", "milan").json()["new"] == ["20250101_100000_37_2465", "b"]
    drifted = [scene("20250101_100000_37_2465"), scene("b", updated="2025-01-09", cloud_cover=0.5)]
    told = desk.run("track", desk.saved(drifted), "--name", "milan", "--complete", "--dry-run").json()
    assert told["modified"] == ["20250101_100000_37_2465"] and told["unchanged_count"] == 1
    assert desk.run("track", desk.saved(drifted[1:]), "--name", "milan", "--complete").json()["gone"] == [
        "20250101_100000_37_2465"
    ]
    text = desk.run("track", desk.saved(drifted), "--name", "milan", "--text").out
    assert "1 modified" in text and "(1 came back)" in text and "20250101_100000_37_2465" in text


def test_foreign_records_go_by_their_own_fields(desk: Desk) -> None:
    path = desk.folder / "api.json"
    path.write_text(json.dumps({"assets": [{"uuid": "0123", "etag": "x", "n": 1}, {"uuid": "b", "etag": "y"}]}))
    assert desk.run("track", path, "--name", "api").json()["new"] == ["0123", "b"]
    path.write_text(json.dumps({"assets": [{"uuid": "0123", "etag": "x", "n": 2}, {"uuid": "b", "etag": "z"}]}))
    assert desk.run("track", path, "--name", "api", "--dry-run").json()["modified"] == ["b"]
    assert desk.run("track", path, "--name", "api", "--changes", "n").json()["modified"] == ["0123", "b"]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ('[{"name": "x"}]', (), "has no id or assetId or uuid"),
        ("{broken", (), "no JSON"),
        ("[3]", (), "not a record"),
        ("[]", ("--complete",), "needs a name"),
    ],
)
def test_what_cannot_be_meant_is_refused(desk: Desk, text: str, options: tuple[str, ...], said: str) -> None:
    path = desk.folder / "api.json"
    path.write_text(text)
    answer = desk.run("track", path, *options)
    assert answer.code == 2 and said in answer.err
