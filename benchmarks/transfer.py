"""10 x 100 MB, 8 at once, from an nginx on loopback, plain and by TLS, with md5 and without, beside the peers.

What is timed is the transfer itself: Python peers and ours without their imports, curl and aria2 as whole processes.
Ours always hashes, looks into the TIFF, flushes and places; so it appears once and is held against both kinds of peers.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import resource
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.runs import PEERS, Broken, Ran, in_turns, run, scratch, told, worker
from benchmarks.server import Served, serving
from benchmarks.table import Row, faster, missing

AT_ONCE = 8
CAPPED = 4
"""Files fetched over the capped link."""
MOST_RSS_MIB = 60
TARGETS = {
    "http": {"curl --parallel": 1.2, "aria2": 2.0, "planet SDK": 5.0},
    "https": {"curl --parallel": 0.9, "planet SDK": 3.5, "stac-asset": 1.6},
    "md5": {"aria2, checksum": 1.7, "planet SDK, md5": 3.0},
}
"""Least ratios by scheme and peer; those under md5 hold for both schemes."""

DIAGNOSIS = "ours, digest left out"


def rows(quick: bool) -> list[Row]:
    """Measure every client on both schemes."""
    count, size = (3, 4_000_000) if quick else (10, 100_000_000)
    lines: list[Row] = []
    with scratch(3 * count * size) as folder:
        told("transfer", "make", folder, str(count), str(size))
        with serving(folder) as served:
            for scheme in ("http", "https"):
                took = in_turns(_runs(folder, served, scheme), 1 if quick else 3)
                lines += _lines(scheme, took, f"{count} x {size / 1e6:.0f} MB")
            lines.append(_capped(folder, served, size))
    return lines


def _capped(folder: Path, served: Served, size: int) -> Row:
    """A few files, one after the other, where each connection gets 5 MiB/s."""
    took = {
        str(most): run(worker("transfer", "capped", folder, f"{served.http}/capped", str(most)), before=_fresh(folder))
        for most in (1, 8)
    }
    one, many = (json.loads(took[most].out)["s"] for most in ("1", "8"))
    return Row(
        section="transfer",
        what=f"{CAPPED} x {size / 1e6:.0f} MB one by one, each connection capped at 5 MiB/s",
        ours=f"{many:.3g} s",
        peer="ours with one connection a file",
        theirs=f"{one:.3g} s",
        ratio=one / many,
        target=8.0,
        note="the first connections are trials, a second or two each",
    )


def _fresh(folder: Path) -> Callable[[], None]:
    def emptied() -> None:
        shutil.rmtree(folder / "got", ignore_errors=True)
        (folder / "got").mkdir()

    return emptied


def _runs(folder: Path, served: Served, scheme: str) -> dict[str, Callable[[], Ran]]:
    """Name -> a run that fetches all files anew."""
    base, certificate = served.base(scheme), served.certificate
    own = {"ours": "ours", DIAGNOSIS: "bare"}
    commands: dict[str, list[str | Path]] = {
        name: worker("transfer", task, folder, base, certificate) for name, task in own.items()
    }
    if shutil.which("curl"):
        commands["curl --parallel"] = _curl(folder, base, certificate)
    if shutil.which("aria2c"):
        commands["aria2"] = _aria2(folder, base, certificate, verified=False)
        commands["aria2, checksum"] = _aria2(folder, base, certificate, verified=True)
    python = PEERS / "bin" / "python"
    if python.exists():
        for name, task in (("planet SDK", "sdk"), ("planet SDK, md5", "sdk_md5"), ("stac-asset", "stac")):
            commands[name] = worker("transfer", task, folder, base, certificate, python=python)
    return {name: (lambda command=command: _once(folder, command)) for name, command in commands.items()}


def _once(folder: Path, command: Sequence[str | Path]) -> Ran:
    """One run into an empty folder; a worker's own clock counts where it has one."""
    ran = run(command, before=_fresh(folder))
    made = sum(path.stat().st_size for path in (folder / "got").iterdir() if path.suffix == ".tif")
    if made != sum(path.stat().st_size for path in (folder / "files").iterdir()):
        raise Broken("not all bytes arrived")
    if ran.out.strip().startswith("{"):
        ran = replace(ran, wall_s=json.loads(ran.out)["s"])
    return ran


