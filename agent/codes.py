"""Every condition that there is: how bad it may be, what it hides behind, how long it lasts before it shows, what it means, what to do.

Pure: a table and the questions that are asked of it. The words that a device shows stand where a condition is put, with what was found;
those here are for whoever reads `docs/CONDITIONS.md`. A critical condition is never late, and hides only behind another critical one: what
is shown always says whether the device is armed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Final

from agent.model import Severity

C, D, N = Severity.CRITICAL, Severity.DEGRADED, Severity.NOTE
CRITICAL, DEGRADED, NOTE = (C,), (D,), (N,)
# A keypad or a chip of a lamp that the kernel finds again is no fault. What a lost receiver says has waited for seconds already.
BOOT_S: Final = 5.0
# Everything by which a raise would not get through, as replies tell it.
WAY: Final = ("dispatch.unreachable", "dispatch.tls", "clock.tls", "dispatch.failing", "dispatch.odd_reply")


@dataclass(frozen=True, slots=True)
class Code:
    """One row. name: with `*` for a part that varies. behind: codes (or `store.*`) of which this is only a consequence.

    after_s: it lasts so long before it shows; never of a critical one.
    """

    name: str
    severities: tuple[Severity, ...]
    meaning: str
    remedy: str
    behind: tuple[str, ...] = ()
    after_s: float = 0.0


def _lines(kind: str, severities: tuple[Severity, ...], after_s: float) -> tuple[Code, ...]:
    """What can be wrong with lines of a chip."""
    return (
        Code(f"{kind}.missing", severities, "its GPIO chip is not there, or is gone", "plug it in, or correct `chip`", after_s=after_s),
        Code(f"{kind}.permission", severities, "its GPIO chip may not be used", "let the agent's user into the group of the chip's node"),
        Code(f"{kind}.busy", severities, "its line is held by something else", "`gpioinfo` names the holder: free it, or correct `line`"),
        Code(f"{kind}.unusable", severities, "its line cannot do what is asked of it", "correct `chip` and `line`"),
    )


CODES: Final = (
    Code("safe_mode", CRITICAL, "the daemon did not stay up: only the alarm path runs", "see the journal for what ended it; report it"),
    Code("daemon.down", CRITICAL, "no daemon runs; `status` read the store", "start it: `systemctl start callout-agent`"),
    Code("press.waiting", CRITICAL, "a press was made while no daemon ran: not sent", "start the daemon; call for help another way"),
    Code("armed_proof.old", DEGRADED, "no raise was accepted in 30 days", "make a drill: `callout-agent raise --drill`"),
    # the button
    *_lines("button", CRITICAL, 0.0),
    Code("button.stuck", CRITICAL, "it does not let go: no press can be felt", "free it; look for a broken wire on an opening contact"),
    Code("button.unproven", CRITICAL, "its level was not read from the kernel within a minute", "restart the daemon if it lasts"),
    Code("button.bias", DEGRADED, "the chip cannot pull the line as configured", 'fit a resistor, and set bias = "as-is"'),
    Code("button.played", (C, N), "a program plays the button", "name a real chip in the config"),
    *_lines("indicator", DEGRADED, BOOT_S),
    Code("indicator.played", NOTE, "a program plays the lamp", "name a real chip in the config"),
    Code("indicator.failed", DEGRADED, "the lamp's part of the daemon failed", "see the journal; report it"),
    Code("keypad.missing", DEGRADED, "the keypad is not there", "plug it in, or correct its path", after_s=BOOT_S),
    Code("keypad.unplugged", DEGRADED, "the keypad is gone", "plug it in again"),
    Code("keypad.permission", DEGRADED, "the keypad may not be opened", "let the agent's user into the group of its node"),
    Code("keypad.busy", DEGRADED, "another program has the keypad", "stop that program"),
    Code("keypad.unusable", DEGRADED, "no code can be typed on it", "name a device with digits and enter"),
    Code("keypad.played", NOTE, "a program plays the keypad", "name a real device in the config"),
    Code("keypad.failed", DEGRADED, "the keypad's part of the daemon failed", "see the journal; report it"),
    # the position
    Code("position.none", CRITICAL, "a raise would carry no position", "look at antenna and receiver; a fixed device needs a [site]"),
    Code("position.stale", DEGRADED, "no fix comes in", "look at antenna and receiver", behind=("position.none",)),
    Code("receiver.missing", DEGRADED, "its device is not there", "plug it in, or correct its path"),
    Code("receiver.unplugged", DEGRADED, "its device is gone", "plug it in again"),
    Code("receiver.permission", DEGRADED, "its device may not be opened", "let the agent's user into the group of its node"),
    Code("receiver.busy", DEGRADED, "another program holds its device", "stop that program, or read from gpsd"),
    Code("receiver.unusable", DEGRADED, "its device is no serial line, or takes no such baud rate", "correct path and baud"),
    Code("receiver.unreachable", DEGRADED, "gpsd does not answer", "start gpsd, or correct host and port"),
    Code("receiver.no_device", DEGRADED, "gpsd has no receiver", "name it to gpsd, or run `gpsdctl add`"),
    Code("receiver.silent", DEGRADED, "it tells nothing", "look at its cable and power; after an unplugging restart gpsd"),
    Code("receiver.garbage", DEGRADED, "it tells what is no NMEA", "correct its baud rate; turn checksums on"),
    Code("receiver.no_position", DEGRADED, "it has no fix", "give the antenna a view of the sky; a cold start takes minutes"),
    Code("receiver.date", NOTE, "its date cannot be true; its positions are good", "a receiver past its week rollover needs new firmware"),
    # the time
    Code("clock.tls", CRITICAL, "dispatch's certificate is not valid at this device's time", "set the clock; see `timedatectl`"),
    Code("clock.untrusted", DEGRADED, "nobody vouches for the time", "give it a network (NTP) or a view of the sky"),
    Code("clock.wrong", DEGRADED, "the system clock is off", "set it: certificates are judged by it"),
    Code("clock.unset", DEGRADED, "the system clock could not be set from the receiver", "install callout-agent-clock.conf as a drop-in"),
    # the way to dispatch
    Code("dispatch.unreachable", CRITICAL, "no answer", "look at the link: signal, credit, name look-up, proxy"),
    Code("dispatch.tls", CRITICAL, "TLS fails", "correct base_url and ca_file; something may be intercepting"),
    Code("dispatch.failing", CRITICAL, "dispatch answers with errors", "wait; tell dispatch if it lasts"),
    Code("dispatch.odd_reply", CRITICAL, "somebody else answers (a captive portal?)", "log in to its portal, or correct base_url"),
    Code("dispatch.unproven", CRITICAL,
         "dispatch was not heard for too long, or not yet; or it refuses to list callouts and never took a raise",
         "it heals with the next poll; if refused, compare base_url and customer_id",
         behind=(*WAY, "token.none", "token.refused")),
    Code("lookup.unproven", (C, D), "the name of dispatch is not looked up; degraded while a proven address is known",
         "look at the link and at /etc/resolv.conf", behind=(*WAY, "dispatch.unproven")),
    Code("dispatch.ca_file", CRITICAL, "ca_file cannot be used", "put it back"),
    Code("dispatch.not_production", CRITICAL, "a raise would reach no real responder", 'set environment = "staging", or mend base_url'),
    Code("dispatch.certificate", DEGRADED, "dispatch's certificate ends soon", "tell dispatch: nothing can be raised once it has ended"),
    Code("dispatch.no_entitlement", CRITICAL, "dispatch opens no callout: help was not summoned", "ask dispatch for the subscription"),
    Code("dispatch.rejects_raise", CRITICAL, "dispatch does not take the raise as put", "check response_type_id with dispatch"),
    Code("dispatch.rejects_position", DEGRADED, "dispatch refuses positions", "tell it where the device is by another channel"),
    Code("dispatch.no_list", DEGRADED, "dispatch does not list callouts", "correct base_url, customer_id and active_callouts_path"),
    Code("dispatch.foreign_customer", DEGRADED, "dispatch lists another customer's callouts", "correct customer_id; check the token"),
    Code("dispatch.disagrees", NOTE, "dispatch lists a callout as open that it has closed", "nothing: it is asked once a minute"),
    Code("dispatch.no_events", NOTE, "what dispatch writes cannot be read", "nothing that an emergency needs is missing"),
    Code("device_event.failed", DEGRADED, "dispatch is not told of battery and health", "check [device] with dispatch",
         behind=("dispatch.unreachable", "dispatch.tls", "clock.tls")),
    # the token
    Code("token.none", CRITICAL, "there is no token to raise with", "check token_url and its key", behind=("dispatch.unreachable",)),
    Code("token.refused", CRITICAL, "dispatch refuses the token", "renew the device's key at the backend; check customer_id"),
    Code("token.unproven", CRITICAL, "no token was taken or renewed for too long", "check token_url and its key, or token_file",
         behind=("dispatch.unproven", "token.none", "token.refused", *WAY)),
    Code("token.renewal", DEGRADED, "the token cannot be renewed; the old one may still work", "check the backend, token_url and its key",
         behind=("dispatch.unreachable", "clock.tls", "token.none", "token.refused"), after_s=90.0),
    Code("token.scope", DEGRADED, "the token is refused for one operation", "ask dispatch what its scope is"),
    Code("token.certificate", DEGRADED, "the device's own certificate ends soon, or cannot be read", "put a new one in client_cert_file"),
    # the callout
    Code("callout.foreign", CRITICAL, "a callout of another dispatch or customer is stored", "mend the config, or `callout forget ID`"),
    Code("callout.unknown", DEGRADED, "dispatch does not know the callout any more", "ask dispatch, or `callout forget ID`"),
    Code("trail.failed", DEGRADED, "what was missed could not be told", "a defect: report it"),
    Code("drill.open", NOTE, "the next gesture is a drill", "nothing: it ends by itself"),
    Code("drill.failed", NOTE, "a drill did not end well", "try again when no callout is open"),
    # the store
    Code("store.full", DEGRADED, "the disk is full: rows wait in memory", "free space"),
    Code("store.read_only", DEGRADED, "the store cannot be written", "look for `ro` in /proc/mounts, and at the owner"),
    Code("store.busy", DEGRADED, "another process holds the database", "end it"),
    Code("store.io", DEGRADED, "the disk answers with errors", "see dmesg; change the card"),
    Code("store.unusable", DEGRADED, "the store cannot be used", "see the journal and store.path"),
    Code("store.hung", DEGRADED, "the disk does not answer", "see dmesg; presses are safe until a reboot"),
    Code("store.slow", DEGRADED, "commits take long, for a minute", "the card may be worn, or the system busy", after_s=60.0),
    Code("store.odd_row", DEGRADED, "a row could not be kept", "a defect: report it"),
    Code("store.defect", DEGRADED, "the store met what it does not know", "a defect: report it"),
    Code("store.*_moved", DEGRADED, "the database could not be used and was moved aside", "keep the old one for whoever can read it"),
    Code("store.identity_*", DEGRADED, "the record beside the database was moved aside", "as above"),
    Code("store.absent", DEGRADED, "there is no store", "see store.path; has the daemon ever run?"),
    Code("store.unreadable", DEGRADED, "the store cannot be read", "read it as root"),
    Code("store.unproven", DEGRADED, "a row was not written and read back for too long", "see the journal", behind=("store.*",)),
    Code("store.damaged", DEGRADED, "the nightly check found damage", "stop the daemon, move it away, start: a new one is begun"),
    Code("store.asides", NOTE, "databases that were moved aside fill the disk", "copy them elsewhere, then delete them"),
    Code("disk.low", DEGRADED, "little room is left for the store", "free space", behind=("store.full",)),
    # the process and what it is told
    Code("loop.lagging", DEGRADED, "the daemon stood still for seconds, more than once", "the machine is overloaded, or its card hangs"),
    Code("config.last_good", CRITICAL, "the config is broken: the last good copy is used", "mend it: `callout-agent check`"),
    Code("config.file_broken", DEGRADED, "the config was edited and would not start as it is", "mend it: `callout-agent check`",
         behind=("config.last_good",)),
    Code("config.edited", NOTE, "the config was edited and is not used yet", "restart the daemon"),
    Code("config.recording", (C, N), "a receiver plays a recording", "name a real receiver in the config"),
    Code("files.open", DEGRADED, "somebody else may read or write a file that this device goes by", "run the chmod that the hint names"),
    Code("power.low", DEGRADED, "the battery is nearly empty", "charge it"),
    Code("power.lost", DEGRADED, "the power supply was cut", "look at plug, cable and fuse"),
    Code("hook.failed", DEGRADED, "a program of the owner failed", "run it by hand as the agent's user"),
    Code("heartbeat.failed", DEGRADED, "the fleet's server is not told that this device lives", "check [heartbeat] url and that server",
         behind=("dispatch.unreachable", "clock.tls")),
    Code("control.failed", DEGRADED, "the control socket does not work", "check its directory; does another daemon run?"),
    Code("files.failed", DEGRADED, "nobody looks at the modes of files any more", "see the journal; report it"),
    Code("power.failed", DEGRADED, "the power supplies cannot be watched", "see the journal; report it"),
    Code("housekeeping.failed", DEGRADED, "the nightly jobs do not run", "see the journal; report it"),
    Code("proving.failed", DEGRADED, "nothing is proven any more", "see the journal; report it"),
    Code("self_test.failed", DEGRADED, "the daily self-test does not run", "see the journal; report it"),
    Code("arming.failed", DEGRADED, "nobody is told when the device is not armed", "see the journal; report it"),
)  # fmt: skip


@cache
def row_of(name: str) -> Code | None:
    """The row of a condition; None for one that is not in the table."""
    exact = next((code for code in CODES if code.name == name), None)
    return exact or next((code for code in CODES if "*" in code.name and fnmatchcase(name, code.name)), None)


def after_s(name: str) -> float:
    """How long a condition lasts before it shows; for one that is not critical."""
    row = row_of(name)
    return 0.0 if row is None else row.after_s


def rank(severity: Severity) -> int:
    """0 for the worst."""
    return list(Severity).index(severity)


def hidden(present: Iterable[tuple[str, Severity]]) -> Iterator[str]:
    """Which of the present conditions only follow from another one that is present and no less bad, and so need not be shown."""
    severities = dict(present)
    for name, severity in severities.items():
        row = row_of(name)
        behind = () if row is None else row.behind
        covers = (other for other in severities if other != name and any(fnmatchcase(other, each) for each in behind))
        if any(rank(severities[other]) <= rank(severity) for other in covers):
            yield name


def page() -> str:
    """The table as it stands in `docs/CONDITIONS.md`."""
    lines = ["| code | severity | means | what to do | hides behind | shows after |", "| --- | --- | --- | --- | --- | --- |"]
    for code in CODES:
        behind = ", ".join(f"`{each}`" for each in code.behind) or "-"
        late = f"{code.after_s:.0f} s" if code.after_s else "-"
        how_bad = " or ".join(each.value for each in code.severities)
        lines.append(f"| `{code.name}` | {how_bad} | {code.meaning} | {code.remedy} | {behind} | {late} |")
    return "\n".join(lines) + "\n"
