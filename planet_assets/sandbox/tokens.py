"""Download tokens: JWTs as Planet's, HS512. Source: decoded from public examples, confirmed."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

from .world import World


def minted(world: World, claims: dict[str, Any]) -> str:
    """A token that says this."""
    head = unpadded(json.dumps({"alg": "HS512", "typ": "JWT"}).encode())
    body = f"{head}.{unpadded(json.dumps(claims).encode())}"
    return f"{body}.{_signature(world, body)}"


def claims(world: World, token: str) -> dict[str, Any] | None:
    """What a token says, if it is one of ours."""
    body, _, signature = token.rpartition(".")
    if not body or not hmac.compare_digest(signature.encode(), _signature(world, body).encode()):
        return None
    payload = body.partition(".")[2]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def owner(world: World, token: str) -> str:
    """Digest of the key that a token was made for; empty when the token is not ours."""
    return str((claims(world, token) or {}).get("sub", ""))


def unpadded(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signature(world: World, body: str) -> str:
    return unpadded(hmac.new(world.kept.secret.encode(), body.encode(), "sha512").digest())