def _names(folder: Path) -> dict[str, str]:
    """File name -> md5."""
    names: dict[str, str] = json.loads((folder / "md5.json").read_text())
    return names


def _curl(folder: Path, base: str, certificate: Path) -> list[str | Path]:
    outputs = [word for name in _names(folder) for word in ("-o", f"{folder}/got/{name}", f"{base}/{name}")]
    return ["curl", "-sS", "--fail", "--cacert", certificate, "--parallel", "--parallel-max", str(AT_ONCE), *outputs]


def _aria2(folder: Path, base: str, certificate: Path, *, verified: bool) -> list[str | Path]:
    wanted = folder / f"aria2-{base.partition(':')[0]}-{verified}.txt"
    lines = []
    for name, md5 in _names(folder).items():
        lines += [f"{base}/{name}", f"  dir={folder}/got", f"  out={name}"]
        lines += [f"  checksum=md5={md5}"] if verified else []
    wanted.write_text("\n".join(lines) + "\n")
    options = ["-q", "--no-conf", "--file-allocation=none", f"--ca-certificate={certificate}", "-x1", "-s1"]
    return ["aria2c", *options, f"-j{AT_ONCE}", "-i", wanted]


def _lines(scheme: str, took: dict[str, Ran | Broken], what: str) -> list[Row]:
    shown = f"{what}, {'TLS' if scheme == 'https' else 'http'}"
    absent = Broken("not installed")

    def against(name: str, peer: str, target: float | None, end: str, note: str) -> Row:
        return faster("transfer", shown + end, took[name], peer, took.get(peer, absent), target, note)

    plain = ("curl --parallel", "aria2", "planet SDK", "stac-asset")
    lines = [against("ours", peer, TARGETS[scheme].get(peer), "", "only ours hashes") for peer in plain]
    lines += [against("ours", peer, target, ", verified", "") for peer, target in TARGETS["md5"].items()]
    lines.append(against(DIAGNOSIS, "curl --parallel", None, f", {DIAGNOSIS}", "no product: tells what hashing costs"))
    return [*lines, _memory(shown, took["ours"])]


def _memory(shown: str, ours: Ran | Broken) -> Row:
    if isinstance(ours, Broken):
        return missing("transfer", f"{shown}: memory", "", str(ours), MOST_RSS_MIB)
    told_mib = json.loads(ours.out)
    return Row(
        section="transfer",
        what=f"{shown}: memory beyond imports",
        ours=f"{told_mib['rss']:.0f} MiB in all",
        ratio=told_mib["rss"] - told_mib["rss_before"],
        target=MOST_RSS_MIB,
        at_most=True,
        unit=" MiB",
    )


# What the workers do


def make(folder: Path, count: int, size: int) -> dict[str, int]:
    """Files that are whole TIFFs of incompressible pixels, and their digests."""
    import numpy as np
    import rasterio

    files, digests = folder / "files", {}
    files.mkdir()
    side = int((size / 4) ** 0.5)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 2, "dtype": "uint16", "crs": "EPSG:32632"}
    random = np.random.default_rng(5)
    for number in range(count):
        path = files / f"scene_{number:02d}.tif"
        with rasterio.open(path, "w", transform=rasterio.Affine(3, 0, 5e5, 0, -3, 5e6), **profile) as out:
            out.write(random.integers(0, 65536, (2, side, side), dtype="uint16"))
        digests[path.name] = hashlib.md5(path.read_bytes()).hexdigest()
    (folder / "md5.json").write_text(json.dumps(digests))
    return {"files": count}


