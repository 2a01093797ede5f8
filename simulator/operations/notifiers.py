"""The operation that registers a webhook.

Keeps what was registered; `State.notices` says what there is to tell, and delivering it is not done here.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from simulator import bodies, forms
from simulator.operations.calls import Call, Reply, made
from simulator.papers import Papers
from simulator.records import Happening, Webhook

MOST_HEADERS = 50


def register(call: Call) -> Reply:
    """The webhook of this source; it replaces the one before."""
    url = _url(bodies.text(call.body, "url"))
    state = call.sim.state
    webhook = Webhook(
        id=0,
        url=url,
        events=_events(call.body),
        method=forms.optional_text(call.body, "method") or "webhook",
        headers=_headers(call.body),
        created_wall=call.now,
    )
    webhook.id = state.next_id("webhook")
    state.webhook = webhook
    return made(call, Papers(call.new).webhook(webhook))


def _url(text: str) -> str:
    """An https address, or http on this machine: a delivery holds where somebody is."""
    try:
        parts = urlsplit(text.strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        bodies.bad("url is not an address")
    if not host or parts.scheme not in ("http", "https") or any(letter.isspace() for letter in text.strip()):
        bodies.bad("url must begin with https:// and name a host")
    if parts.scheme == "http" and not is_loopback(host):
        bodies.bad("url must begin with https://; http is for loopback only")
    return text.strip()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, without looking any name up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _events(body: bodies.Body) -> list[str]:
    names = body.get("events")
    if not isinstance(names, list) or not names:
        bodies.bad("events is required and must be a list of names")
    for name in names:
        if not isinstance(name, str) or name not in set(Happening):
            bodies.bad(f"events: one of {', '.join(Happening)}")
    return list(dict.fromkeys(names))


def _headers(body: bodies.Body) -> dict[str, str]:
    """Names and values that can go into a request as they are."""
    headers = body.get("headers")
    if headers is None:
        return {}
    if not isinstance(headers, dict) or len(headers) > MOST_HEADERS:
        bodies.bad("headers must be an object")
    for name, value in headers.items():
        fits = name and name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        if not fits or not isinstance(value, str) or not value.isascii() or not value.isprintable():
            bodies.bad("headers: names and values must be plain text")
    return dict(headers)
