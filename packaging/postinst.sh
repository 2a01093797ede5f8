#!/bin/sh
# Prepares the version that was unpacked beside the one that runs, and moves over to it. May be cut anywhere and run again.
set -e
# Nothing is asked here; debconf learns the question that a purge will ask.
. /usr/share/debconf/confmodule
db_stop
#INCLUDE switch.sh
version=@VERSION@
python=@PYTHON@

people_and_places() {
    gpio_is_ours=
    if ! getent group gpio >/dev/null; then
        gpio_is_ours=yes
    fi
    systemd-sysusers callout-agent.conf
    install -d -m 0750 -o root -g callout-agent /etc/callout-agent
    install -d -m 0700 -o root -g root /etc/callout-agent/credentials
    # What an earlier purge left behind belongs to root, and nobody else could put anything there.
    if [ "$(stat -c %U /var/lib/callout-agent 2>/dev/null)" = root ]; then
        chown -R --no-dereference callout-agent:callout-agent /var/lib/callout-agent
    fi
    install -d -m 0700 -o callout-agent -g callout-agent /var/lib/callout-agent
    [ -z "$gpio_is_ours" ] || echo "The group gpio was made for callout-agent." >"$lib/gpio-is-ours"
    systemd-tmpfiles --create callout-agent.conf || true
}

devices() {
    [ -e /run/udev/control ] || return 0
    udevadm control --reload || true
    udevadm trigger --subsystem-match=gpio --subsystem-match=tty || true
}

is_whole() { # FOLDER: what the package holds, all of it
    diff -rq --no-dereference --exclude=__pycache__ "$lib/versions/$version" "$1" >/dev/null 2>&1
}

prepare() { # leaves in $home the folder that is to run. One that is there and is not whole is left alone: it may be running.
    for folder in "$lib/$(current)" "$lib/kept/$version" "$lib/kept/$version".*; do
        home=kept/${folder##*/}
        ! is_whole "$folder" || return 0
    done
    home=kept/$version
    count=1
    while [ -e "$lib/$home" ]; do
        count=$((count + 1))
        home=kept/$version.$count
    done
    mkdir -p "$lib/kept"
    rm -rf "$lib/kept/.new"
    if ! copy || ! compile || ! sync -f "$lib"; then
        rm -rf "$lib/kept/.new" # what runs needs the room for what it records
        say "$version cannot be prepared: is the disk full? 'df $lib' shows it. What ran goes on; then: sudo dpkg --configure -a"
        exit 1
    fi
    mv -T "$lib/kept/.new" "$lib/$home"
}

copy() {
    cp -al "$lib/versions/$version" "$lib/kept/.new" 2>/dev/null || { rm -rf "$lib/kept/.new" && cp -a "$lib/versions/$version" "$lib/kept/.new"; }
}

compile() { # immutable, and the daemon may not write here: nothing is gained by looking at times when it starts
    nice "$python" -IBS -m compileall -qq -j 0 --invalidation-mode unchecked-hash "$lib/kept/.new/site" >&2
}

tidy() { # only what runs and what ran before it stay; with nothing known to be before it, whatever is here may be that
    for folder in "$lib"/kept/* "$lib"/kept/.new; do
        case "kept/${folder##*/}" in
            "$home" | "$before") ;;
            kept/.new) rm -rf "$folder" ;;
            *) [ -z "$before" ] || rm -rf "$folder" ;;
        esac
    done
    for folder in "$lib"/versions/*; do
        [ "${folder##*/}" = "$version" ] || rm -rf "$folder"
    done
}

switch_on() {
    deb-systemd-helper unmask "$unit" >/dev/null || true
    if deb-systemd-helper --quiet was-enabled "$unit"; then
        deb-systemd-helper enable "$unit" >/dev/null || true
    else
        deb-systemd-helper update-state "$unit" >/dev/null || true
    fi
}

case $1 in
    configure)
        people_and_places
        prepare
        before=$(current)
        [ "$before" != "$home" ] || before=$(unfinished)
        [ -n "$before" ] || point "$home"
        switch_on
        devices
        refuse_during_callout "the new version" # one that began while dpkg unpacked
        # One that was taken back is of no use: the next attempt prepares it anew.
        switch "$home" || { rm -rf "${lib:?}/$home" && exit 1; }
        tidy
        [ -e /etc/callout-agent/config.toml ] || say "now run: sudo callout-agent setup"
        ;;
    abort-upgrade | abort-remove | abort-deconfigure)
        ! supervised || is_active || systemctl --no-block start "$unit" || true
        ;;
esac
