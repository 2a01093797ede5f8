"""What one value of the config may be: types, ranges, URLs, paths, choices.

LEAF and pure: looks at the value alone, never at the disk, the environment or another key. Must not show a password that someone
wrote into a URL: `shown` is the only way a value gets into a message.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

PLACEHOLDER = "CHANGE-ME"

_LONGEST_SHOWN = 80
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_URL_PATH = re.compile(r"(/[A-Za-z0-9._~%!$&'()*+,;=:@-]*)*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class RefusedError(ValueError):
    """The value breaks its rule. `rule` says what it must be, `hint` what to do."""

    def __init__(self, rule: str, hint: str = "", *, placeholder: bool = False) -> None:
        super().__init__(rule)
        self.rule = rule
        self.hint = hint
        self.placeholder = placeholder


class Rule(Protocol):
    """One rule for one value."""

    def read(self, value: object) -> object:
        """The value as the daemon uses it. Raises RefusedError."""


def shown(value: object) -> str:
    """The value as TOML would have it, cut to 80 characters, without what stands before the @ of a URL."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str):
        text = '"' + re.sub(r"//[^/@]*@", "//***@", value).encode("unicode_escape").decode() + '"'
    elif isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    else:
        text = str(value) if not isinstance(value, int) or abs(value) < 10**20 else "a huge number"
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def read(self, value: object) -> bool:
        """Raises RefusedError for anything else, 0 and 1 included."""
        if not isinstance(value, bool):
            raise RefusedError("must be true or false")
        return value


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number, both ends included. put: what to put where 0 is a placeholder."""

    low: int
    high: int
    put: str = ""

    def read(self, value: object) -> int:
        """Raises RefusedError; a bool is no number."""
        rule = f"must be a whole number from {self.low} to {self.high}"
        if isinstance(value, bool) or not isinstance(value, int):
            raise RefusedError(rule)
        if value == 0 and self.put:
            raise RefusedError("is a placeholder", f"put {self.put}", placeholder=True)
        if not self.low <= value <= self.high:
            raise RefusedError(rule)
        return value


@dataclass(frozen=True, slots=True)
class Baud:
    """One of the speeds that receivers speak at."""

    usual: tuple[int, ...] = (4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)

    def read(self, value: object) -> int:
        """Bits per second. Raises RefusedError."""
        if isinstance(value, bool) or not isinstance(value, int) or value not in self.usual:
            raise RefusedError(f"must be one of {', '.join(map(str, self.usual))}")
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number, whole or not, both ends included."""

    low: float
    high: float

    def read(self, value: object) -> float:
        """Raises RefusedError; NaN and infinity are no numbers here."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise RefusedError(f"must be a number from {self.low:g} to {self.high:g}")
        return float(value)


@dataclass(frozen=True, slots=True)
class Text:
    """One line of printable characters, not blank. is_: what it is, in words. fits: a pattern for the whole of it."""

    is_: str = "a line of text"
    longest: int = 200
    fits: str = ".+"

    def read(self, value: object) -> str:
        """Raises RefusedError."""
        if not isinstance(value, str) or not value.isprintable() or not value.strip() or len(value) > self.longest:
            raise RefusedError(f"must be {self.is_}, 1 to {self.longest} printable characters")
        refuse_placeholder(value, self.is_)
        if re.fullmatch(self.fits, value) is None:
            raise RefusedError(f"must be {self.is_}")
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, value: object) -> str:
        """Raises RefusedError naming the words."""
        if not isinstance(value, str) or value not in self.words:
            raise RefusedError("must be " + " or ".join(f'"{word}"' for word in self.words))
        return value


@dataclass(frozen=True, slots=True)
class Place:
    """A path. absolute: it must begin with /; else a bare name is looked up as `Config.secret_path` says. longest: in bytes."""

    absolute: bool = True
    longest: int = 4095

    def read(self, value: object) -> str:
        """Raises RefusedError. Does not look whether anything is there."""
        if not isinstance(value, str) or not value.isprintable() or not value.strip():
            raise RefusedError("must be a path")
        refuse_placeholder(value, "a path")
        if self.absolute and not value.startswith("/"):
            raise RefusedError("must be an absolute path", "begin it with /")
        if len(value.encode()) > self.longest:
            raise RefusedError(f"must be a path of at most {self.longest} bytes")
        return value


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments, run without a shell; an empty list is none."""

    def read(self, value: object) -> tuple[str, ...]:
        """Raises RefusedError."""
        rule = 'must be a list: an absolute path and its arguments, like ["/usr/local/bin/notify"]'
        if not isinstance(value, list) or not all(isinstance(part, str) and "\0" not in part for part in value):
            raise RefusedError(rule)
        if value and not value[0].startswith("/"):
            raise RefusedError("must begin with the absolute path of a program", "there is no shell and no $PATH: name the program in full")
        return tuple(value)


