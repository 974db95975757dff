"""`mmmeta` as its users call it: publishers, consumers, local state; and what mmmeta does wrong is not done here."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime

import pytest
from commands import Desk

from planet_assets.compat.metadir import StoreError, ValidationError, mmmeta
from planet_assets.exceptions import AssetError, Misused

SCENE = "20220617_100823_37_2465"


@pytest.fixture
def base(tmp_path):
    """A publisher's folder: two files with metadata."""
    put(tmp_path, "b", content_hash="b", title="B", cloud_cover=0.0, publisher={"name": "P"}, tags=["x", "y"])
    put(tmp_path / "deep", "a", content_hash=SCENE, title="A", foreign_id="0123", clear=False, count=7)
    return tmp_path


def put(folder, name, **record):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(record))


def configure(base, text):
    (base / "_mmmeta").mkdir(exist_ok=True)
    (base / "_mmmeta" / "config.yml").write_text(text)


def test_publish_and_merge_count_what_they_find(base):
    m = mmmeta(base)
    assert m.generate() == (0, 2, 0, 0, 0)
    assert m.generate() == (0, 0, 0, 0, 2)
    assert m.update() == (0, 2, 0, 0, 0)
    assert m.update() == (0, 0, 0, 0, 2)
    put(base, "b", content_hash="b", title=None)
    assert m.generate() == (1, 0, 0, 0, 1)
    assert len(list((base / "_mmmeta" / "db").iterdir())) == 2, "a pass without news writes nothing"
    assert m.update() == (1, 0, 0, 0, 1)
    changed = m.files.find_one(content_hash="b")
    assert changed["title"] is None and changed["cloud_cover"] == 0.0, "what a record leaves out is no change"
    assert len(m) == 2 == m.inspect()["files"]


def test_values_keep_their_kinds(base):
    m = mmmeta(base)
    m.generate()
    m.update()
    scene, other = m.files.find_one(content_hash=SCENE), m.files.find_one(content_hash="b")
    assert scene.uid == SCENE and scene["foreign_id"] == "0123" and scene["clear"] is False and scene["count"] == 7
    assert other["cloud_cover"] == 0.0 and isinstance(other["cloud_cover"], float)
    assert other["tags"] == ["x", "y"] and other["publisher:name"] == "P"
    assert other["never heard of"] is None and "title" in other and SCENE in {file.name for file in m.files}


def test_a_column_never_bends_a_value(base):
    m = mmmeta(base)
    m.generate()
    for value in (True, "0123", 7, 0, 0.0, "", "1e5", datetime(2025, 1, 1, tzinfo=UTC), 2**70, float("inf"), [1], None):
        file = m.files.find_one(content_hash="b")
        file["note"] = value
        file.save()
        again = mmmeta(base).files.find_one(content_hash="b")["note"]
        assert again == value or (again, value) in ((str(2**70), 2**70), ("[1]", [1]), ("2025-01-01 00:00:00", value))


def test_the_loop_of_a_consumer(base):
    m = mmmeta(base)
    m.generate()
    m.update()
    for file in m.files.find(imported=False):
        file["imported"] = True
        file.save()
    assert list(m.files.find(imported=False)) == [] and len(list(m.files.find(imported=True))) == 2
    put(base, "c", content_hash="c", title="C")
    m.generate()
    assert m.update() == (0, 1, 0, 0, 2)
    assert [file.uid for file in m.files(imported=False)] == ["c"]
    assert m.update(replace=True) == (0, 3, 0, 0, 0)
    assert len(list(m.files(imported=False))) == 3


def test_news_are_seen_without_a_call(base):
    m = mmmeta(base)
    m.generate()
    assert [file["title"] for file in m.files(title="A")] == ["A"]
    put(base, "c", content_hash="c", title="A")
    m.generate()
    assert len(list(mmmeta(base).files(title="A"))) == 2


def test_own_keys_outlive_remote_ones(base):
    m = mmmeta(base)
    m.generate()
    file = m.files.find_one(content_hash="b")
    file["title"] = "mine"
    file.save()
    put(base, "b", content_hash="b", title="theirs", cloud_cover=0.5)
    m.generate()
    m.update()
    assert (m.files.find_one(content_hash="b")["title"], m.files.find_one(content_hash="b")["cloud_cover"]) == (
        "mine",
        0.5,
    )


