#!/usr/bin/env bash
# Sets fullhost up on a bare Debian or Ubuntu machine, or takes it away again: see --help.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE ETC=/etc/fullhost VENV=/opt/fullhost STATE=/var/lib/fullhost RUN=/run/fullhost
readonly LOGS=/var/log/fullhost LOG=/var/log/fullhost-install.log FHV=/usr/local/bin/fhv
readonly PLUGIN=/usr/local/lib/docker/cli-plugins/docker-fhv COMPLETION=/usr/share/bash-completion/completions/fhv
readonly SOCKET=/run/docker/plugins/fullhost.sock NETWORK=fullhost UNITS=/etc/systemd/system
readonly SERVICES=(fullhost.socket fullhost.service fullhost-named.service) AT_BOOT=fullhost-machines.service
readonly UNIT_FILES=("${SERVICES[@]}" "$AT_BOOT")
readonly PACKAGES_OURS=$STATE/packages SETTINGS=$STATE/settings FORWARDING=$STATE/forwarding-before
readonly RESOLVER_DECIDED=$STATE/resolver-decided
readonly SYSCTL=/etc/sysctl.d/60-fullhost.conf INSTANCES=/proc/sys/fs/inotify/max_user_instances INSTANCES_BEFORE=$STATE/instances-before
readonly PROFILE=/etc/apparmor.d/usr.sbin.named PROFILE_LOCAL=/etc/apparmor.d/local/usr.sbin.named
STEP="" PROOF=""

# shellcheck source=plugin-config/installer/settings.sh
. "$HERE/plugin-config/installer/settings.sh"
# shellcheck source=plugin-config/installer/removal.sh
. "$HERE/plugin-config/installer/removal.sh"

usage() {
    cat <<'END'
Usage: sudo ./install.sh              set fullhost up, or bring it up again after a reboot, or upgrade it
       sudo ./install.sh --uninstall  remove the machines and all that this made, and nothing else

Settings, from the environment, for the first run:
  FULLHOST_SUBNET  the machines' subnet, a /16 to /29           172.31.0.0/24
  FULLHOST_DOMAIN  the zone of their names                      local
  FULLHOST_BRIDGE  the bridge, with the subnet's first address  br0
  FULLHOST_NAMES   the machines of the first zone, at least     web db app mail ci dev
                   two: the second tests the first, which runs
  FULLHOST_RESOLVER=off   this host's resolver is left alone (fhv host resolver on|off, at any time)
  FULLHOST_IMAGE   what they are made of; fullhost/debian:SUITE fullhost/debian:bookworm
                   (or ubuntu) is made here, others are pulled

What is in /etc/fullhost is written once and yours to edit, but for forwarders.conf, the host's own name servers.
The noise is in /var/log/fullhost-install.log.
END
}

die() { # SENTENCE: what cannot be done, why, what to do
    STEP=""
    echo "install.sh: $1" >&2
    exit 1
}

step() {
    STEP=$1
    echo "==> $1"
    printf '\n== %s\n' "$1" >>"$LOG"
}

quiet() { "$@" >>"$LOG" 2>&1 </dev/null; }

at_exit() { # a signal leaves the exit code of the command before it: what is not finished is told by its step
    local process
    trap '' INT
    remove_proof
    [[ $STEP ]] || return 0
    echo "install.sh: cannot finish: this failed: $STEP. The end of $LOG:" >&2
    tail -n 15 "$LOG" | sed 's/^/  | /' >&2
    for process in driver named engine; do
        [[ ! -s $LOGS/$process.log ]] || tail -n 3 "$LOGS/$process.log" | sed "s/^/  $process | /" >&2
    done
    echo "Put that right and run the same command again: it goes on from where it is." >&2
}

has_systemd() { [[ -d /run/systemd/system ]]; }
installed() { [[ $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) == "install ok installed" ]]; }
engine_answers() { docker info >/dev/null 2>&1; }

wait_for() { # SECONDS COMMAND...: until the command is well
    local deadline=$((SECONDS + $1))
    until "${@:2}" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.2
    done
}

# ---- packages

