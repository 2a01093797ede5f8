"""The operation that registers a webhook.

Keeps what was registered; `State.notices` says what there is to tell, and delivering it is not done here.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from simulator import bodies, forms
from simulator.operations.calls import Call, Reply, made
from simulator.papers import Papers
from simulator.records import Happening, Webhook
from simulator.webhooks import is_acceptable

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
    """An address that can be delivered to: what is delivered says where somebody is."""
    url = text.strip()
    if not is_acceptable(url) or not _has_port(url) or any(letter.isspace() or not letter.isprintable() for letter in url):
        bodies.bad("url must begin with https:// and name a host; http is for this machine only")
    return url


def _has_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


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
        if not fits or not isinstance(value, str) or not value.isascii() or not value.isprintable() or value != value.strip():
            bodies.bad("headers: names and values must be plain text")
    return dict(headers)
