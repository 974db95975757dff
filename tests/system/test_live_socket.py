"""Socket.IO: a real client is told what changes, if it may read it."""

from __future__ import annotations

import json
import logging
import queue
import socket

import pytest
import socketio
from teams import running

from planet_assets.service import live_socket

QUIET = logging.getLogger("socketio.quiet")
QUIET.setLevel(logging.CRITICAL)


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    live_socket.PING_S = 1  # a client that polls is let go when a ping is missed
    with running(str(tmp_path_factory.mktemp("team") / "library.db")) as made:
        yield made


class Listener:
    """A client that keeps what it hears."""

    def __init__(self, team, name):
        self.heard = queue.Queue()
        self.client = socketio.Client(reconnection=False, logger=QUIET, engineio_logger=QUIET)
        self.ended = queue.Queue()
        for event in ("create", "update", "remove"):
            self.client.on(event, lambda told, event=event: self.heard.put((event, told)))
        self.client.on("disconnect", lambda *_: self.ended.put(True))
        self.client.connect(team.url, auth={"token": team.secrets[name]}, transports=["polling"], wait_timeout=10)

    def next(self):
        """The next event, with ids only."""
        event, told = self.heard.get(timeout=10)
        return event, [one if isinstance(one, str) else one["_id"] for one in told]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()


def test_listeners_hear_what_changes_and_what_they_may_read(team):
    with team.option(author_mode=True), Listener(team, "admin") as admin, Listener(team, "other") as other:
        team.by("user").post("/api/create", json=[{"_id": "/a"}, {"_id": "/b"}]).raise_for_status()
        assert admin.next() == ("create", ["/a", "/b"])
        team.by("other").post("/api/publish", json={"_id": "/c", "comment": "c", "origin": "o"}).raise_for_status()
        event, told = admin.next()
        assert event == "create" and told[0] == "/c" and len(told) == 2
        assert other.next() == (event, told), "the first that was theirs to read"
        team.by("admin").put("/api/update", json={"_id": "/a", "x": 1}).raise_for_status()
        event, [element] = admin.heard.get(timeout=10)
        assert event == "update" and element["x"] == 1
        team.by("user").put("/api/lock", json="/b").raise_for_status()
        assert admin.next() == ("update", ["/b"])
        team.by("admin").request("DELETE", "/api/delete", json=["/a", "/c"]).raise_for_status()
        assert admin.next() == ("remove", ["/a", "/c"]) and other.next() == ("remove", ["/c"])


def test_a_token_is_needed_and_looked_at_again(team):
    for auth in (None, {"token": "pat_wrong"}):
        client = socketio.Client(reconnection=False, logger=QUIET, engineio_logger=QUIET)
        with pytest.raises(socketio.exceptions.ConnectionError):
            client.connect(team.url, auth=auth, transports=["polling"], wait_timeout=10)
    made = team.by("user").post("/api/createToken", json={"expiresIn": "1h"}).json()
    team.secrets["short"] = made
    with Listener(team, "short") as listener:
        team.by("short").post("/api/signOut").raise_for_status()
        team.by("user").post("/api/create", json={"_id": "/secret"}).raise_for_status()
        assert listener.ended.get(timeout=10) and listener.heard.empty()


def test_by_a_websocket_too(team):
    """Frames of a client are masked; here by zeros, which leave the text as it is."""
    host, port = team.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        wire.sendall(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        heard = heard_until(wire, b"pingInterval")
        assert heard.startswith(b"HTTP/1.1 101 ")
        text = b"40" + json.dumps({"token": team.secrets["guest"]}).encode()
        wire.sendall(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)
        heard_until(wire, b"40{")
        team.by("user").post("/api/create", json={"_id": "/by-websocket"}).raise_for_status()
        assert b'42["create",' in heard_until(wire, b"/by-websocket")


def heard_until(wire, word):
    """All that came, up to a word."""
    heard = b""
    while word not in heard:
        more = wire.recv(65536)
        assert more, heard
        heard += more
    return heard
