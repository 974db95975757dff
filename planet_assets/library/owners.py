"""Who works: names for processes and their runs, by which jobs are claimed, and whether one certainly runs no more."""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_WORKING: set[str] = set()


def this_process() -> str:
    """Names this process across machines: machine, process id, and when it started."""
    return f"{_machine()}:{os.getpid()}:{_start_mark(os.getpid())}"


def this_machine() -> str:
    """Names this machine."""
    return _machine()


@contextmanager
def working() -> Iterator[str]:
    """A name for one run of this process, by which it claims jobs; it is dead as soon as the block ends."""
    token = secrets.token_hex(4)
    _WORKING.add(token)
    try:
        yield f"{this_process()}#{token}"
    finally:
        _WORKING.discard(token)


def is_dead(owner: str) -> bool:
    """True when `owner` ran on this machine and certainly runs no more."""
    process, _, token = owner.partition("#")
    if token and process == this_process():
        return token not in _WORKING
    machine, _, rest = process.rpartition(":")[0].rpartition(":")
    mark = process.rpartition(":")[2]
    if machine != _machine() or not rest.isdigit() or os.name == "nt":
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(mark) and mark != _start_mark(int(rest))


@functools.cache
def _machine() -> str:
    """Host name, and a mark of the machine and of its space of process ids.

    Machines of a cluster and containers may share a host name; their process ids mean nothing to one another.
    """
    told = ["", ""]
    with suppress(OSError):
        told[0] = Path("/etc/machine-id").read_text()
    with suppress(OSError):
        told[1] = os.readlink("/proc/self/ns/pid")
    return f"{socket.gethostname()}~{hashlib.sha256(repr(told).encode()).hexdigest()[:8]}"


def _start_mark(pid: int) -> str:
    """When a process started, in clock ticks; empty where the system does not tell. A reused pid has another one."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
