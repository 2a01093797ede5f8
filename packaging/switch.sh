# Which version runs, and moving from one to another. Put into each maintainer script and callout-agent-rollback when the package is built.
# Touches `current` and the unit's state. Must not ask anything, and must not know more of a callout than the device shows (law 5).
# Every step may be the last before a power cut: `current` is replaced by one rename, and what it names is on the disk before that.

lib=/usr/lib/callout-agent
unit=callout-agent.service
ready_within_s=60
settled_after_s=3 # what falls over at once was not ready
deaths=2          # so many are enough: nobody is protected meanwhile, and one more version has to start before safe mode is near

say() {
    echo "callout-agent: $*" >&2
}

current() { # what `current` names, as "kept/VERSION"; empty if it names nothing that is there
    [ ! -e "$lib/current/bin/callout-agent" ] || readlink "$lib/current"
}

point() { # kept/VERSION. Chained: in a condition the shell passes over what fails, and a full disk may fail any of it
    sync -f "$lib" && rm -f "$lib/.current.new" && ln -s "$1" "$lib/.current.new" && mv -fT "$lib/.current.new" "$lib/current" &&
        sync -f "$lib"
}

status() {
    [ -n "$(current)" ] || return 0
    timeout 20 "$lib/current/bin/callout-agent" status --json 2>/dev/null || true
}

callout_is_on() { # as the device shows it; no word of it is no
    case $(status | sed -n '/^  "callout": {/,/^  }/s/^    "state": "\([^"]*\)".*/\1/p') in
        '' | standby) return 1 ;;
    esac
}

refuse_during_callout() { # WHAT
    [ "${CALLOUT_AGENT_UPGRADE:-}" != force ] || return 0
    callout_is_on || return 0
    say "a callout is on: $1 waits for its end. What runs was not touched."
    say "'callout-agent status' shows it. Once it is over, give the same command again."
    say "To do it now all the same: CALLOUT_AGENT_UPGRADE=force in the environment of the command."
    return 1
}

permitted() { # ACTION: whether the local policy lets packages do it
    [ -x /usr/sbin/policy-rc.d ] || return 0
    answer=0
    /usr/sbin/policy-rc.d callout-agent "$1" >/dev/null 2>&1 || answer=$?
    [ "$answer" -ne 101 ]
}

supervised() { # whether systemd is there, and may start it
    [ -d /run/systemd/system ] && permitted restart || return 1
    case $(systemctl is-enabled "$unit" 2>/dev/null) in
        masked* | disabled) return 1 ;;
    esac
}

property() {
    systemctl show --property="$1" --value "$unit" 2>/dev/null
}

is_active() {
    [ "$(property ActiveState)" = active ]
}

is_settled() { # systemd says that it is ready, it stays so, and it is whole
    is_active || return 1
    invocation=$(property InvocationID)
    sleep "$settled_after_s"
    is_active && [ "$(property InvocationID)" = "$invocation" ] || return 1
    ! status | grep -q '"code": "safe_mode"'
}

uptime_s() {
    cut -d. -f1 /proc/uptime
}

restart() { # what `current` names; 0 if it becomes ready, or waits for its config
    systemctl daemon-reload || true
    deadline_s=$(($(uptime_s) + ready_within_s))
    systemctl reset-failed "$unit" 2>/dev/null || true # and with that the number of restarts
    timeout "$ready_within_s" systemctl restart "$unit" 2>/dev/null || true
    becomes_ready
}

becomes_ready() { # by $deadline_s
    while [ "$(property NRestarts)" -lt "$deaths" ]; do
        [ "$(property ActiveState)/$(property ConditionResult)/$(property Job)" != inactive/no/ ] || return 0
        ! is_settled || return 0
        [ "$(uptime_s)" -lt "$deadline_s" ] || return 1
        sleep 1
    done
    return 1
}

# A move that a power cut or a failure left unfinished: what ran before it. Only a version that was well is worth going back to.
unfinished() { # kept/VERSION; empty if there is none
    [ ! -e "$lib/moving-from" ] || cat "$lib/moving-from"
}

begin() { # kept/VERSION
    echo "$1" >"$lib/.moving-from" && sync -f "$lib" && mv -fT "$lib/.moving-from" "$lib/moving-from"
}

switch() { # kept/VERSION: run that; if what ran was well and that does not become ready, run again what ran
    if ! supervised; then
        point "$1" || return 1
        return 0
    fi
    back_to=$(unfinished)
    if is_active && [ "$(current)" != "$1" ]; then
        back_to=$(current)
    fi
    if { [ -n "$back_to" ] && ! begin "$back_to"; } || ! point "$1"; then
        rm -f "$lib/.moving-from" "$lib/.current.new"
        say "${1#kept/} cannot be moved to: is the disk full? 'df $lib' shows it. What runs goes on."
        return 1
    fi
    if restart; then
        rm -f "$lib/moving-from"
        return 0
    fi
    if [ ! -e "$lib/${back_to:-nothing}/bin/callout-agent" ] || [ "$back_to" = "$1" ]; then
        rm -f "$lib/moving-from"
        say "${1#kept/} is in place but not ready: 'callout-agent doctor' and 'journalctl -u callout-agent' say why"
        return 0
    fi
    say "${1#kept/} does not become ready: going back to ${back_to#kept/}"
    point "$back_to"
    rm -f "$lib/moving-from"
    if restart; then
        say "${back_to#kept/} runs again. 'journalctl -u callout-agent' says what was wrong."
    else
        say "${back_to#kept/} is not ready either: 'callout-agent doctor' says why. CALL FOR HELP ANOTHER WAY MEANWHILE."
    fi
    return 1
}

any_version() { # kept/VERSION: the one that was prepared last
    for program in $(ls -1t "$lib"/kept/*/bin/callout-agent 2>/dev/null); do
        program=${program#"$lib"/}
        echo "${program%/bin/callout-agent}"
        return 0
    done
}

# At boot, where the power was cut in the middle of a move, or `current` is lost: nobody is there to go back by hand.
settle() {
    back_to=$(unfinished)
    [ -e "$lib/${back_to:-nothing}/bin/callout-agent" ] || back_to=
    if [ -z "$(current)" ]; then
        back_to=${back_to:-$(any_version)}
        [ -n "$back_to" ] || { say "no version is here: install the package again. CALL FOR HELP ANOTHER WAY MEANWHILE." && return 1; }
    else
        deadline_s=$(($(uptime_s) + ready_within_s))
        if becomes_ready || [ -z "$back_to" ] || [ "$back_to" = "$(current)" ]; then
            rm -f "$lib/moving-from"
            return 0
        fi
    fi
    say "what the power cut left does not become ready: going back to ${back_to#kept/}"
    point "$back_to" || return 1
    rm -f "$lib/moving-from"
    restart
}