@dataclass(frozen=True, slots=True)
class Template:
    """A path below base_url. name: of the placeholder that it must contain; empty: it has none."""

    name: str = "customer_id"

    def read(self, value: object) -> str:
        """Raises RefusedError."""
        slot = "{" + self.name + "}" if self.name else ""
        rest = value.replace(slot, "0", 1) if isinstance(value, str) and slot else value
        if not isinstance(value, str) or not isinstance(rest, str) or slot not in value or "{" in rest or "}" in rest:
            raise RefusedError(f"must contain {slot} exactly once and no other braces" if slot else "must be a path without braces")
        if not value.startswith("/") or _URL_PATH.fullmatch(rest) is None:
            raise RefusedError("must be a path below base_url", "begin it with /; no query, no blanks")
        return value


@dataclass(frozen=True, slots=True)
class Segment:
    """The end of a path below a callout; nothing; or "." for the callout's own path."""

    def read(self, value: object) -> str:
        """Raises RefusedError."""
        if not isinstance(value, str) or re.fullmatch(r"|\.|[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", value) is None:
            raise RefusedError('must be the end of a path without leading /, like "updateLocationAndReturnCallout", or ".", or empty')
        return value


@dataclass(frozen=True, slots=True)
class Url:
    """An http or https URL without user, query and fragment. put: what to put in place of the placeholder.

    plain_anywhere: http to any host (a proxy: what goes through it is encrypted), else on loopback only. base: normalised, so
    that a slash, a capital or a default port more does not make it another place.
    """

    put: str
    plain_anywhere: bool = False
    base: bool = False

    def read(self, value: object) -> str:
        """Raises RefusedError."""
        if not isinstance(value, str):
            raise RefusedError(f"must be a URL: {self.put}")
        refuse_placeholder(value, self.put)
        url = _split(value)
        self._refuse_plain(url)
        if url.username is not None or url.password is not None:
            raise RefusedError("must not hold a user or password", "secrets belong into files of their own")
        if "?" in value or "#" in value:
            raise RefusedError("must not hold a query or fragment", "end it before the ? or #")
        return _normal(url) if self.base else value

    def _refuse_plain(self, url: SplitResult) -> None:
        if url.scheme == "http" and not self.plain_anywhere and not is_loopback(url.hostname or ""):
            raise RefusedError("must be https, or http on loopback only", "anyone on the way could read a token sent over http")


def is_loopback(host: str) -> bool:
    """Whether this host name or address is this machine: localhost, 127.0.0.0/8, ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_placeholder(value: str, put: str) -> None:
    """Raises RefusedError where the example's placeholder still stands."""
    if PLACEHOLDER in value.upper():
        raise RefusedError("is a placeholder", f"put {put}", placeholder=True)


def _split(value: str) -> SplitResult:
    """Raises RefusedError unless scheme, host, port and path are well formed; urlsplit alone forgives too much."""
    wrong = RefusedError("must be a URL like https://host/path", "no blanks, no control characters, host in ASCII")
    if not value.isascii() or not value.isprintable() or " " in value or "\\" in value:
        raise wrong
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        raise wrong from None
    if url.scheme not in _DEFAULT_PORTS or port == 0 or not _host_fits(url) or _URL_PATH.fullmatch(url.path) is None:
        raise wrong
    return url


def _host_fits(url: SplitResult) -> bool:
    host = url.hostname or ""
    if "[" not in url.netloc:
        return _HOST.fullmatch(host) is not None and len(host) <= 253
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _normal(url: SplitResult) -> str:
    host = url.hostname or ""
    where = f"[{host}]" if ":" in host else host
    if url.port is not None and url.port != _DEFAULT_PORTS[url.scheme]:
        where += f":{url.port}"
    return f"{url.scheme}://{where}{url.path.rstrip('/')}"
