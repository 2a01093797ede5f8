"""Whether a page of somebody else is behind a request: what its Origin says, and the name that the simulator was called by.

Pure: reads headers and decides; refusing is for who asks. Knows no token: whoever has one is no page.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import Scope


def is_foreign(request: Request) -> bool:
    """Whether a page of another origin is behind a request that changes something."""
    origin = request.headers.get("origin")
    return request.method not in ("GET", "HEAD") and origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def is_misnamed(root_url: str, scope: Scope) -> bool:
    """Whether a simulator for this machine only was called by a name of elsewhere.

    A name can be made to lead here after its page was loaded (DNS rebinding). Then what is asked has the page's own origin, and nothing but
    the name tells. Over TLS no certificate would have fitted; one that is open to the network is called by names that nobody knows here.
    """
    root = urlsplit(root_url)
    host = dict(scope["headers"]).get(b"host")
    if root.scheme != "http" or not is_loopback(root.hostname or "") or host is None:
        return False
    try:
        name = urlsplit("//" + host.decode("ascii")).hostname or ""
    except ValueError:
        return True
    return not is_loopback(name) and not name.endswith(".localhost")


def is_loopback(host: str) -> bool:
    """Whether this leads to this machine, as an address or by the one name that says so."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
