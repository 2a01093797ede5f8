"""Writes the bash completion of callout-agent to stdout: a table of words, made from the argument parser, and a function that looks it up.

The table is all that a Tab reads: it must start no program and ask no daemon.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from commands import Command, tree

FILES = frozenset({"FILE", "LOG", "PATH", "DIR", "DIRECTORY"})  # values that are looked for on the disk
FUNCTION = r"""
_callout_agent() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} place=callout-agent each skip=""
    for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        if [[ -n $skip ]]; then
            skip=""
        elif [[ -n ${_callout_agent_values["$place $each"]+there} ]]; then
            skip=yes
        elif [[ -n ${_callout_agent_words["$place $each"]+there} ]]; then
            place="$place $each"
        fi
    done
    COMPREPLY=()
    if [[ -n $skip ]]; then
        local values=${_callout_agent_values["$place $before"]}
        if [[ $values == FILE ]]; then
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
        fi
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "${_callout_agent_words["$place"]}" -- "$word")
    if [[ -n ${_callout_agent_values["$place "]+there} && $word != -* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -F _callout_agent callout-agent
"""


def script() -> Iterator[str]:
    """The lines of the file that bash-completion loads."""
    commands = list(tree().walk())
    yield "# bash completion of callout-agent, made from its argument parser. Keys are the words of a command."
    # -g: bash-completion reads this file from within a function.
    yield "declare -gA _callout_agent_words=("
    for command in commands:
        names = [each.words[-1] for each in command.below] + [name for each in command.arguments for name in each.names]
        choices = [choice for each in command.arguments if not each.names for choice in each.choices]
        yield f'    ["{_key(command)}"]="{" ".join(choices + names)}"'
    yield ")"
    yield "# What comes after an option that takes a value, or in the place of a value: FILE, or these words."
    yield "declare -gA _callout_agent_values=("
    for command in commands:
        yield from _values(command)
    yield ")"
    yield FUNCTION.strip("\n")


def _values(command: Command) -> Iterator[str]:
    for argument in command.arguments:
        values = "FILE" if argument.shown.upper() in FILES else " ".join(argument.choices)
        if argument.shown and argument.names:
            for name in argument.names:
                yield f'    ["{_key(command)} {name}"]="{values}"'
        elif values == "FILE":
            yield f'    ["{_key(command)} "]="{values}"'


def _key(command: Command) -> str:
    return " ".join(("callout-agent", *command.words))


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in script())
