"""A service of pictures on loopback: a JSON listing, page after page, and the bytes of each."""

from __future__ import annotations

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER = "Basic " + base64.b64encode(b"me@x.test:secret").decode()


class Gallery:
    """A service that lists pictures, two a page, to those who may see them."""

    def __init__(self) -> None:
        self.assets: dict[str, dict] = {}
        self.bytes: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.accepted = {USER}
        gallery = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                """Nothing."""

            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                good = told == {"email": "me@x.test", "password": "secret"}
                self.answer(200 if good else 401, json.dumps({"token": "t1"} if good else {}).encode())

            def do_GET(self) -> None:
                gallery.asked.append(self.path)
                if gallery.accepted and self.headers.get("Authorization") not in gallery.accepted:
                    return self.answer(401, b"{}")
                path, _, page = self.path.partition("?page=")
                if path == "/v1/media/list":
                    start = int(page or 0)
                    some = list(gallery.assets.values())[start : start + 2]
                    more = f"list?page={start + 2}" if start + 2 < len(gallery.assets) else None
                    return self.answer(200, json.dumps({"items": some, "next": more}).encode())
                key = path.rpartition("/")[2]
                return self.answer(200 if key in gallery.bytes else 500, gallery.bytes.get(key, b""))

            def answer(self, status: int, body: bytes) -> None:
                kind = "text/html" if body.startswith(b"<html") else "application/octet-stream"
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def put(self, key: str, data: bytes, **more: object) -> None:
        digest = hashlib.md5(data).hexdigest()
        about = {"id": key, "name": f"{key}.jpg", "size": len(data), "md5": digest, "updated": digest[:8]}
        self.assets[key] = about | more
        self.bytes[key] = data

    def fetched(self) -> list[str]:
        found = sorted(path.rpartition("/")[2] for path in self.asked if "list" not in path)
        self.asked.clear()
        return found
