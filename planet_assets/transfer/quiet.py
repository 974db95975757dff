"""Keeps httpx and httpcore from logging addresses: a storage address is a key to the bytes.

httpx logs every address at INFO, httpcore every header at DEBUG. Only records that are made on a thread that is inside
a fetch are dropped; whoever else uses httpx in this process goes on logging.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NAMES = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks")
_here = threading.local()


class _Quiet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_here, "quiet", False)


_QUIET = _Quiet()


@contextmanager
def quiet() -> Iterator[None]:
    """Let this thread log nothing of what httpx does in the block."""
    for name in _NAMES:
        logging.getLogger(name).addFilter(_QUIET)  # adding it again changes nothing
    _here.quiet = True
    try:
        yield
    finally:
        _here.quiet = False