def ours(folder: Path, base: str, certificate: str, *, hashing: bool = True) -> float:
    """Fetched, checked and placed by planet_assets."""
    import ssl

    from planet_assets.model.asset import Promise
    from planet_assets.transfer import check, parts, place
    from planet_assets.transfer.fetch import Fetcher

    if not hashing:
        parts.hashlib = _NoDigests()  # type: ignore[attr-defined]

    def one(name: str, md5: str) -> None:
        promise = Promise(media="tiff", md5=md5 if hashing else None)
        final = folder / "got" / name
        got = fetcher.fetch(f"{base}/{name}", place.part_path(final, md5[:12]), promise)
        check.check(got, promise)
        place.place(got, final)

    before = _rss_mib()
    began = time.perf_counter()
    trust = ssl.create_default_context(cafile=certificate)
    with Fetcher(verify=trust, trust_env=False) as fetcher, ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda wanted: one(*wanted), _names(folder).items()))
    return _said(began, before)


def capped(folder: Path, base: str, most: str) -> None:
    """A few files one by one, with up to so many connections each."""
    from planet_assets.model.asset import Promise
    from planet_assets.transfer import check, place
    from planet_assets.transfer.fetch import Fetcher
    from planet_assets.transfer.lanes import Lanes

    before, began = _rss_mib(), time.perf_counter()
    with Fetcher(trust_env=False, lanes=Lanes(most=int(most))) as fetcher:
        for name, md5 in list(_names(folder).items())[:CAPPED]:
            promise, final = Promise(media="tiff", md5=md5), folder / "got" / name
            got = fetcher.fetch(f"{base}/{name}", place.part_path(final, md5[:12]), promise)
            check.check(got, promise)
            place.place(got, final)
    _said(began, before)


class _NoDigests:
    """In place of hashlib: digests that cost nothing."""

    def md5(self, *_: object, **__: object) -> _NoDigests:
        return self

    def update(self, _data: object) -> None:
        pass

    def hexdigest(self) -> str:
        return "0" * 32


def sdk(folder: Path, base: str, certificate: str, *, verified: bool = False) -> float:
    """Fetched by Planet's own SDK, and held against the md5 by its own function where asked."""
    import os

    os.environ["SSL_CERT_FILE"] = certificate
    import planet
    from planet.clients.data import DataClient

    async def one(client: Any, gate: asyncio.Semaphore, name: str, md5: str) -> None:
        asset = {"location": f"{base}/{name}", "md5_digest": md5}
        async with gate:
            path = await client.download_asset(asset, filename=name, directory=folder / "got", progress_bar=False)
        if verified:
            await asyncio.to_thread(client.validate_checksum, asset, path)

    async def all_of_them() -> None:
        async with planet.Session(auth=planet.Auth.from_key("none")) as session:
            client, gate = DataClient(session), asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(one(client, gate, *wanted) for wanted in _names(folder).items()))

    before, began = _rss_mib(), time.perf_counter()
    asyncio.run(all_of_them())
    return _said(began, before)


def stac(folder: Path, base: str, certificate: str) -> float:
    """Fetched by stac-asset."""
    import os

    os.environ["SSL_CERT_FILE"] = certificate
    from stac_asset import Config
    from stac_asset.http_client import HttpClient

    async def all_of_them() -> None:
        gate = asyncio.Semaphore(AT_ONCE)
        client = await HttpClient.from_config(Config())

        async def one(name: str) -> None:
            async with gate:
                await client.download_href(f"{base}/{name}", folder / "got" / name)

        async with client:
            await asyncio.gather(*(one(name) for name in _names(folder)))

    before, began = _rss_mib(), time.perf_counter()
    asyncio.run(all_of_them())
    return _said(began, before)


def _rss_mib() -> float:
    """The most memory that this process has held so far."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _said(began: float, before: float) -> float:
    took = time.perf_counter() - began
    print(json.dumps({"s": took, "rss_before": before, "rss": _rss_mib()}))
    return took


def work(task: str, folder: Path, arguments: list[str]) -> None:
    """Runs in the worker."""
    if task == "make":
        print(json.dumps(make(folder, *map(int, arguments))))
    elif task in ("ours", "bare"):
        ours(folder, *arguments, hashing=task == "ours")
    elif task == "capped":
        capped(folder, *arguments)
    elif task in ("sdk", "sdk_md5"):
        sdk(folder, *arguments, verified=task == "sdk_md5")
    else:
        stac(folder, *arguments)


if __name__ == "__main__":
    work(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
