#!/usr/bin/env bash
# Installs what the tests need on a bare Debian machine, and runs them: all of them, or those that pytest is told.
#
#   sudo ./test.sh                          everything, on each engine
#   sudo ./test.sh tests/netplugin -k zone  what you would tell pytest
set -euo pipefail
cd "$(dirname "$0")"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive

readonly CACHE=${FULLHOST_TEST_CACHE:-/var/cache/fullhost-tests}
readonly LOG=$CACHE/install.log POLICY=/usr/sbin/policy-rc.d
readonly PACKAGES=(bind9 bind9-dnsutils busybox-static ca-certificates curl debootstrap dnsmasq-base git iproute2 iptables
    iputils-ping kea-dhcp4-server nftables procps python3-venv shellcheck slirp4netns udhcpc)

if [[ $EUID -ne 0 ]]; then
    echo "test.sh: cannot run the tests: they make namespaces and start engines, which needs root; run sudo ./test.sh" >&2
    exit 1
fi

install_packages() {
    local -a missing=()
    local package
    for package in "${PACKAGES[@]}"; do
        [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == "install ok installed" ]] || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    echo "installing ${missing[*]}"
    # The tests start a named of their own; the package's must not take port 53 of a developer's machine.
    local ours=
    if [[ ! -e $POLICY ]]; then
        ours=$POLICY
        printf '#!/bin/sh\nexit 101\n' >"$POLICY"
        chmod 755 "$POLICY"
    fi
    local status=0
    { apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"; } || status=$?
    [[ -z $ours ]] || rm -f "$ours"
    return "$status"
}

install_python() {
    [[ -x $CACHE/venv/bin/python ]] || python3 -m venv "$CACHE/venv"
    "$CACHE/venv/bin/pip" install --quiet --disable-pip-version-check --editable '.[test]'
}

mkdir -p "$CACHE"
{ install_packages && install_python; } >"$LOG" 2>&1 || {
    tail -n 30 "$LOG" >&2
    echo "test.sh: cannot install what the tests need; the whole log is in $LOG" >&2
    exit 1
}

if [[ $# -gt 0 ]]; then
    exec "$CACHE/venv/bin/python" -m pytest "$@"
fi
# The engines work at the same time, one process each, and all other tests in a fourth: they wait more than they compute. On
# two processors that is a load at which a bound of a test may be missed; what failed is run once more, alone, and has to
# pass then. Both runs are shown.
status=0
"$CACHE/venv/bin/python" -m pytest -n 4 --dist loadscope --durations 25 --engine all tests || status=$?
[[ $status -eq 1 ]] || exit "$status"
echo "test.sh: running what failed once more, without company"
exec "$CACHE/venv/bin/python" -m pytest --last-failed --engine all tests
