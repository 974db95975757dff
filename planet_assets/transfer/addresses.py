"""Says which web addresses are asked at all, and where a redirect may lead. Addresses never appear in a message."""

from __future__ import annotations

from urllib.parse import SplitResult, urldefrag, urljoin, urlsplit

from planet_assets.exceptions import ServerError, Unsafe

_HINT = "Ask Planet for a fresh link; if it comes again, tell Planet and us."


def checked(url: str, name: str) -> str:
    """The address, if it is one that is asked.

    Args:
        url: the address.
        name: of the file it leads to, for messages.

    Raises:
        Unsafe: it is malformed, neither http nor https, or carries a name and password.
    """
    _split(url, name)
    return url


def host_of(url: str) -> str:
    """The host of a checked address; fit to be shown."""
    return urlsplit(url).hostname or ""


def redirected(current: str, location: str, name: str) -> str:
    """Where a redirect leads. Another host is normal: Planet's addresses lead to a storage.

    Raises:
        ServerError: it leads nowhere.
        Unsafe: it leads to no plain web address, or from an encrypted to an open connection.
    """
    location = location.strip()
    if not location:
        raise ServerError(f"The link to {name} redirects to nowhere.", hint=_HINT)
    try:
        target = urldefrag(urljoin(current, location)).url
    except ValueError:
        target = ""
    scheme = _split(target, name).scheme
    if urlsplit(current).scheme == "https" and scheme != "https":
        raise Unsafe(f"The link to {name} leads from an encrypted to an open connection: not followed.", hint=_HINT)
    return target


def _split(url: str, name: str) -> SplitResult:
    # A blank, a control character or a backslash is read differently by different parsers: nobody sends one in earnest.
    if isinstance(url, str) and url.isprintable() and not set(url) & {" ", "\\"}:
        try:
            parsed = urlsplit(url)
            if parsed.scheme in ("http", "https") and parsed.hostname and "@" not in parsed.netloc and parsed.port != 0:
                return parsed
        except ValueError:
            pass
    raise Unsafe(f"The link to {name} is no plain web address: not followed.", hint=_HINT)