install_packages() {
    local package wanted=(bind9 bind9-dnsutils ca-certificates debian-archive-keyring iproute2 iptables
        iputils-ping mmdebstrap nftables python3 python3-venv udhcpc) missing=()
    engine_answers || { command -v dockerd >/dev/null && ! ours docker.io; } || wanted+=(docker.io)
    [[ ! -d /sys/kernel/security/apparmor ]] || wanted+=(apparmor) # the engine needs its parser there
    for package in "${wanted[@]}"; do installed "$package" || missing+=("$package"); done
    ((${#missing[@]})) || return 0
    step "packages: ${missing[*]}"
    quiet dpkg --configure -a # in case a run before was cut short right here
    quiet apt-get update
    # Debian 13 has the client in a package of its own.
    if [[ " ${missing[*]} " == *" docker.io "* && -n $(apt-cache madison docker-cli) ]]; then missing+=(docker-cli); fi
    local simulated
    simulated=$(apt-get -s install --no-install-recommends "${missing[@]}")
    # Written down before it is done: a run that is cut short must leave nothing that --uninstall does not know.
    [[ -f $FORWARDING ]] || cat /proc/sys/net/ipv4/ip_forward >"$FORWARDING"
    awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }' <<<"$simulated" >>"$PACKAGES_OURS"
    quiet apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=120 "${missing[@]}"
}

silence_bind() { # the package starts a server on every address, the bridge's as well as soon as it is there
    [[ ! -e $ETC/named.conf ]] && ours bind9 || return 0
    if has_systemd; then
        quiet systemctl disable --now named.service
    else
        quiet service named stop || true
        quiet update-rc.d named disable
    fi
}

ours() { [[ -f $PACKAGES_OURS ]] && grep -qx "$1" "$PACKAGES_OURS"; }

install_fullhost() {
    step "fullhost in $VENV"
    local source
    source=$(mktemp -d) # pip builds in the source tree, which is not ours to litter
    cp -r "$HERE"/{launcher,netplugin,plugin-config,pyproject.toml,README.md,LICENSE} "$source"
    "$VENV/bin/python" -c "" 2>/dev/null || quiet python3 -m venv --clear "$VENV"
    quiet "$VENV/bin/pip" install --upgrade "$source"
    rm -rf "$source" "$VENV/plugin-config"
    cp -r "$HERE/plugin-config" "$VENV/plugin-config"
    ln -sfn "$VENV/bin/fhv" "$FHV"
    mkdir -p "${PLUGIN%/*}" && ln -sfn "$VENV/bin/docker-fhv" "$PLUGIN"
    [[ ! -d ${COMPLETION%/*} ]] || "$FHV" completion bash >"$COMPLETION"
}

configure() {
    step "configuration in $ETC"
    local key
    [[ -f $SETTINGS ]] || for key in "${!SET[@]}"; do echo "$key=${SET[$key]}"; done >"$SETTINGS"
    quiet "$FHV" host configure --subnet "${SET[SUBNET]}" --gateway "$GATEWAY" --domain "${SET[DOMAIN]}" \
        --bridge "${SET[BRIDGE]}" --names "${SET[NAMES]}" --bridge-port 0 --loopback-port 0 \
        --directory "$ETC" --templates "$VENV/plugin-config" --image "${SET[IMAGE]}" --network "$NETWORK"
    install -d -m 755 "$STATE" "$RUN" "$LOGS"
    install -d -m 755 -o bind -g bind "$STATE/named" "$RUN/named"
    allow_named
    raise_limits
    quiet named-checkconf -z "$ETC/named.conf"
}

raise_limits() { # unless somebody else has set them: what is his is not ours to lower, nor to raise
    local wanted
    ! grep -qrs '^ *fs.inotify.max_user_instances' /etc/sysctl.conf /{etc,run,usr/lib}/sysctl.d --exclude="${SYSCTL##*/}" || return 0
    install -D -m 644 "$HERE/plugin-config/sysctl.conf" "$SYSCTL"
    wanted=$(sed -n 's/^fs.inotify.max_user_instances = //p' "$SYSCTL")
    (($(<"$INSTANCES") < wanted)) || return 0
    [[ -f $INSTANCES_BEFORE ]] || cat "$INSTANCES" >"$INSTANCES_BEFORE"
    echo "$wanted" >"$INSTANCES" || echo "    only $(<"$INSTANCES") inotify instances: /proc/sys cannot be written here"
}
restore_limits() {
    [[ ! -f $INSTANCES_BEFORE ]] || cat "$INSTANCES_BEFORE" >"$INSTANCES" || true
    rm -f "$SYSCTL"
    dpkg-query -S "${SYSCTL%/*}" >/dev/null 2>&1 || rmdir --ignore-fail-on-non-empty "${SYSCTL%/*}"
}

# Where AppArmor confines named to the package's own places, ours are added in the file that is meant for it.
allow_named() {
    [[ -f $PROFILE ]] || return 0
    forbid_named
    printf '%s\n' "# fullhost: begin" "$ETC/** r," "$STATE/named/{,**} rwk," "$RUN/named/{,**} rw," \
        "# fullhost: end" >>"$PROFILE_LOCAL"
    reload_profile
}
forbid_named() { [[ ! -f $PROFILE_LOCAL ]] || sed -i '/^# fullhost: begin$/,/^# fullhost: end$/d' "$PROFILE_LOCAL"; }
reload_profile() { [[ ! -d /sys/kernel/security/apparmor/features ]] || quiet apparmor_parser -r "$PROFILE"; }

# ---- processes

daemon() { # NAME EXECUTABLE PROGRAM ARGUMENT...: where there is no systemd
    quiet start-stop-daemon --start --background --make-pidfile --pidfile "$RUN/$1.pid" \
        --output "$LOGS/$1.log" --exec "$2" --startas "$3" -- "${@:4}"
}
stop_daemon() { # NAME EXECUTABLE
    [[ ! -f $RUN/$1.pid ]] || quiet start-stop-daemon --stop --oknodo --retry 30 --remove-pidfile --pidfile "$RUN/$1.pid" --exec "$2"
}

start_services() {
    step "driver and name server"
    if has_systemd; then
        install -m 644 "${UNIT_FILES[@]/#/$HERE/plugin-config/}" "$UNITS"
        quiet systemctl daemon-reload
        quiet systemctl enable --now "${SERVICES[@]}"
        quiet systemctl enable "$AT_BOOT"
        quiet systemctl restart fullhost.service
        quiet systemctl reload fullhost-named.service
    else
        stop_daemon driver "$VENV/bin/python"
        (
            set -a
            # shellcheck source=/dev/null
            . "$ETC/driver.env"
            daemon driver "$VENV/bin/python" "$VENV/bin/gunicorn" -c "$VENV/plugin-config/gunicorn.conf.py" "netplugin.app:create_app()"
        )
        stop_daemon named /usr/sbin/named
        daemon named /usr/sbin/named /usr/sbin/named -g -u bind -c "$ETC/named.conf"
    fi
    wait_for 20 test -S "$SOCKET"
}

start_engine() { # after the driver: it starts its machines at once
    engine_answers && return
    step "engine"
    if has_systemd; then quiet systemctl enable --now docker.service; else daemon engine "$(command -v dockerd)" "$(command -v dockerd)"; fi
    wait_for 60 engine_answers
}

make_network() {
    if ! docker network inspect "$NETWORK" >/dev/null 2>&1; then
        step "network $NETWORK on ${SET[BRIDGE]} with $GATEWAY"
        quiet docker network create -d fullhost --ipam-driver null "$NETWORK"
    fi
    [[ $(docker network inspect -f '{{.Driver}}' "$NETWORK") == fullhost ]] ||
        die "cannot use the network $NETWORK: it has another driver; remove it with docker network rm $NETWORK"
    DNS_PORT=$(sed -n 's/^FULLHOST_DNS=.*:\([0-9]*\)$/\1/p' "$ETC/driver.env")
    wait_for 20 asked SOA "${SET[DOMAIN]}"
}

resume_machines() { # the engine has started those that ran before; with systemd this is a unit's work at each boot
    has_systemd || quiet "$FHV" start --boot || echo "==> some machine did not come up again: fhv start tells which"
}

name_machines() { # for this host's own programs; a host whose resolv.conf nobody writes is left as it is
    if [[ ${FULLHOST_RESOLVER-} != off ]]; then
        [[ ! -f $RESOLVER_DECIDED || $("$FHV" host resolver) != off:* ]] || return 0 # it was wished so, here or there
        step "names of machines on this host"
        "$FHV" host resolver on 2>&1 | tee -a "$LOG" | sed 's/^/    /' || return 0
    fi
    touch "$RESOLVER_DECIDED"
}

asked() { # TYPE NAME: what the name server says; nothing is a failure
    dig +short +time=1 +tries=1 "@$GATEWAY" -p "${DNS_PORT:-53}" "$2" "$1" | grep -v '^;'
}

make_image() {
    docker image inspect "${SET[IMAGE]}" >/dev/null 2>&1 && return
    step "image ${SET[IMAGE]}"
    if [[ ${SET[IMAGE]} =~ ^fullhost/(debian|ubuntu):([a-z]+)$ ]]; then
        quiet "$FHV" image bootstrap "${BASH_REMATCH[1]}" --suite "${BASH_REMATCH[2]}" --tag "${SET[IMAGE]}"
    else
        quiet docker pull "${SET[IMAGE]}"
    fi
}

# ---- what was proved

prove() {
    local machine=${NAMES[0]} other=${NAMES[1]} record address state answer
    if ! record=$(asked A "$machine.${SET[DOMAIN]}"); then
        echo "==> the zone has no $machine any more: nothing is started, nothing proved"
        return
    fi
    step "machine $machine"
    quiet "$FHV" start "$machine"
    step "proof"
    state=$(docker exec "$machine" systemctl is-system-running 2>/dev/null) || state=$("$FHV" status "$machine" | grep '^init')
    show "init of $machine" "$state"
    address=$(docker inspect -f "{{.NetworkSettings.Networks.$NETWORK.IPAddress}}" "$machine")
    show "record, address" "$record, $address"
    [[ $address == "$record" ]]
    if asked A "$other.${SET[DOMAIN]}" >/dev/null; then
        answer=$(ping_from "$other" "$machine" | grep 'bytes from')
        show "$other to $machine" "$answer"
    fi
    make_proof
    answer=$(docker exec "$machine" ping -c 1 -W 5 198.51.100.2 | grep 'bytes from')
    show "$machine to the world" "$answer, which has no route to ${SET[SUBNET]}"
    answer=$(nft list table ip "fullhost-$(docker network inspect -f '{{slice .Id 0 12}}' "$NETWORK")" | grep masquerade)
    show "translated by" "${answer#"${answer%%[! 	]*}"}"
}

show() { printf '    %-16s %s\n' "$1" "$2" | tee -a "$LOG"; }

ping_from() { # OTHER MACHINE: from a machine that runs, else from a container with its name and address
    if docker exec "$1" true >/dev/null 2>&1; then docker exec "$1" ping -c 1 -W 5 "$2"; else
        docker run --rm --hostname "$1" --network "name=$NETWORK,driver-opt=fullhost.name=$1" "${SET[IMAGE]}" ping -c 1 -W 5 "$2"
    fi
}

make_proof() { # a world of one host that knows the way to this host alone, gone with the process that holds it
    unshare --net sleep 60 &
    PROOF=$!
    wait_for 5 has_world
    quiet ip link add fullhost-proof type veth peer name eth0 netns "$PROOF"
    quiet ip address add 198.51.100.1/30 dev fullhost-proof
    quiet ip link set fullhost-proof up
    quiet nsenter --target "$PROOF" --net ip address add 198.51.100.2/30 dev eth0
    quiet nsenter --target "$PROOF" --net ip link set eth0 up
}
has_world() { # the link cannot be read while the process changes its program: nothing is no other world
    local its
    its=$(readlink "/proc/$PROOF/ns/net") && [[ $its != $(readlink /proc/self/ns/net) ]]
}
remove_proof() { [[ -z $PROOF ]] || kill "$PROOF"; }

# ---- the two commands

set_up() {
    read_settings
    check_machine
    check_names
    check_subnet
    mkdir -p "$STATE"
    install_packages
    silence_bind
    install_fullhost
    configure
    start_services
    start_engine
    make_network
    resume_machines
    name_machines
    make_image
    prove
    echo "==> fullhost is ready: machines are the names in $ETC/${SET[DOMAIN]}.zone; next: fhv list, fhv start ${NAMES[1]}, fhv shell ${NAMES[0]}"
}

main() {
    local command=set_up
    case "${1-}" in
        "") ;;
        --uninstall) command=uninstall ;;
        -h | --help) usage && return ;;
        *) usage >&2 && exit 2 ;;
    esac
    (($# <= 1)) || { usage >&2 && exit 2; }
    ((EUID == 0)) || die "cannot do this as $(id -un): run it as root, with sudo"
    trap at_exit EXIT
    trap 'exit 130' INT
    $command
    STEP=""
    exit 0 # whatever has become of this file meanwhile
}

main "$@"
