"""Where a fault is played: a sandbox, a storage before it that misbehaves by script, and a user's folder.

The links of the sandbox lead to the `Front`, which passes requests on to the true storage, so that what is charged is
charged, and answers as its script says.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from certificates import certificate
from faultserver import Act, FaultServer, Talk, whole
from forge import Child, Forge
from managing import UDM2, check_money, leftovers, md5

from planet_assets.library import jobs as job_rows
from planet_assets.library.engine import Library
from planet_assets.model.job import DownloadJob
from planet_assets.sandbox import RunningSandbox
from planet_assets.transfer.place import part_path

TIMEOUT_S = 0.6


def exchanged(port: int, talk: Talk, *, tls: bool = False) -> bytes:
    """The raw answer of a server behind to a request; one to a proxy goes to the port that it names."""
    target, port = talk.request.target, port
    if found := re.match(r"http://[^/:]+:(\d+)(/.*)", target):
        port, target = int(found[1]), found[2]
    lines = [f"{talk.request.method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in talk.request.headers.items() if name != "connection"]
    with socket.create_connection(("127.0.0.1", port)) as plain:
        far = ssl._create_unverified_context().wrap_socket(plain) if tls else plain
        with far:
            far.sendall(("\r\n".join([*lines, "connection: close"]) + "\r\n\r\n").encode() + talk.request.body)
            answer = b""
            while data := far.recv(1 << 20):
                answer += data
    return answer


class Front(FaultServer):
    """The storage as the world sees it; its port stays the same when it goes down and comes back."""

    def __init__(self, port: int, **more: Any) -> None:
        super().__init__(self.through, **more)
        self.behind = port
        self._encrypted = more.get("tls") is not None
        self._blocked: list[socket.socket] = []

    def through(self, talk: Talk) -> None:
        """As the true storage answers."""
        talk.send(exchanged(self.behind, talk, tls=self._encrypted))
        talk.fin()

    def billed(self, act: Act) -> Act:
        """An act after the true storage was asked the same, so that it charges as if its answer had come through."""

        def both(talk: Talk) -> None:
            exchanged(self.behind, talk, tls=self._encrypted)
            act(talk)

        return both

    def script(self, *acts: Act) -> None:
        """What comes next; the last one lasts."""
        self._acts[:] = acts or (self.through,)

    def down(self) -> None:
        """Nobody listens any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def dead(self) -> None:
        """The port takes no connection and refuses none, as a host that is gone."""
        self.down()
        listener, self._blocked = dead_end(self.port)
        self._blocked.append(listener)

    def up(self) -> None:
        """Listen again."""
        for each in self._blocked:
            each.close()
        self._blocked.clear()
        if self._listener.fileno() < 0:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._spawn(self._accept)


