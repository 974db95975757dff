"""mmmeta 0.4.4 itself: its folders are read here, ours are read there, and a consumer may go from one to the other."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from planet_assets.compat.metadir import mmmeta

CONFIG = """
metadata:
  file_name: name
  include: [title, cloud_cover, code, count, clear, "publisher:name"]
remote:
  url: https://x.test/{name}
"""

THEIRS = """
import json, sys
from mmmeta import mmmeta
m = mmmeta(sys.argv[1])
for step in sys.argv[2:]:
    if step == "mark":
        for file in m.files.find(title="A"):
            file["imported"] = True
            file.save()
    elif step == "store":
        m.store["new_files"] = 17
    else:
        print(json.dumps(getattr(m, step)()))
print(json.dumps([f.serialize() for f in sorted(m.files, key=lambda f: f.uid)] if m._db.has_table("files") else [],
    default=str))
print(json.dumps(m.store.serialize(), default=str))
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "_mmmeta").mkdir()
    (tmp_path / "_mmmeta" / "config.yml").write_text(CONFIG)
    put(tmp_path, "a", title="A", cloud_cover=0.25, code="0123", count=7, publisher={"name": "P"})
    put(tmp_path, "b", title='B, "quoted"\nand so on', cloud_cover=0.0, clear=False)
    return tmp_path


def put(base: Path, name: str, **record: Any) -> None:
    (base / f"{name}.json").write_text(json.dumps({"content_hash": f"{name}_hash", "name": f"{name}.tif", **record}))


def theirs(outside: Path, base: Path, *steps: str) -> list[Any]:
    """What mmmeta prints: a line for each step that answers, its files, its store."""
    done = subprocess.run(
        [outside / "python", "-c", THEIRS, base, *steps], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_their_folder_is_read_here(outside: Path, base: Path) -> None:
    assert theirs(outside, base, "generate")[0] == [0, 2, 0, 0, 0]
    put(base, "a", title="A", cloud_cover=0.5, code=None)
    theirs(outside, base, "generate", "update", "mark", "squash", "store")
    put(base, "c", title="C")
    theirs(outside, base, "generate")
    m = mmmeta(base)
    assert m.store["new_files"] == 17 and m.store["meta_last_updated"] is not None
    a, b, c = m.files.find(order_by="content_hash")
    assert (a["title"], a["cloud_cover"], a["code"], a["count"], a["publisher:name"]) == ("A", 0.5, None, 7, "P")
    assert a["imported"] is True and a.remote.url == "https://x.test/a.tif", "what they did is not lost"
    assert b["title"] == 'B, "quoted"\nand so on' and c["title"] == "C"
    assert [file.uid for file in m.files.find(imported=False)] == ["b_hash", "c_hash"]
    assert m.update() == (0, 0, 0, 0, 3)
    assert m.generate() == (1, 0, 0, 0, 2), "b's zero, which they had lost"
    m.update()
    assert m.files.find_one(content_hash="b_hash")["cloud_cover"] == 0.0
    assert m.update() == (0, 0, 0, 0, 3) == m.generate()


def test_ours_is_read_there(outside: Path, base: Path) -> None:
    m = mmmeta(base)
    m.generate()
    put(base, "a", title="A", cloud_cover=0.5, code=None)
    m.generate()
    m.store["new_files"] = 17
    counts, files, store = theirs(outside, base, "update")
    assert counts == [0, 2, 0, 0, 0] and store["new_files"] == 17
    a, b = files
    assert (a["title"], a["cloud_cover"], a["code"], a["count"], a["publisher:name"]) == ("A", 0.5, None, 7, "P")
    assert a["url"] == "https://x.test/a.tif" and b["title"] == 'B, "quoted"\nand so on' and b["cloud_cover"] == 0
    m.squash()
    (base / "_mmmeta" / "state.db").unlink()
    counts, *_ = theirs(outside, base, "update", "generate")
    assert counts == [0, 2, 0, 0, 0]
    (base / "b.json").unlink()  # it holds a zero, which they would publish as nothing
    assert theirs(outside, base, "generate")[0] == [0, 0, 0, 0, 1]


def test_a_consumer_may_go_to_and_fro(outside: Path, base: Path) -> None:
    m = mmmeta(base)
    m.generate()
    for file in m.files.find(title={"startswith": "B"}):
        file["imported"] = True
        file.save()
    _, files, _ = theirs(outside, base, "update", "mark")
    assert [bool(file["imported"]) for file in files] == [True, True]
    assert files[0]["code"] == 123, "what they make of 0123"
    again = mmmeta(base)
    again.update()
    a, b = again.files.find(order_by="content_hash", imported=True)
    assert a["code"] == "0123" and b["clear"] is False and len(again) == 2
    assert again.update() == (0, 0, 0, 0, 2)