def test_two_who_save_the_same_file_do_not_undo_one_another(base):
    m = mmmeta(base)
    m.generate()
    one, other = m.files.find_one(content_hash="b"), m.files.find_one(content_hash="b")
    one["seen"], other["imported"] = True, True
    one.save()
    other.save()
    both = m.files.find_one(content_hash="b")
    assert both["seen"] and both["imported"]


def test_what_goes_is_noted_once_and_may_come_back(base):
    m = mmmeta(base)
    m.generate(ensure_metadata=True)
    m.update()
    (base / "b.json").rename(base / "b.away")
    assert m.generate() == (0, 0, 0, 0, 1), "nothing goes unless asked"
    assert m.generate(ensure_metadata=True) == (0, 0, 0, 1, 1)
    assert m.generate(ensure_metadata=True) == (0, 0, 0, 0, 1)
    assert m.update()[3] == 1 and m.update()[3] == 0
    assert [file.uid for file in m.files] == [SCENE] and len(m) == 1
    [gone] = m.files.find(__deleted=1)
    assert gone["__deleted_reason"] == "meta-missing" and gone["__deleted_at"].tzinfo is UTC
    (base / "b.away").rename(base / "b.json")
    assert m.generate(ensure_metadata=True) == (1, 0, 0, 0, 1)
    assert m.update() == (1, 0, 0, 0, 1)
    assert len(m) == 2 and m.files.find_one(content_hash="b")["__deleted"] is None


def test_missing_files_are_noted(base):
    configure(base, "metadata:\n  file_name: title\n")
    (base / "A").write_text("the file")
    m = mmmeta(base)
    m.generate(ensure_files=True)
    assert [file["title"] for file in m.files] == ["A"]
    assert [file["__deleted_reason"] for file in m.files.find(__deleted=1)] == ["original-missing"]
    assert m.generate(ensure_files=True) == (0, 0, 0, 0, 2)
    (base / "B").write_text("here it is")
    assert m.generate(ensure_files=True) == (1, 0, 0, 0, 1) and len(m) == 2


def test_what_vanished_from_the_history_is_missing_but_own_rows_stay(base):
    m = mmmeta(base)
    m.generate()
    m.update()
    m.files.insert(content_hash="own", title="pushed straight to the cloud")
    (base / "b.json").unlink()
    assert m.generate(replace=True) == (0, 1, 0, 0, 0)
    assert m.update()[3] == 2
    assert {file["__deleted_reason"] for file in m.files.find(__deleted=1)} == {"state-missing"}
    m.files.upsert({"content_hash": "own", "title": "again"})
    assert {file.uid for file in m.files} == {SCENE, "own"}


def test_one_bad_file_does_not_stop_the_rest(base, caplog):
    (base / "aa.json").write_text('{"content_hash": "x"')
    (base / "ab.json").write_text("[]")
    (base / "ac.json").write_bytes(b"\xff\xfe")
    (base / "ad.json").write_text('{"content_hash": "y", "cloud_cover": Infinity}')
    put(base, "ae", title="no name")
    m = mmmeta(base)
    assert m.generate() == (0, 2, 5, 0, 0)
    assert "Missing keys: content_hash" in caplog.text


def test_a_segment_that_cannot_be_read_takes_nothing_away(base, caplog):
    m = mmmeta(base)
    m.generate()
    m.update()
    [segment] = (base / "_mmmeta" / "db").iterdir()
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-40])
    assert m.update() == (0, 0, 0, 0, 0) and len(m) == 2
    assert m.generate(ensure_metadata=True)[3] == 0 and "passed over" in caplog.text
    with pytest.raises(AssetError, match="nothing is squashed"):
        m.squash()


