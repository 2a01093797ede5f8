"""A throw-away certificate authority and server certificates for this machine's own names: a good one, and those of the faults.

Writes one file, the CA's certificate. The private keys stay in memory but for the moment the TLS library needs a file. What is expired
or not yet valid is so by its dates; no clock is touched.
"""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import trustme

from simulator.fault_keys import Certificate

NAMES = ("localhost", "127.0.0.1", "::1")
OTHER_NAME = "somebody-else.example"
DAY = dt.timedelta(days=1)


class Certificates:
    """What connections are shown. `context` is the server's; the others are made when they are first asked for.

    ca_file: the CA that signed the good one is written to it. wrong: asked at every handshake what is to be wrong with the certificate,
    None for nothing; to be set by whoever knows. Raises OSError.
    """

    def __init__(self, ca_file: Path, extra_names: Sequence[str] = ()) -> None:
        self.wrong: Callable[[], Certificate | None] = lambda: None
        self._authority = trustme.CA(organization_name="callout-agent simulator")
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


def _context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # No resumption: a session would carry yesterday's certificate into today.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    certificate.configure_cert(context)
    return context
