"""An nginx on loopback with a folder of files, plain and by TLS with a certificate made for the run."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.runs import Broken

CONFIG = """
user root;
worker_processes auto;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  types {{ image/tiff tif; }}
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{plain};
    listen 127.0.0.1:{tls} ssl;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    root {folder}/files;
    location /capped/ {{ alias {folder}/files/; limit_rate 5m; }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Served:
    """Where the files are to be had."""

    http: str
    https: str
    certificate: Path

    def base(self, scheme: str) -> str:
        """The address of the folder."""
        return self.https if scheme == "https" else self.http


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Serve `folder/files` until the end of the block.

    Raises:
        Broken: nginx or openssl is not installed, or nginx did not start.
    """
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if nginx is None or shutil.which("openssl") is None:
        raise Broken("nginx or openssl is not installed (apt-get install nginx-light openssl)")
    plain, tls = _free_ports()
    _certify(folder)
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, plain=plain, tls=tls))
    child = subprocess.Popen([nginx, "-e", folder / "error.log", "-c", config], stderr=subprocess.DEVNULL)
    try:
        _await(child, plain)
        yield Served(f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}", folder / "cert.pem")
    finally:
        child.terminate()
        child.wait(30)


def _certify(folder: Path) -> None:
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    made = ["openssl", *words.split(), "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(made, check=True, capture_output=True)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _await(child: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(100):
        if child.poll() is not None:
            break
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise Broken("nginx did not start")
