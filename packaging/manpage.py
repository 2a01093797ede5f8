"""Writes callout-agent(8) to stdout, from the argument parser and the few words that no parser has.

Usage: manpage.py VERSION SECONDS-SINCE-1970. Must not say anything that differs between two builds of the same tree.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from commands import Argument, Command, tree

BEFORE = r"""
.SH NAME
callout\-agent \- panic button and tracker that raises callouts to a dispatch service
.SH SYNOPSIS
.B callout\-agent
.RB [ \-\-config
.IR FILE ]
.I COMMAND
.RI [ OPTION ]...
.SH DESCRIPTION
A daemon, and the commands to set it up, to look at it and to speak through it.
A press of the button raises a callout at the dispatch service;
from then on the position is streamed to it until dispatch closes the callout.
.PP
After the package is installed,
.B callout\-agent setup
asks what it has to know, writes the configuration and starts the daemon.
.B callout\-agent status
says whether a press would work now, and
.B callout\-agent doctor
what is in its way and what to do.
.SH COMMANDS
"""
AFTER = r"""
.SH EXIT STATUS
0 where all is well; what else there is belongs to each command.
.B status
ends with 0 if armed, 1 if not, 2 if the daemon does not run.
.B raise
ends with 0 once the press is stored or sent, 1 if it was refused, 2 if it could not be stored, 3 if the daemon is down, 4 if
.B \-\-wait
ended before dispatch accepted.
.SH ENVIRONMENT
.TP
.B CALLOUT_AGENT_CONFIG
The configuration file, where
.B \-\-config
does not name one.
.TP
.B CALLOUT_AGENT_UPGRADE
With the value
.BR force ,
installing, removing and
.BR callout\-agent\-rollback (8)
go on although a callout is on.
.SH FILES
.TP
.I /etc/callout\-agent/config.toml
The configuration. Each key is explained in
.IR /usr/share/doc/callout\-agent/examples/config.toml .
.TP
.I /etc/callout\-agent/credentials/
Secrets, readable by root only.
.TP
.I /var/lib/callout\-agent/
What was recorded, and the state of a callout.
.TP
.I /usr/lib/callout\-agent/current
The version that runs.
.SH SEE ALSO
.BR callout\-agent\-rollback (8),
.BR systemctl (1),
.BR journalctl (1),
.BR gpsd (8)
"""


def page(version: str, date: str) -> Iterator[str]:
    """The lines of the page. date: as it stands in the footer."""
    yield f'.TH CALLOUT\\-AGENT 8 "{date}" "callout\\-agent {version}" "System Administration"'
    yield BEFORE.strip("\n")
    whole = tree()
    for command in whole.walk():
        if command.words and not command.below:
            yield from _section(command)
    yield ".SH OPTIONS"
    yield from _arguments(whole.arguments)
    yield AFTER.strip("\n")


def _section(command: Command) -> Iterator[str]:
    yield f'.SS "{_plain(" ".join(command.words))}"'
    yield _sentence(command.text)
    # The same for each: told once, under OPTIONS.
    yield from _arguments(tuple(each for each in command.arguments if not {"--config", "--help"} & set(each.names)))


def _arguments(arguments: tuple[Argument, ...]) -> Iterator[str]:
    for argument in arguments:
        names = ", ".join(f"\\fB{_plain(name)}\\fR" for name in argument.names)
        value = f"\\fI{_plain(argument.shown)}\\fR" if argument.shown else ""
        yield ".TP"
        yield f"{names} {value}".strip()
        yield _sentence(argument.text)


def _sentence(text: str) -> str:
    text = _plain(" ".join(text.split()))
    return f"{text[:1].upper()}{text[1:]}." if text else "\\&"


def _plain(text: str) -> str:
    """So that roff takes nothing in it for a request or an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return f"\\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    made_on = datetime.fromtimestamp(int(sys.argv[2]), UTC).strftime("%Y-%m-%d")
    sys.stdout.writelines(f"{line}\n" for line in page(sys.argv[1], made_on))
