"""Brings the bytes of an address into a part file, continues what an earlier attempt began, and stops when told.

How a transfer may begin, because a beginning at byte 0 can cost quota:

    no part                            GET                         200: body from byte 0
    part with a mark                   GET, Range and If-Range     206: goes on after what is kept
                                                                   200: the file changed; `before_restart`, from byte 0
                                                                   416: complete as it is, or dropped with LinkExpired
    part of the full length            no request at all
    part that nothing can vouch for    `before_restart`, dropped, then as without a part

So `before_restart` is called whenever bytes were kept and the body starts at 0 all the same, and only then. Kept bytes
are hashed again. Whatever the error, the final name is not touched, and what is left in the part is a true beginning
of the file that its mark names.
"""

from __future__ import annotations

import functools
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import httpx

from planet_assets.exceptions import AssetError, Corrupt, Misused, NetworkError, Unsafe
from planet_assets.model.asset import Part, Promise
from planet_assets.transfer import addresses, answers, parts
from planet_assets.transfer.body import Sink, pour, pour_socket, sniffed
from planet_assets.transfer.lanes import Lanes
from planet_assets.transfer.parts import Kept, Mark, PartFile, strong_etag
from planet_assets.transfer.quiet import quiet
from planet_assets.transfer.ranges import Ranges, Take
from planet_assets.transfer.spread import Spread
from planet_assets.transfer.task import Task, complete_after_all, finish
from planet_assets.transfer.watch import Cut, Stalled, Stopped, Watch
from planet_assets.transfer.wire import Wire, Wires

__all__ = ["Fetcher", "Stopped"]

_BUFFER_BYTES = 1 << 20
_SMALL_BYTES = 256 << 10  # below this the connection is worth more than the fast path, which uses it up
_MOST_REDIRECTS = 5
_TEXT_BYTES = 16 << 10
_TEXT_S = 10.0
_REDIRECTS = {301, 302, 303, 307, 308}
_RESUMABLE = "Run again: what was received is kept and used."


