#!/bin/sh
# An upgrade goes on running what runs; only a removal stops it.
set -e
#INCLUDE switch.sh

case $1 in
    remove)
        refuse_during_callout "the removal"
        if [ -d /run/systemd/system ]; then
            deb-systemd-invoke stop "$unit" >/dev/null || true
        fi
        ;;
esac
