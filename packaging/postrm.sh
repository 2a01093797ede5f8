#!/bin/sh
# After a removal nothing runs and everything recorded stays; a purge asks debconf whether the recorded tracks stay, too.
set -e

lib=/usr/lib/callout-agent
state=/var/lib/callout-agent
kept_note=/etc/callout-agent/.gpio-is-ours # not in the state: the agent's user writes there, and the owner may have removed it

keeps_tracks() {
    [ -e /usr/share/debconf/confmodule ] || return 0
    db_input high callout-agent/purge-tracks || true
    db_go || true
    db_get callout-agent/purge-tracks || return 0
    [ "$RET" != true ]
}

leave_tracks() { # the database and what was moved aside, to root: the user goes, and its number may become someone else's
    find "$state" -mindepth 1 -maxdepth 1 ! \( -name 'agent.db*' ! -name '*.reserve' \) -exec rm -rf {} +
    ! rmdir "$state" 2>/dev/null || return 0
    chown -R --no-dereference root:root "$state"
    chmod -R go= "$state"
    echo "callout-agent: the recorded tracks are kept in $state; to remove them: rm -r $state" >&2
}

tell_of_others() { # a database that the owner put elsewhere is the owner's
    sed -n 's/^ *path *= *"\(\/[^"]*\.db\)".*/\1/p' /etc/callout-agent/config.toml 2>/dev/null | while read -r path; do
        case $path in
            "$state"/*) ;;
            *) echo "callout-agent: the database $path was put there by the configuration, and is not removed" >&2 ;;
        esac
    done
}

remove_people() {
    if getent passwd callout-agent >/dev/null; then
        userdel callout-agent 2>/dev/null || true
    fi
    if getent group callout-agent >/dev/null; then
        groupdel callout-agent 2>/dev/null || true
    fi
}

case $1 in
    remove)
        [ ! -e "$lib/gpio-is-ours" ] || { mkdir -p -m 0750 "${kept_note%/*}" && mv -fT "$lib/gpio-is-ours" "$kept_note"; }
        rm -rf "$lib/kept" "$lib/current" "$lib/.current.new" "$lib/moving-from" "$lib/.moving-from"
        rmdir "$lib/versions" "$lib" 2>/dev/null || true
        [ ! -d /run/systemd/system ] || systemctl daemon-reload || true
        [ ! -e /run/udev/control ] || udevadm control --reload || true
        ;;
    purge)
        [ ! -e /usr/share/debconf/confmodule ] || . /usr/share/debconf/confmodule
        gpio_is_ours=no
        [ ! -e "$kept_note" ] || gpio_is_ours=yes
        if [ -d "$state" ]; then
            if keeps_tracks; then leave_tracks; else rm -rf "$state"; fi
        fi
        tell_of_others
        rm -rf /etc/callout-agent /run/callout-agent /etc/systemd/system/callout-agent.service.d "$lib"
        if [ -x /usr/bin/deb-systemd-helper ]; then
            deb-systemd-helper purge callout-agent.service >/dev/null || true
            deb-systemd-helper unmask callout-agent.service >/dev/null || true
        fi
        [ ! -d /run/systemd/system ] || systemctl daemon-reload || true
        remove_people
        if [ "$gpio_is_ours" = yes ] && [ -z "$(getent group gpio | cut -d: -f4)" ]; then
            groupdel gpio 2>/dev/null || true
        fi
        [ ! -e /usr/share/debconf/confmodule ] || db_purge
        ;;
esac