def test_configuration(base):
    configure(
        base,
        "metadata:\n  unique: title\n  file_name: foreign_id\n  required: [clear]\n  include: ['publisher:name']\n"
        "remote:\n  url: https://x.test/{foreign_id}\n  uri: s3://y/{nothing}\n",
    )
    m = mmmeta(base)
    assert m.generate() == (0, 1, 1, 0, 0), "B has neither foreign_id nor clear"
    [file] = m.files
    assert set(file.serialize()) >= {"title", "foreign_id", "clear", "url"} and file["count"] is None
    assert file.remote.url == "https://x.test/0123" and not hasattr(file.remote, "uri") and file.name == "0123"
    assert m.config.unique == "title" and "remote" in m.config and m.config["metadata"]["required"] == ["clear"]
    with pytest.raises(ValidationError, match="Missing keys: clear"):
        m.files.validate({"title": "x", "foreign_id": "y"})


def test_another_key_may_name_records(base):
    m = mmmeta(base)
    m.generate()
    m.update()
    file = m.files.find_one(title="A")
    file["imported"] = True
    file.save()
    configure(base, "metadata:\n  unique: title\n")
    other = mmmeta(base)
    other.generate(replace=True)
    other.update()
    assert [each["imported"] for each in other.files.find(title="A")] == [True] and len(other) == 2
    configure(base, "metadata:\n  unique: id\n")
    put(base, "d", id=5)
    third = mmmeta(base)
    assert third.generate()[1] == 1 and third.update()[1] == 1 and third.files.find_one(id="5").uid == "5"


def test_cleanup_keeps_what_is_configured_and_own(base):
    m = mmmeta(base)
    m.generate()
    file = m.files.find_one(title="A")
    file["imported"] = True
    file.save()
    configure(base, "metadata:\n  include: [title]\n")
    other = mmmeta(base)
    other.update(cleanup=True)
    assert {name for name in other.files.columns if name[:2] != "__"} == {"content_hash", "title", "imported"}


def test_files_without_metadata(tmp_path):
    (tmp_path / "z").mkdir()
    for name in ("z/b.pdf", "a.pdf"):
        (tmp_path / name).write_text(name)
    m = mmmeta(tmp_path)
    assert m.generate(no_meta=True) == (0, 2, 0, 0, 0) == (0, m.generate(no_meta=True)[4], 0, 0, 0)
    assert [file["file_path"] for file in m.files] == ["a.pdf", "z/b.pdf"], "in order, whatever the disk says"
    assert m.files.find_one(file_name="b.pdf")["modified_at"].tzinfo is UTC


def test_inserting_publishes(base):
    m = mmmeta(base)
    assert m.files.insert(content_hash="n", title="N") == "n"
    with pytest.raises(Misused, match="there already"):
        m.files.insert({"content_hash": "n"})
    with pytest.raises(ValidationError):
        m.files.insert(title="nameless")
    assert m.files.upsert({"title": "N", "size": 5}, ["title"]) == "n"
    assert m.files.upsert_many([{"content_hash": "n", "size": 5}, {"content_hash": "o"}]) == ["o"]
    other = base / "other"
    other.mkdir()
    (base / "_mmmeta" / "db").rename(base / "moved")
    (other / "_mmmeta").mkdir()
    (base / "moved").rename(other / "_mmmeta" / "db")
    assert {file.uid: file["size"] for file in mmmeta(other).files} == {"n": 5, "o": None}


def test_questions(base):
    m = mmmeta(base)
    for number in range(5):
        m.files.insert(content_hash=f"q{number}", n=number, at=f"2025-01-0{number + 1}T10:00:00", word=f"w{number}")

    def found(**asked):
        return [file.uid for file in m.files.find(order_by="content_hash", **asked)]

    assert found(n=0) == ["q0"] == found(n="0") and found(n=[1, 2]) == ["q1", "q2"]
    assert found(n={"gt": 1, "<=": 3}) == ["q2", "q3"] == found(n={"between": [2, 3]})
    assert found(n={"!=": 0, "notin": [1, 2]}) == ["q3", "q4"]
    assert found(word={"like": "%2"}) == ["q2"] == found(word={"endswith": "2"}) and len(found(word=None)) == 0
    assert found(at=date(2025, 1, 2)) == ["q1"] and found(at={">=": datetime(2025, 1, 4)}) == ["q3", "q4"]
    assert found(nothing=False) == found() and found(nothing=1) == [] and len(found(nothing=None)) == 5
    assert [file.uid for file in m.files.find(order_by=["-n"], _limit=2, _offset=1)] == ["q3", "q2"]
    assert m.files.count(n={"lt": 2}) == 2 and {"content_hash": "q1"} in m.files
    assert m.files.distinct("n")[0] == {"n": 0} and "word" in m.files.columns
    assert m.files.update({"content_hash": "q1", "done": True}) == 1 and found(done=True) == ["q1"]
    assert m.files.delete(content_hash="q4") == 1 and m.files.count() == 4
    with pytest.raises(Misused, match="no operator 'near'"):
        found(n={"near": 1})


