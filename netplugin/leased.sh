#!/bin/sh
# What udhcpc runs at each of its events: it tells the driver (netplugin.dhcp), by a line, and does nothing else.
# Nothing that a server sent is a word of a command here, and the driver believes numbers alone.
printf '%s %s %s %s\n' "$1" "${ip-}" "${serverid-}" "${lease-}"
