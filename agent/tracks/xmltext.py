"""Any text as the text of an XML element or attribute: escaped, and without what XML cannot say at all.

Pure. A note or a receiver's name may hold any byte; a file that no reader opens would lose the whole track.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

_UNSAYABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def said(text: str) -> str:
    """The text, to stand between two tags or in double quotes."""
    return escape(_UNSAYABLE.sub("\ufffd", text), {'"': "&quot;"})
