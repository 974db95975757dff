"""Where a tracker may be: a token goes to the address that it was given for, and without TLS to this machine only."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from planet_assets.exceptions import Misused


def checked_url(url: str, *, has_token: bool) -> str:
    """The address of a tracker, without a path's last slash.

    Raises:
        Misused: it is none, holds a password, or a token would cross a network unprotected.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise Misused(f"{url.split('@')[-1]!r} is no address of a tracker: write https://HOST[:PORT].", argument="url")
    if parts.username is not None or parts.password is not None:
        raise Misused("An address holds no password.", hint="Sign in, or give a token.", argument="url")
    if has_token and parts.scheme == "http" and not is_here(host):
        raise Misused(f"A token does not go to {host} without TLS.", hint="Use https://.", argument="url")
    return url.strip().rstrip("/")


def is_here(host: str) -> bool:
    """True for an address of this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"