class Fetcher:
    """Brings bytes into part files on the caller's thread; thread-safe, one for all downloads."""

    def __init__(
        self,
        *,
        stall_s: float = 300.0,
        connect_s: float = 10.0,
        chunk_bytes: int | None = None,
        user_agent: str = "planet-assets",
        verify: ssl.SSLContext | bool = True,
        proxy: str | None = None,
        trust_env: bool = True,
        floor_bytes_s: float = 100.0,
        lanes: Lanes | None = None,
        authorize: Callable[[str], dict[str, str]] | None = None,
    ) -> None:
        """Make the one client; nothing is connected yet.

        Args:
            stall_s: seconds without a byte after which a transfer is given up. There is no deadline for a whole file.
            connect_s: seconds for a connection to be made.
            chunk_bytes: bound on a single read; None reads up to 1 MiB.
            user_agent: what we call ourselves.
            verify: trust store, or False for none at all.
            proxy: address of a proxy; None takes the environment's if `trust_env`.
            trust_env: let proxies and SSL_CERT_FILE of the environment count.
            floor_bytes_s: a mean rate below this over `stall_s` seconds counts as a stall.
            lanes: when a body may use further connections; the usual rule otherwise.
            authorize: what an address is asked with besides; Planet's are asked without anything.

        Raises:
            Misused: an argument makes no sense.
        """
        if stall_s <= 0 or connect_s <= 0 or (chunk_bytes is not None and chunk_bytes < 1):
            raise Misused("stall_s, connect_s and chunk_bytes must be above 0.", argument="timeout")
        self._stall_s = stall_s
        self._floor_bytes_s = floor_bytes_s
        self._buffer_bytes = min(chunk_bytes or _BUFFER_BYTES, 16 * _BUFFER_BYTES)
        self._authorize = authorize or (lambda address: {})
        self._wires = Wires(self._buffer_bytes)
        self._lanes = Lanes() if lanes is None else lanes
        self._buffers = threading.local()
        try:
            self._client = httpx.Client(
                headers={"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"},
                verify=verify,
                proxy=proxy,
                trust_env=trust_env,
                timeout=httpx.Timeout(stall_s, connect=connect_s, pool=None),
                # Servers drop idle connections after 5 s or more; asking on one in that moment leaves it unknown
                # whether a download was begun, so ours are dropped well before.
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=2.0),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # a cookie could carry one job into another
            )
        except (ValueError, ImportError, httpx.InvalidURL):
            raise Misused(
                "The proxy setting cannot be used.", hint="It looks like http://host:port.", argument="proxy"
            ) from None
        _use_wires(self._client, self._wires)

    def close(self) -> None:
        """Close idle connections. Call it when no fetch runs any more."""
        self._client.close()

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fetch(
        self,
        url: str,
        part: str | Path,
        promise: Promise,
        *,
        resolved: bool = False,
        on_resolved: Callable[[str], None] | None = None,
        on_start: Callable[[int], None] | None = None,
        before_restart: Callable[[], None] | None = None,
        on_progress: Callable[[int, int | None], None] | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> Part:
        """Bring the bytes of an address into a part file. Blocks; the caller checks and places the part.

        Only LinkExpired, Throttled, OverQuota and a NetworkError with `reached_server=False` mean that no body was
        begun. After any other error it may have been, whether or not `on_start` was called.

        Args:
            url: Planet's `location`, which redirects to the storage, or the storage address itself.
            part: where the bytes go; see `place.part_path`.
            promise: what the file will be.
            resolved: True when `url` is the storage address. Both are asked in the same way, without credentials.
            on_resolved: told each address a redirect leads to, before anything is asked of it.
            on_start: told the offset the body starts at, when good headers are in and before a byte is read.
            before_restart: told that kept bytes cannot be used and the body starts at 0; may raise to refuse.
            on_progress: told (bytes on disk, total or None), ten times a second at most.
            stopped: asked about every 0.2 s; True ends the fetch.

        Raises:
            Stopped: `stopped` said so; the part is kept.
            NetworkError: no connection, or it broke or stalled; the part is kept.
            LinkExpired: ask for a fresh link; the part is kept, unless the storage says that it cannot belong to it.
            Throttled, ServerError, OverQuota: the server said no; the part is kept.
            Corrupt: the bytes are not what was promised; the part is dropped.
            Unsafe: an address or redirect was refused.
            DiskProblem: the disk refused; the part is kept, after an input/output error dropped.
        """
        task = Task(url, Path(part), promise, self._watch(stopped), on_resolved, on_start, before_restart, on_progress)
        with self._talking(task):
            return self._run(task)

    def ranges(
        self,
        url: str,
        part: str | Path,
        promise: Promise,
        *,
        on_resolved: Callable[[str], None] | None = None,
        on_start: Callable[[int], None] | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> Ranges:
        """Parts of the file at an address, over one link: a redirect is followed once. Arguments as in `fetch`."""
        link = Task(url, Path(part), promise, self._watch(stopped), on_resolved, on_start, None, None)

        def ask(headers: Mapping[str, str], take: Take) -> None:
            task = replace(link, watch=self._watch(stopped))  # threads ask at once, each with patience of its own
            with self._talking(task), closing(self._ask(task, headers)) as response:
                link.url = task.url
                task.watch.expect_body()
                take(response.status_code, response.headers, response.iter_raw())

        return Ranges(ask, name=link.name, media=promise.media, on_start=lambda: link.started(0))

    def _watch(self, stopped: Callable[[], bool] | None) -> Watch:
        return Watch(stall_s=self._stall_s, floor_bytes_s=self._floor_bytes_s, stopped=stopped)

    @contextmanager
    def _talking(self, task: Task) -> Iterator[None]:
        try:
            with self._wires.watched(task.watch), quiet(), _translated(task):
                yield
        except AssetError as error:
            if error.__suppress_context__:
                error.__context__ = None  # the error behind it holds the request, and with it the address
            raise

    def _run(self, task: Task) -> Part:
        kept = parts.take_up(task.part, task.promise, pause=task.watch.look, before_restart=task.restarts)
        try:
            if kept is not None and kept.complete:
                return finish(Sink(kept.file, kept.mark.size_bytes, task.on_progress), kept.mark, kept.file.size_bytes)
            with closing(self._ask(task, _range_after(kept))) as response:
                task.watch.expect_body()
                return self._receive(task, response, kept)
        except Corrupt:
            if kept is not None:
                kept.file.close()  # an open file cannot be removed on Windows
            parts.drop(task.part)
            raise
        finally:
            if kept is not None:
                kept.file.close()

    # Asking

    def _ask(self, task: Task, headers: Mapping[str, str]) -> httpx.Response:
        """An open answer with a body for us, or a 416 to our range. Redirects are followed by hand."""
        address, asked = addresses.checked(task.url, task.name), set[str]()
        while address not in asked and len(asked) <= _MOST_REDIRECTS:
            asked.add(address)
            task.host = addresses.host_of(address)
            task.watch.expect_answer()
            asking = {**headers, **self._authorize(address)}
            request = self._client.build_request("GET", address, headers=asking)
            response = self._client.send(request, stream=True, follow_redirects=False)
            status = response.status_code
            if status in (200, 206) or (status == 416 and headers):
                task.url = address
                return response
            with closing(response):
                text = _text(response, task.watch)
            if status not in _REDIRECTS:
                raise answers.refusal(status, response.headers, text, task.name)
            address = addresses.redirected(address, response.headers.get("location", ""), task.name)
            if task.on_resolved is not None and address not in asked:
                task.on_resolved(address)
        raise Unsafe(f"The link to {task.name} redirects in circles.", hint="Ask Planet for a fresh one.")

    # Receiving

    def _receive(self, task: Task, response: httpx.Response, kept: Kept | None) -> Part:
        headers = response.headers
        if response.status_code == 416 and kept is not None:
            return complete_after_all(task, answers.unsatisfied_total(headers.get("content-range")), kept)
        answers.refuse_pages(headers, task.promise.media, task.name)
        if response.status_code == 200:
            return self._begin(task, response, kept, answers.agreed_length(headers, task.promise, task.name))
        if kept is None:
            total = answers.agreed_range(headers, 0, task.promise, task.name)
            return self._begin(task, response, None, total)
        return self._go_on(task, response, kept)

    def _go_on(self, task: Task, response: httpx.Response, kept: Kept) -> Part:
        """Append to what is kept."""
        offset = kept.file.size_bytes
        known = kept.mark.size_bytes or task.promise.size_bytes
        expected = replace(task.promise, size_bytes=known, etag=kept.mark.etag)
        total = answers.agreed_range(response.headers, offset, expected, task.name)
        kept.file.refuse_other_names()
        task.started(offset)
        sink = Sink(kept.file, total, task.on_progress)
        self._pour(task, response, response.iter_raw(), sink, kept.mark.etag)
        return finish(sink, kept.mark, offset)

    def _begin(self, task: Task, response: httpx.Response, kept: Kept | None, total: int | None) -> Part:
        """Write from byte 0. What is kept goes only when the new body has shown itself to be a file of its kind."""
        if kept is not None:
            task.restarts()
        task.started(0)
        chunks = response.iter_raw()
        head = sniffed(chunks, total, name=task.name, host=task.host, media=task.promise.media)
        if kept is not None:
            kept.file.close()
        parts.drop(task.part)
        mark = Mark(etag=strong_etag(response.headers.get("etag")), size_bytes=total, md5=task.promise.md5)
        parts.write_mark(task.part, mark)
        with closing(PartFile.create(task.part)) as file:
            sink = Sink(file, total, task.on_progress)
            sink.take(memoryview(head))
            self._pour(task, response, chunks, sink, mark.etag)
            return finish(sink, mark, 0)

    def _pour(
        self, task: Task, response: httpx.Response, chunks: Iterator[bytes], sink: Sink, etag: str | None
    ) -> None:
        """All that is missing: past the HTTP library where the body is plain and large, else through it."""
        wire = response.extensions.get("network_stream")
        plain = response.http_version == "HTTP/1.1" and answers.length_of(response.headers) is not None
        if plain and isinstance(wire, Wire) and (sink.missing or 0) >= _SMALL_BYTES:
            # The library may already hold the first bytes of the body: its next chunk is all it holds.
            sink.take(memoryview(next(chunks, b"")))
            if etag is None or sink.total is None:
                pour_socket(wire, sink, self._buffer())
            else:
                stretches = functools.partial(self._stretch, task, etag, sink.total)
                Spread(sink, stretches, self._lanes, task.watch.look).pour(wire.read_into, self._buffer())
        else:
            pour(chunks, sink)
        if sink.missing:
            raise Cut

    @contextmanager
    def _stretch(
        self, task: Task, etag: str, total: int, first: int, last: int, stopped: Callable[[], bool]
    ) -> Iterator[Callable[[memoryview], int]]:
        """Bytes `first` to `last` of the version, on a connection of their own; for any thread.

        Raises:
            Cut: they cannot be had, or not all of them.
            Stopped, Stalled: see `Watch.look`.
        """
        watch = self._watch(stopped)
        headers = {"Range": f"bytes={first}-{last}", "If-Range": etag, **self._authorize(task.url)}
        with self._wires.watched(watch), quiet():
            watch.expect_answer()
            try:
                asked = self._client.build_request("GET", task.url, headers=headers)
                with closing(self._client.send(asked, stream=True, follow_redirects=False)) as response:
                    wire = response.extensions.get("network_stream")
                    good = answers.is_range(response.status_code, response.headers, (first, last, total), etag)
                    if not (good and isinstance(wire, Wire)):
                        raise Cut
                    watch.expect_body()
                    chunks = response.iter_raw()  # the body ends with it, so it must live as long
                    yield _reader(memoryview(next(chunks, b"")), wire)
            except httpx.HTTPError:
                raise Cut from None

    def _buffer(self) -> memoryview:
        """The one buffer of this thread."""
        if not hasattr(self._buffers, "view"):
            self._buffers.view = memoryview(bytearray(self._buffer_bytes))
        view: memoryview = self._buffers.view
        return view


def _reader(held: memoryview, wire: Wire) -> Callable[[memoryview], int]:
    """Reads what the library holds already, then the socket."""

    def read(buffer: memoryview) -> int:
        nonlocal held
        if not held:
            return wire.read_into(buffer)
        count = min(len(held), len(buffer))
        buffer[:count], held = held[:count], held[count:]
        return count

    return read


def _range_after(kept: Kept | None) -> dict[str, str]:
    """Headers that ask for what is missing of a file; none for the whole."""
    return {} if kept is None else {"Range": f"bytes={kept.file.size_bytes}-", "If-Range": kept.mark.etag or ""}


def _text(response: httpx.Response, watch: Watch) -> str:
    """The beginning of a short body, as far as it can be had; reading it out lets the connection be used again."""
    watch.expect_answer(_TEXT_S)
    data = b""
    try:
        for chunk in response.iter_raw():
            data += chunk
            if len(data) >= _TEXT_BYTES:
                break
    except (httpx.HTTPError, Stalled):
        pass  # the status alone has to do
    return data[:_TEXT_BYTES].decode("utf-8", "replace")


@contextmanager
def _translated(task: Task) -> Iterator[None]:
    """Turn what httpx and the wire raise into our errors. Their texts may hold an address and are not passed on."""
    try:
        yield
    except Stalled:
        raise NetworkError(f"{task.host} fell silent in the middle of {task.name}.", hint=_RESUMABLE) from None
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        why, hint = _unreached(error)
        raise NetworkError(
            f"No connection to {task.host} for {task.name}: {why}.", hint=hint, reached_server=False
        ) from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise Unsafe(f"The link to {task.name} is no plain web address.", hint="Ask for a fresh one.") from None
    except (httpx.HTTPError, Cut):
        raise NetworkError(
            f"The connection to {task.host} broke in the middle of {task.name}.", hint=_RESUMABLE
        ) from None


def _unreached(error: httpx.TransportError) -> tuple[str, str]:
    """Why there is no connection, and what to do."""
    text = str(error).lower()
    if isinstance(error, httpx.ProxyError):
        return "the proxy refused", "Check the proxy setting."
    if isinstance(error, httpx.ConnectTimeout) or "timed out" in text:
        return "nobody answered in time", "Check the network, a firewall or the proxy setting."
    if "certificate" in text:
        return "its certificate is not trusted", "Check the clock, and SSL_CERT_FILE if your network has its own."
    if "name or service" in text or "getaddrinfo" in text or "resolution" in text or "nodename" in text:
        return "its name is not known", "Check the network and its name service."
    if "refused" not in text:
        return "it broke while it was being made", "Check the network, a firewall or the proxy setting."
    return "it was refused", "Check the network, a firewall or the proxy setting."


def _use_wires(client: httpx.Client, wires: Wires) -> None:
    """Put our wires under the client.

    httpx hands no network backend on to httpcore, so it is set afterwards. Should these names ever change, a stop is
    noticed late and the fast path is not taken; nothing else depends on it.
    """
    for transport in (getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()):
        pool = getattr(transport, "_pool", None)
        if pool is not None:
            pool._network_backend = wires
