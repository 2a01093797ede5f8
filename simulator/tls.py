"""A throw-away certificate authority and server certificates for this machine's own names: a good one, and those of the faults.

Writes the CA's certificate and, beside a state file, the CA itself: devices that trust it go on after a restart. Other private keys stay
in memory but for the moment the TLS library needs a file. What is expired or not yet valid is so by its dates; no clock is touched.
"""

from __future__ import annotations

import datetime as dt
import os
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import trustme

from simulator.fault_keys import Certificate

BEGIN = b"-----BEGIN CERTIFICATE-----"
NAMES = ("localhost", "127.0.0.1", "::1")
OTHER_NAME = "somebody-else.example"
DAY = dt.timedelta(days=1)


class Certificates:
    """What connections are shown. `context` is the server's; the others are made when they are first asked for.

    ca_file: the CA that signed the good one is written to it. wrong: asked at every handshake what is to be wrong with the certificate,
    None for nothing; to be set by whoever knows. kept: where the CA outlives the process, for its owner only; None: it does not. Raises
    OSError, and ValueError where something else is kept there.
    """

    def __init__(self, ca_file: Path, extra_names: Sequence[str] = (), kept: Path | None = None) -> None:
        self.wrong: Callable[[], Certificate | None] = lambda: None
        self._authority = _authority(kept)
        self._names = tuple(dict.fromkeys((*NAMES, *extra_names)))
        self._made: dict[Certificate, ssl.SSLContext] = {}
        self.context = _context_of(self._authority.issue_cert(*self._names))
        # OpenSSL asks at every handshake, also where the client names no server.
        self.context.sni_callback = self._choose
        ca_file.write_bytes(self._authority.cert_pem.bytes())

    def _choose(self, handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        if (wrong := self.wrong()) is not None:
            if wrong not in self._made:
                self._made[wrong] = _context_of(self._issue(wrong))
            handshake.context = self._made[wrong]

    def _issue(self, wrong: Certificate) -> trustme.LeafCert:
        now = dt.datetime.now(dt.UTC)
        match wrong:
            case Certificate.EXPIRED:
                return self._authority.issue_cert(*self._names, not_before=now - 9 * DAY, not_after=now - DAY)
            case Certificate.NOT_YET:
                return self._authority.issue_cert(*self._names, not_before=now + DAY, not_after=now + 9 * DAY)
            case Certificate.OTHER_NAME:
                return self._authority.issue_cert(OTHER_NAME)
            case Certificate.UNKNOWN_AUTHORITY:
                return trustme.CA(organization_name="nobody knows").issue_cert(*self._names)


def _authority(kept: Path | None) -> trustme.CA:
    """The one that is kept, or a new one."""
    made = trustme.CA(organization_name="callout-agent simulator")
    if kept is None:
        return made
    try:
        key, mark, certificate = kept.read_bytes().partition(BEGIN)
    except FileNotFoundError:
        with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made.private_key_pem.bytes() + made.cert_pem.bytes())
        return made
    try:
        return trustme.CA.from_pem(mark + certificate, key)
    except ValueError:
        raise ValueError(f"{kept} is no authority of the simulator and was left as it is: move it away.") from None


def _context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # No resumption: a session would carry yesterday's certificate into today.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    certificate.configure_cert(context)
    return context
