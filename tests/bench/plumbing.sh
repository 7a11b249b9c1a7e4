#!/bin/sh
# The way of the seed, one machine after the other: a container without a network, then what pipework does to give it
# one, in its order: look the container up, make its namespace known, make a veth, plug it into the bridge, move,
# name and address the peer, route, and tell the neighbours with arping.
#
#   plumbing.sh IMAGE BRIDGE HOLDER NAME...
#
# HOLDER is a process that sees the engine's namespaces. `docker`, `dig`, `ip` and `arping` are on the PATH.
set -eu
image=$1 bridge=$2 holder=$3
shift 3
mount -t tmpfs none /run/netns # of this process alone: the names of pipework's namespaces are pids

plug() {
    name=$1 address=$2 gateway=$3
    pid=$(docker inspect --format '{{ .State.Pid }}' "$name")
    docker inspect --format '{{ .ID }}' "$name" >/dev/null
    docker inspect --format '{{ .Name }}' "$name" >/dev/null
    # pipework links /proc/PID/ns/net; here pids are the engine's own, so it is told where the namespace is mounted.
    key=$(docker inspect --format '{{ .NetworkSettings.SandboxKey }}' "$name")
    ln -s "/proc/$holder/root/run/docker/netns/${key##*/}" "/run/netns/$pid"
    mtu=$(ip link show "$bridge" | awk '$4=="mtu"{print $5}')
    ! ip link show "v1pl$pid" >/dev/null 2>&1 || ip link del "v1pl$pid"
    ip link add name "v1pl$pid" mtu "$mtu" type veth peer name "v1pg$pid" mtu "$mtu"
    ip link set "v1pl$pid" master "$bridge"
    ip link set "v1pl$pid" up
    ip link set "v1pg$pid" netns "$pid"
    ip netns exec "$pid" ip link set "v1pg$pid" name eth1
    ip netns exec "$pid" ip addr add "$address/24" brd + dev eth1
    ip netns exec "$pid" ip route delete default >/dev/null 2>&1 || true
    ip netns exec "$pid" ip link set eth1 up
    ip netns exec "$pid" ip route get "$gateway" >/dev/null
    ip netns exec "$pid" ip route replace default via "$gateway" dev eth1
    ip netns exec "$pid" arping -c 1 -A -I eth1 "$address" >/dev/null 2>&1 || true
    rm -f "/run/netns/$pid"
}

gateway=$(dig +short @127.0.0.1 host.local)
for name in "$@"; do
    address=$(dig +short @127.0.0.1 "$name.local")
    docker inspect "seed-$name" >/dev/null 2>&1 && known=yes || known=no
    if [ "$known" = yes ]; then
        docker start "seed-$name" >/dev/null
    else
        docker run --net none -h "$name" --dns "$gateway" --name "seed-$name" -d "$image" >/dev/null
    fi
    docker inspect --format '{{ .State.Running }}' "seed-$name" >/dev/null
    docker exec "seed-$name" telinit 3 >/dev/null 2>&1 || true
    plug "seed-$name" "$address" "$gateway"
done
