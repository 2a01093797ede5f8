#!/bin/sh
# Runs the version before this one, or the one that is named. One that does not become ready is taken back again.
set -e
#INCLUDE switch.sh

versions() {
    for folder in "$lib"/kept/*; do
        [ ! -e "$folder/bin/callout-agent" ] || echo "${folder##*/}"
    done
}

list() {
    for name in $(versions); do
        mark=' '
        [ "kept/$name" != "$(current)" ] || mark='*'
        echo "$mark $name"
    done
}

other() { # the only one that is not running
    for name in $(versions); do
        [ "kept/$name" = "$(current)" ] || echo "$name"
    done
}

case ${1:-} in
    -h | --help)
        echo "usage: callout-agent-rollback [--list | VERSION]"
        echo "Runs the version before, or the one named; * marks the one that runs. Refused while a callout is on."
        exit 0
        ;;
    --list)
        list
        exit 0
        ;;
    --settle) # for callout-agent-settle.service
        [ "$(id -u)" -eq 0 ] || exit 1
        settle
        exit
        ;;
    -*)
        say "unknown option $1: callout-agent-rollback [--list | VERSION]"
        exit 64
        ;;
esac

[ "$(id -u)" -eq 0 ] || { say "only root can change which version runs: sudo callout-agent-rollback" && exit 1; }
wanted=${1:-$(other)}
case $wanted in
    '')
        say "there is no other version here: only one is installed"
        exit 1
        ;;
    *[!A-Za-z0-9.~+]*)
        say "name one of these: $(versions | tr '\n' ' ')"
        exit 1
        ;;
esac
[ -e "$lib/kept/$wanted/bin/callout-agent" ] || { say "$wanted is not here: $(versions | tr '\n' ' ')" && exit 1; }
interpreter=$(sed -n '1s/^#!\([^ ]*\).*/\1/p' "$lib/kept/$wanted/bin/callout-agent")
[ -x "$interpreter" ] || { say "$wanted needs $interpreter, which is not here" && exit 1; }
[ "kept/$wanted" != "$(current)" ] || { say "$wanted is what runs" && exit 0; }
refuse_during_callout "the change of version"
switch "kept/$wanted"
say "$wanted runs now. It stays so until another version is installed."
