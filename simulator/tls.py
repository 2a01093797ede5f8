"""A throw-away certificate authority and server certificate for this machine's own names.

Writes one file, the CA's certificate. The private keys stay in memory but for the moment the TLS library needs a file.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

import trustme

NAMES = ("localhost", "127.0.0.1", "::1")


def make_context(ca_file: Path, extra_names: Sequence[str] = ()) -> ssl.SSLContext:
    """A server context with a fresh certificate; the CA that signed it is written to ca_file. Raises OSError."""
    authority = trustme.CA(organization_name="callout-agent simulator")
    names = dict.fromkeys((*NAMES, *extra_names))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert(*names).configure_cert(context)
    ca_file.write_bytes(authority.cert_pem.bytes())
    return context