def test_store(base):
    m = mmmeta(base)
    m.store["new_files"] = 17
    m.touch("my_ts_key")
    m.store["scene"], m.store["share"], m.store["done"], m.store["code"] = SCENE, 0.0, True, "0123"
    other = mmmeta(base).store
    assert [other[key] for key in ("new_files", "scene", "share", "done", "code")] == [17, SCENE, 0.0, True, "0123"]
    assert other["absent"] is None and other["store_last_updated"] >= other["my_ts_key"]
    assert [key for key, _ in other] == sorted(dict(other)) and "new_files: 17" in other.to_string()
    for key in ("a/b", "", ".hidden"):
        with pytest.raises(StoreError, match="illegal key"):
            m.store[key] = 1


def test_times_and_dump(base):
    m = mmmeta(base)
    assert m.last_touched is None and m.state_last_updated is None
    m.generate()
    m.update()
    assert m.meta_last_updated <= m.state_last_updated <= m.last_touched
    out = io.StringIO()
    m.dump(out)
    head, *rows = out.getvalue().splitlines()
    assert head.startswith("content_hash,") and len(rows) == 2 and any(row.startswith(f"{SCENE},") for row in rows)


def test_squashed_history_says_the_same(base):
    m = mmmeta(base)
    m.generate()
    put(base, "b", content_hash="b", title=None)
    m.generate()
    before = [file.serialize() for file in mmmeta(base).files]
    m.squash()
    assert len(list((base / "_mmmeta" / "db").iterdir())) == 3
    m.squash(prune=True)
    assert len(list((base / "_mmmeta" / "db").iterdir())) == 1
    assert m.update() == (0, 0, 0, 0, 2) and [file.serialize() for file in m.files] == before


WORK = """
import sys
from planet_assets.compat.metadir import mmmeta
m = mmmeta(sys.argv[1])
print(flush=True)
for number in range(5):
    m.files.insert(content_hash=f"{sys.argv[2]}-{number}")
    m.update()
"""


def test_any_number_may_work_at_once(base):
    mmmeta(base).generate()
    runs = [subprocess.Popen([sys.executable, "-c", WORK, str(base), str(n)], stdout=-1, stderr=-1) for n in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: mmmeta(base).files.insert(content_hash=f"t{n}"), range(8)))
        list(pool.map(lambda n: mmmeta(base).update(), range(4)))
    for run in runs:
        _, errors = run.communicate(timeout=60)
        assert run.returncode == 0, errors.decode()
    assert len(mmmeta(base)) == 2 + 8 + 10


def test_commands(base, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    desk = Desk(home)

    def run(*words):
        done = desk.run("metadir", *words)
        assert done.code == 0, done.err
        return done

    done = run("--metadir", str(home), "--files-root", str(base), "generate", "--ensure")
    assert done.json()["added"] == 2, "the files root counts"
    desk.environment |= {"MMMETA": str(home), "LOG_FORMAT": "JSON"}
    done = run("update")
    assert done.json()["added"] == 2 and json.loads(done.err.splitlines()[0])["severity"] == "INFO"
    assert run("inspect").json()["files"] == 2
    run("squash")
    assert len(run("--log-level", "error", "dump").out.splitlines()) == 3
    desk.environment |= {"MMMETA_FILES_ROOT": str(base / "deep"), "LOGGING": "ERROR"}
    done = run("generate")
    assert done.json()["skipped"] == 1 and done.err == ""


def test_mistakes_are_said_in_one_line(base):
    configure(base, "metadata: [")
    done = Desk(base).run("metadir", "--metadir", str(base), "update")
    assert done.code and "config.yml cannot be read" in done.err and "Traceback" not in done.err
    with pytest.raises(Misused, match="no folder"):
        mmmeta(base / "deep", base / "nowhere").generate()
