#!/bin/sh
# Before anything is unpacked. Changes nothing: what runs lies in kept/, where dpkg does not reach.
set -e
#INCLUDE switch.sh

case $1 in
    upgrade | install)
        refuse_during_callout "the upgrade"
        ;;
esac
