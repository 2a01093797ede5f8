"""What one reply, or its absence, says about health: an outcome -> a condition, in words with a hint.

Pure. Texts carry no secret and no coordinate. It must not judge whether help was summoned: the lifecycle does.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.model import Asked, Meaning, Outcome, Severity

# Everything that an accepted reply on the same path disproves.
PATH = (
    "dispatch.unreachable",
    "dispatch.failing",
    "dispatch.odd_reply",
    "dispatch.tls",
    "clock.tls",
    "token.none",
    "token.refused",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition to put; its code, how bad, what, and what to do."""

    code: str
    severity: Severity
    text: str
    hint: str


CABLES = {
    "timeout": ("no answer in time", "check the link: signal, SIM with data and credit, APN; whether other hosts answer"),
    "dns": (
        "the name of the dispatch host cannot be looked up",
        "check the link: signal, SIM with data and credit, APN; then the resolver (/etc/resolv.conf)",
    ),
    "connect": ("the dispatch host refuses or cannot be reached", "check the link, base_url and any firewall or proxy"),
    "reset": ("the connection breaks off", "check the link; a firewall or proxy may be cutting it"),
}


def of(outcome: Outcome) -> Finding | None:
    """The condition that an outcome is evidence for; None when it is evidence that the path works."""
    if outcome.meaning in (Meaning.ACCEPTED, Meaning.CLOSED):
        return None
    if outcome.meaning is Meaning.UNAUTHORISED:
        return _unauthorised(outcome)
    if outcome.meaning is Meaning.REJECTED:
        return _rejected(outcome)
    return _unanswered(outcome)


def proves_path(outcome: Outcome) -> bool:
    """Dispatch itself answered: name, link, TLS and token work, whatever it thought of this request."""
    return outcome.meaning in (Meaning.ACCEPTED, Meaning.CLOSED, Meaning.REJECTED) or outcome.cause == "scope"


def _unanswered(outcome: Outcome) -> Finding:
    cause = outcome.cause
    if cause in CABLES:
        text, hint = CABLES[cause]
        return Finding("dispatch.unreachable", Severity.CRITICAL, _with(text, outcome), hint)
    if cause == "tls.clock":
        return Finding(
            "clock.tls", Severity.CRITICAL, "the certificate is not valid at this device's time", "set the clock; see `timedatectl`"
        )
    if cause == "tls":
        return Finding(
            "dispatch.tls", Severity.CRITICAL, _with("TLS fails", outcome), "check base_url and ca_file; something may be intercepting"
        )
    if cause == "no_token":
        hint = "unless it is the link (signal, SIM with data, APN): check token_url and its key, or token_file, and customer_id"
        return Finding("token.none", Severity.CRITICAL, _with("no token to raise with", outcome), hint)
    if cause.startswith("http_"):
        return Finding(
            "dispatch.failing", Severity.CRITICAL, f"dispatch answers {cause[5:]} to {outcome.asked}", "wait; tell dispatch if it lasts"
        )
    hint = "log in to the network's portal, or check base_url: this is not the Panic API's answer"
    return Finding(
        "dispatch.odd_reply", Severity.CRITICAL, _with(f"an answer to {outcome.asked} that is not dispatch's ({cause})", outcome), hint
    )


def _rejected(outcome: Outcome) -> Finding | None:
    status = outcome.http_status
    if outcome.asked is Asked.RAISE and status in (403, 404, 409):
        hint = "HELP WAS NOT SUMMONED. Check the customer's subscription and customer_id with dispatch"
        return Finding("dispatch.no_entitlement", Severity.CRITICAL, f"dispatch refuses to open a callout (HTTP {status})", hint)
    if outcome.asked is Asked.RAISE:
        hint = "check response_type_id and callout_classification_id with dispatch; some want a position"
        text = f"dispatch does not take the raise as it was put (HTTP {status}); other shapes follow"
        return Finding("dispatch.rejects_raise", Severity.CRITICAL, text, hint)
    if outcome.asked is Asked.LOOK_UP:
        hint = "check base_url, customer_id and active_callouts_path; a callout raised elsewhere is not noticed"
        return Finding("dispatch.no_list", Severity.DEGRADED, f"dispatch does not list active callouts (HTTP {status})", hint)
    return None


def _unauthorised(outcome: Outcome) -> Finding:
    if outcome.asked is Asked.RAISE or outcome.cause != "scope":  # no newer token was to be had: a raise would meet the same
        text = "dispatch refuses the token, and there is no newer one: revoked, or of another customer"
        hint = "ask whoever runs the token service whether this device's key was revoked; the token must belong to customer_id"
        return Finding("token.refused", Severity.CRITICAL, text, hint)
    hint = "a callout token covers only its customer's callout flow; ask dispatch what its scope is"
    return Finding("token.scope", Severity.DEGRADED, f"dispatch refuses the token for {outcome.asked}", hint)


def _with(text: str, outcome: Outcome) -> str:
    return f"{text}: {outcome.text}" if outcome.text else text
