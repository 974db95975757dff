"""Two sites and a hub: files and packages are found, published, sent, fetched, changed, and never written over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hubs import hub

from planet_assets.cli.main import run
from planet_assets.exceptions import AssetError, DiskProblem, Unsafe
from planet_assets.flow import scan
from planet_assets.flow.carrier import Carrier
from planet_assets.flow.clock import RealClock
from planet_assets.library import bundles
from planet_assets.library.engine import Library
from planet_assets.rules import packages
from planet_assets.sites.tracker import Tracker

QUIET = scan.Rules(quiet_s=0.0)


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    with hub(tmp_path_factory.mktemp("hub")) as made, Tracker(made.url) as tracker:
        for site in ("hub", "paris", "rome"):
            tracker.ask("POST", "/v1/sites", json={"name": site}) if site != "hub" else made.site
        tracker.ask("POST", "/api/upsert/", json={"_id": "rsyncGlobalParameters", "syncEverywhere": True})
        yield made


@pytest.fixture
def sites(there, tmp_path):
    """Carriers of two sites, with folders of their own; what other tests left is gone."""
    with Tracker(there.url) as tracker:
        for one in tracker.ask("GET", "/api/search/*"):
            if one.startswith("/"):
                tracker.ask("DELETE", "/api/delete/", json=one)
        made = []
        for site in ("paris", "rome"):
            (tmp_path / site).mkdir()
            named = {"tracker": tracker, "site": site, "hub": "hub", "agent": f"agent of {site}"}
            made.append(Carrier(root=tmp_path / site, clock=RealClock(), rules=QUIET, **named))
        yield made


def write(root, name, data, age_s=100):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    when = time.time() - age_s
    os.utime(path, (when, when))


def files(root):
    found = [path for path in root.rglob("*") if path.is_file() and ".planet-assets" not in path.parts]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def went(carrier):
    return [(one.verb, one.element_id, one.error) for one in carrier.one_pass()]


def element(carrier, name):
    return carrier.tracker.ask("POST", "/api/read/", json=name)


def test_a_file_goes_by_way_of_the_hub(sites):
    paris, rome = sites
    write(paris.root, "aoi/a b.tif", b"first")
    assert went(paris) == [("scanned", "/aoi/a b.tif", ""), ("sent", "/aoi/a b.tif", "")]
    assert went(rome) == [("fetched", "/aoi/a b.tif", "")]
    assert files(rome.root) == {"aoi/a b.tif": b"first"}
    assert went(paris) == [] and went(rome) == [], "nothing is left, and what came is not found new"
    shown = element(paris, "/aoi/a b.tif")
    assert shown["comment"] == "scanned at paris" and shown["author"] == "support" and shown["file_size"] == 5
    assert {"synced_paris", "synced_rome", "synced_hub"} <= set(shown)
    assert (rome.root / "aoi/a b.tif").stat().st_mtime_ns // 10**6 == shown["file_mtime"]


def test_a_change_goes_out_again_and_back(sites):
    paris, rome = sites
    write(paris.root, "a.tif", b"one")
    went(paris), went(rome)
    write(rome.root, "a.tif", b"two!", age_s=0)
    assert went(rome)[0] == ("modified", "/a.tif", "")
    assert element(paris, "/a.tif")["origin"] == "rome" and "modified_rome" in element(paris, "/a.tif")
    assert ("fetched", "/a.tif", "") in went(paris) and files(paris.root) == {"a.tif": b"two!"}
    write(paris.root, "a.tif", b"one", age_s=0)
    went(paris), went(rome)
    assert files(rome.root) == {"a.tif": b"one"}, "contents that come back are the newest"


def test_a_package_is_one_unit(sites):
    paris, rome = sites
    paris.rules = scan.Rules(quiet_s=0.0, packages=("*.shp.d",))
    for name in ("x.shp", "x.dbf", ".hidden", "deep/other.tif"):
        write(paris.root, f"roi.shp.d/{name}", name.encode())
    assert went(paris) == [("scanned", "/roi.shp.d/", ""), ("sent", "/roi.shp.d/", "")]
    assert went(rome) == [("fetched", "/roi.shp.d/", "")]
    assert files(rome.root) == {"roi.shp.d/x.shp": b"x.shp", "roi.shp.d/x.dbf": b"x.dbf"}
    write(paris.root, "roi.shp.d/x.prj", b"more", age_s=0)
    assert went(paris)[0] == ("modified", "/roi.shp.d/", "")
    rome.rules = paris.rules
    assert went(rome) == [("fetched", "/roi.shp.d/", "")] and len(files(rome.root)) == 3


def test_what_somebody_has_here_is_not_written_over(sites):
    paris, rome = sites
    write(paris.root, "a.tif", b"theirs")
    write(rome.root, "a.tif", b"mine")
    went(paris)
    [(_, name, error)] = [one for one in went(rome) if one[0] == "fetched"]
    assert name == "/a.tif" and "already" in error and files(rome.root) == {"a.tif": b"mine"}
    assert element(rome, "/a.tif")["syncError_rome"] == 1
    with rome.tracker._client.stream("GET", "/v1/sites") as answer:
        answer.read()
        assert {one["name"]: one["colour"] for one in answer.json()["sites"]}["rome"] == "red"


def test_the_same_bytes_are_adopted(sites):
    paris, rome = sites
    write(paris.root, "a.tif", b"same")
    write(rome.root, "a.tif", b"same")
    went(paris)
    assert ("fetched", "/a.tif", "") in went(rome) and "synced_rome" in element(rome, "/a.tif")


def test_a_file_that_is_gone_is_said_with_its_code(sites):
    paris, _ = sites
    write(paris.root, "a.tif", b"x")
    paris.scan(QUIET)
    (paris.root / "a.tif").unlink()
    [(verb, _, error)] = went(paris)
    assert verb == "sent" and "not at paris" in error and element(paris, "/a.tif")["syncError_hub"] == 23


def test_switches_and_locks(sites):
    paris, _ = sites
    write(paris.root, "a.tif", b"x")
    paris.tracker.ask("POST", "/api/upsert/", json={"_id": "paris", "enableEmission": False})
    assert went(paris) == [("scanned", "/a.tif", "")]
    paris.tracker.ask("POST", "/api/upsert/", json={"_id": "paris", "enableEmission": True, "enableDiscovery": False})
    write(paris.root, "b.tif", b"x")
    assert went(paris) == [("sent", "/a.tif", "")]
    shown = element(paris, "paris")
    assert shown["agentStatus"] == "on" and shown["last_scan"] and shown["last_emission"] >= shown["agentStartTime"]
    paris.tracker.ask("POST", "/api/upsert/", json={"_id": "rsyncGlobalParameters", "sleepBetweenScans": 3600})
    paris.tracker.ask("DELETE", "/api/delete/", json="paris")
    assert went(paris) == [], "it has scanned within the hour"
    paris.tracker.ask("PUT", "/api/update/", json={"_id": "rsyncGlobalParameters", "sleepBetweenScans": None})
    assert ("scanned", "/b.tif", "") in went(paris)


def test_scans(tmp_path):
    for name in ("a.tif", "b/c.tif", "b/c.tmp", ".git/x.tif", "b/skip/d.tif", "e\\f.tif"):
        write(tmp_path, name, b"12")
    write(tmp_path, "growing.tif", b"1", age_s=0)
    (tmp_path / "link.tif").symlink_to(tmp_path / "a.tif")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.tif")
    rules = scan.Rules(include=("*.tif",), exclude=("skip",))
    found = list(scan.scan(tmp_path, rules, now_s=time.time()))
    assert [(one.element_id, one.size_bytes) for one in found] == [("/a.tif", 2), ("/b/c.tif", 2)]
    told = scan.rules_of({"excludePatternRules": "b, *.x", "packagePatternRules": ["p"]}, rules)
    assert told.exclude == ("skip", "b", "*.x") and told.packages == ("p",)
    with pytest.raises(DiskProblem):
        list(scan.scan(tmp_path / "none", rules, now_s=0))
    for wrong in ("/loop/a.tif", "/../x", "/.planet-assets/x"):
        with pytest.raises(Unsafe):
            scan.inside(tmp_path, wrong)


def test_a_hostile_hub_writes_nowhere_else(sites, tmp_path):
    _, rome = sites
    (rome.root / "out").symlink_to(tmp_path)
    document = {"_id": "/out/evil.tif", "origin": "paris"}
    rome.tracker.ask("POST", "/api/create/", json=document)
    for name in ("/out/evil.tif", "/pkg/"):
        with pytest.raises(AssetError, match=r"link|not at hub"):
            rome._fetch({"_id": name}, lambda: None)
    assert not (tmp_path / "evil.tif").exists()
    with pytest.raises(Unsafe):
        packages.file_names("/pkg/", ["x==2E=2E=2Fevil"])


@pytest.mark.parametrize(
    ("kills", "count", "seed"), [(1, 6, 1), *(pytest.param(12, 40, n, marks=pytest.mark.soak) for n in range(5))]
)
def test_killed_anywhere_every_file_arrives_once(there, sites, tmp_path, kills, count, seed):
    paris, rome = sites
    chance = random.Random(seed)
    for number in range(count):
        write(paris.root, f"k{seed}/{number}.tif", chance.randbytes(400_000))
    variables = {**os.environ, "HOME": str(tmp_path), "PLANET_ASSETS_CONFIG": str(tmp_path / "c.toml")}
    starts = []
    for site in ("paris", "rome"):
        library = Library(tmp_path / f"{site}.db")
        bundles.add_site(library, site, str(tmp_path / site), {})
        bundles.add_site(library, "tracker", there.url, {})
        library.close()
        words = ["site", "carry", site, "--tracker", "tracker", "--quiet-for", "0", "--every", "0.1"]
        starts.append(([sys.executable, "-m", "planet_assets", *words], f"{site}.db"))

    def start(which):
        command, name = starts[which]
        environment = {**variables, "PLANET_ASSETS_LIBRARY": str(tmp_path / name)}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    runs = [start(0), start(1)]
    for turn in range(kills):
        time.sleep(0.6 + chance.random())
        runs[turn % 2].send_signal(signal.SIGKILL)
        runs[turn % 2].communicate()
        whole = files(paris.root)
        assert all(whole[name] == data for name, data in files(rome.root).items()), "what is visible is whole"
        runs[turn % 2] = start(turn % 2)
    for _ in range(300):
        if files(rome.root) == files(paris.root):
            break
        time.sleep(0.1)
    for one in runs:
        one.send_signal(signal.SIGTERM)
        out, _ = one.communicate(timeout=30)
        assert one.returncode == 0 and b"Traceback" not in out, out
    assert files(rome.root) == files(paris.root)
    sent = {packages.bundle_name(f"/k{seed}/{number}.tif") for number in range(count)}
    ready = [
        bundles.get(there.library, event[3]).name for event in bundles.events(there.library) if event[2] == "ready"
    ]
    assert sorted(name for name in ready if name in sent) == sorted(sent), "exactly once"


def test_the_commands(there, sites, tmp_path, monkeypatch, capsys):
    paris, _ = sites
    monkeypatch.setenv("PLANET_ASSETS_LIBRARY", str(tmp_path / "library.db"))
    monkeypatch.setenv("PLANET_ASSETS_CONFIG", str(tmp_path / "config.toml"))
    for name, address in (("paris", str(paris.root)), ("tracker", there.url), ("gone", str(Path("/nowhere/x")))):
        assert run(["site", "add", name, address]) == 0
    write(paris.root, "a.tif", b"x")
    capsys.readouterr()
    assert run(["site", "scan", "paris", "--tracker", "tracker", "--exclude", "*.tif", "--text"]) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert run(["site", "scan", "paris", "--tracker", "tracker", "--text"]) == 0
    assert capsys.readouterr().out == "scanned /a.tif\n"
    assert run(["site", "carry", "paris", "--tracker", "tracker", "--once", "--text"]) == 0
    assert capsys.readouterr().out == "sent /a.tif\n"
    assert run(["site", "scan", "paris", "--tracker", "paris"]) == 2
    assert run(["site", "scan", "gone", "--tracker", "tracker"]) == 1