def dead_end(port: int = 0) -> tuple[socket.socket, list[socket.socket]]:
    """A listener whose queue is full, and what fills it: every further attempt is dropped."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    return listener, fillers


@dataclass
class Stage:
    """One play: a user's folder before the sandbox."""

    sandbox: RunningSandbox
    front: Front
    forge: Forge
    folder: Path
    scene: dict[str, Any]
    encrypted: Callable[[], tuple[RunningSandbox, Front]]
    """A sandbox and its front that speak TLS."""
    postgres: Callable[[], str]
    """The address of an empty database on a server."""
    environment: dict[str, str] = field(default_factory=dict)
    twists: dict[str, Any] = field(default_factory=dict)
    during: Callable[[Child], None] | None = None
    """Done while the process runs; it is held until `go` then."""
    mending: list[Callable[[], object]] = field(default_factory=list)
    spoiled: dict[str, str] = field(default_factory=dict)
    """Variables that are put right when the fault is mended."""
    ending: list[Callable[[], object]] = field(default_factory=list)
    """Done at the very end."""

    def __post_init__(self) -> None:
        library = self.folder / "library.db"
        settings = {"RETRY_DELAY": "0.02", "TIMEOUT": str(TIMEOUT_S), "DELIVERY": "data", "ASSET_TYPES": f'["{UDM2}"]'}
        limits = {f"RATE_LIMITS__{name}": "1000" for name in ("SEARCH", "ACTIVATION", "DOWNLOAD")}
        home = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "PLANET_ASSETS_LIBRARY": str(library)}
        home["SSL_CERT_FILE"] = str(certificate()[0])  # reading all the world's certificates takes time
        planet = {"PL_API_KEY": self.sandbox.key, "PLANET_ASSETS__PLANET__API_URL": self.sandbox.url}
        named = {f"PLANET_ASSETS__{name}": value for name, value in {**settings, **limits}.items()}
        self.environment = {**home, **planet, **named, **self.environment}

    # What a fault may use

    @property
    def asset(self) -> tuple[Path, str]:
        """The true file and its md5."""
        feature = self.sandbox.world.item(self.scene["id"])
        assert feature is not None
        return self.sandbox.world.file(feature, UDM2).result()

    @property
    def data(self) -> bytes:
        """The true bytes."""
        return self.asset[0].read_bytes()

    @property
    def etag(self) -> str:
        """The version mark the true storage gives."""
        return f'"{self.asset[1]}"'

    @property
    def final(self) -> Path:
        """Where the file is due."""
        from planet_assets.rules.naming import file_name

        return self.folder / "out" / file_name(self.scene["id"], UDM2)

    @property
    def part(self) -> Path:
        """Where its bytes gather."""
        return part_path(self.final, self.asset[1][:12])

    def storage(self, *acts: Act, lasting: bool = False) -> None:
        """The storage misbehaves in turn, and is well afterwards, unless the fault lasts until it is mended."""
        bad = [self.front.billed(act) for act in acts]
        self.front.script(*bad, *([] if lasting else [self.front.through]))

    def good(self) -> Act:
        """The file as a good storage gives it, unbilled."""
        return whole(self.data, etag=self.etag)

    def tomorrow(self) -> None:
        """What is done from now on is done a day later, or a little more."""
        self.twists["date"] = 25

    def behind_tls(self) -> None:
        """Play where API and storage speak TLS."""
        self.sandbox, self.front = self.encrypted()
        self.environment["PLANET_ASSETS__PLANET__API_URL"] = self.sandbox.url

    def ended(self, code: int) -> None:
        """The process that was watched has ended."""
        self._code = code

    def injected(self, *rules: str, path: Path | None = None) -> None:
        """The system fails calls by strace's rules, those on one path where one is given."""
        needs_strace()

        def attach(child: Child) -> None:
            with stracing(child.pid, *rules, path=path):
                child.go()
                self._code = child.wait()

        self.during = attach

    _code: int | None = None

    # Acts of the play

    def go(self, face: str, what: str = "download") -> tuple[int, str]:
        """Let the face do it; its exit code and what it said."""
        child = self.forge.start(
            self.folder, self.environment | self.spoiled, face, [what], twists=self.twists, held=self.during is not None
        )
        self._code = None
        if self.during is not None:
            self.during(child)
        code = child.wait() if self._code is None else self._code
        return code, child.said

    def mend(self) -> None:
        """The fault is over."""
        self.spoiled.clear()
        self.twists.clear()
        for each in self.mending:
            each()
        self.mending.clear()
        self.during = None
        self.sandbox.mend()
        self.front.script()
        self.front.up()

    @contextmanager
    def library(self) -> Iterator[Library]:
        """The user's library."""
        library = Library(self.environment["PLANET_ASSETS_LIBRARY"])
        try:
            yield library
        finally:
            library.close()

    def unfinished(self) -> list[DownloadJob]:
        """What `resume` finds."""
        with self.library() as library:
            return job_rows.unfinished(library)

    # What must hold

    def check_money(self) -> None:
        """The ledger is not below the bill, and the bill not above what was agreed to."""
        with self.library() as library:
            check_money(library, self.sandbox.billed_km2())
            agreed = sum(job.agreed_km2 for job in job_rows.listed(library))
        assert self.sandbox.billed_km2() <= agreed + 1e-3

    def check_secrets(self, said: str) -> None:
        """Neither key nor link is in what was said, in a row, or in a file that stays."""
        for path in self.folder.rglob("*"):
            if path.is_file() and not path.name.endswith((".link", ".link~")):
                held = path.read_bytes()
                assert self.sandbox.key.encode() not in held, path
                assert b"X-Goog-Signature" not in held, path
        assert "Traceback" not in said, said

    def check_right(self) -> None:
        """The right file, and nothing beside it."""
        assert md5(self.final) == self.asset[1]
        assert leftovers(self.folder / "out") == []
        assert [path.name for path in self.final.parent.iterdir()] == [self.final.name]

    def check_no_wrong_file(self) -> None:
        """Under the final name stands the right file or none of ours."""
        assert not self.final.is_file() or self.final.is_symlink() or md5(self.final) == self.asset[1]


def needs_strace() -> None:
    """Skip, or fail in CI, where strace cannot be had."""
    if shutil.which("strace") is None:
        pytest.fail("strace is missing") if os.environ.get("CI") else pytest.skip("needs strace")


@contextmanager
def stracing(
    pid: int, *rules: str, path: Path | None = None, trace: str = "", log: Path | None = None
) -> Iterator[None]:
    """Attach strace to a process.

    Args:
        pid: the process.
        rules: of injection, as `write:error=ENOSPC:when=2`.
        path: calls on this file only.
        trace: calls to write down where no rules are given.
        log: where to.
    """
    calls = trace or ",".join(rule.partition(":")[0] for rule in rules)
    command = ["strace", "-f", "-y", "-qq", "-o", str(log or os.devnull), "-p", str(pid), "-e", f"trace={calls}"]
    command += [word for rule in rules for word in ("-e", f"inject={rule}")]
    command += ["-P", str(path)] if path is not None else []
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        while f"TracerPid:\t{tracer.pid}" not in Path(f"/proc/{pid}/status").read_text():
            if tracer.poll() is not None or time.monotonic() > deadline:
                said = tracer.stderr.read().decode() if tracer.stderr and tracer.poll() is not None else "no answer"
                os.kill(pid, signal.SIGKILL)
                pytest.skip(f"strace may not trace here: {said}")
            time.sleep(0.005)
        yield
    finally:
        with suppress(subprocess.TimeoutExpired):
            tracer.wait(5)
        if tracer.poll() is None:
            tracer.terminate()
            tracer.wait(10)
        if tracer.stderr:
            tracer.stderr.close()


def later(seconds: float, work: Callable[[], None]) -> None:
    """Do something in a moment, beside."""
    timer = threading.Timer(seconds, work)
    timer.daemon = True
    timer.start()
