# shellcheck shell=bash
# install.sh --uninstall: takes away what install.sh made, and nothing else.

uninstall() {
    [[ -e $STATE || -e $VENV || -e $ETC ]] || { echo "nothing of fullhost is here"; return; }
    if [[ -x $VENV/bin/fhv ]]; then quiet "$VENV/bin/fhv" host resolver off; fi
    ! command -v docker >/dev/null || remove_from_engine
    step "processes"
    if has_systemd; then
        quiet systemctl disable --now "${UNIT_FILES[@]}" || true
        rm -f "${UNIT_FILES[@]/#/$UNITS/}"
        quiet systemctl daemon-reload
    else
        stop_daemon named /usr/sbin/named
        stop_daemon driver "$VENV/bin/python"
    fi
    rm -f "$SOCKET"
    forget_zone
    restore_limits
    if [[ -f $PROFILE ]]; then forbid_named && reload_profile; fi
    [[ ! -s $PACKAGES_OURS ]] || remove_packages
    step "files: $ETC $VENV $STATE $LOGS $FHV"
    rm -rf "$ETC" "$VENV" "$STATE" "$RUN" "$LOGS" "$LOG"
    [[ $(readlink "$FHV") != "$VENV"/* ]] || rm "$FHV"
    if [[ $(readlink "$PLUGIN") == "$VENV"/* ]]; then
        rm "$PLUGIN"
        rmdir --ignore-fail-on-non-empty "${PLUGIN%/*}" "${PLUGIN%/*/*}"
    fi
    rm -f "$COMPLETION"
}

remove_from_engine() { # machines are told from other containers by their label; those only lose the network
    local ids networks id
    if [[ -x $VENV/bin/gunicorn && -f $ETC/driver.env ]]; then start_services; fi
    start_engine
    ids=$(docker ps -aq --filter label=fullhost.machine)
    networks=$(docker network ls -q --filter driver=fullhost)
    if [[ $ids ]]; then
        step "machines: $(docker ps -a --filter label=fullhost.machine --format '{{.Names}}' | paste -sd ' ')"
        xargs docker rm --force --volumes <<<"$ids" >>"$LOG" 2>&1
    fi
    for id in $networks; do
        step "network $(docker network inspect -f '{{.Name}}' "$id")"
        docker network inspect -f '{{range .Containers}}{{.Name}} {{end}}' "$id" |
            xargs -rn 1 docker network disconnect --force "$id" >>"$LOG" 2>&1
        quiet docker network rm "$id"
    done
    remove_images
}

forget_zone() { # which the driver made in firewalld, if that runs
    local zones=""
    ! command -v firewall-cmd >/dev/null || zones=$(firewall-cmd --permanent --get-zones 2>/dev/null || true)
    [[ " $zones " == *" fullhost "* ]] || return 0
    step "zone of firewalld"
    quiet firewall-cmd --permanent --delete-zone=fullhost
    quiet firewall-cmd --reload
}

remove_images() { # those of machines and their snapshots, the last made first: an image that another is made of cannot go
    local before="" left
    while left=$(machine_images) && [[ $left != "$before" ]]; do
        xargs docker rmi --force <<<"$left" >>"$LOG" 2>&1 || true
        before=$left
    done
    [[ -z $left ]] || echo "==> images stay that others are made of: $(paste -sd ' ' <<<"$left")"
}

machine_images() {
    local label
    for label in init snapshot; do docker images -q --filter "label=fullhost.$label"; done | awk '!seen[$0]++'
}

remove_packages() { # those that this installed and nothing else needs: apt knows which
    local with_engine=no
    if ours docker.io && installed docker.io; then
        if engine_is_empty; then with_engine=yes && remove_engine; else
            echo "==> the engine stays: it has containers, images, volumes or networks that are not fullhost's"
            quiet apt-mark manual docker.io
            sed -i '/^docker.io$/d' "$PACKAGES_OURS"
        fi
    fi
    local package present=() unneeded
    while read -r package; do ! installed "$package" || present+=("$package"); done < <(sort -u "$PACKAGES_OURS")
    ((${#present[@]})) || return 0
    quiet apt-mark auto "${present[@]}"
    unneeded=$(apt-get -s autoremove -o APT::AutoRemove::RecommendsImportant=0 -o APT::AutoRemove::SuggestsImportant=0 |
        awk '$1 == "Remv" { print $2 }' | grep -Fxf "$PACKAGES_OURS" || true)
    [[ $unneeded ]] || return 0
    step "packages: $(paste -sd ' ' <<<"$unneeded")"
    xargs apt-get purge --yes -o DPkg::Lock::Timeout=120 <<<"$unneeded" >>"$LOG" 2>&1
    [[ $with_engine == no ]] || remove_engine_files
    if ours bind9 && ! installed bind9; then # what the package's own server wrote before it was silenced
        rm -f /var/cache/bind/managed-keys.bind*
        rmdir /var/cache/bind 2>/dev/null || true
    fi
}

engine_is_empty() {
    [[ -z $(docker ps -aq; docker images -q; docker volume ls -q; docker network ls -q --filter type=custom) ]]
}

remove_engine() { # with what it leaves in the kernel: its bridge, its rules and forwarding
    step "engine"
    if has_systemd; then quiet systemctl stop docker.socket docker.service containerd.service; else
        stop_daemon engine /usr/sbin/dockerd
    fi
    if mountpoint -q /var/lib/docker; then # its containerd may take a moment longer to end
        wait_for 30 umount /var/lib/docker || quiet umount --recursive --lazy /var/lib/docker
    fi
    ! ip link show docker0 >/dev/null 2>&1 || quiet ip link delete docker0
    local tables policy=s/x/x/
    [[ $(<"$FORWARDING") != 0 ]] || policy='s/^:FORWARD DROP/:FORWARD ACCEPT/' # it sets both or neither
    for tables in iptables ip6tables; do
        "$tables-save" | sed "/DOCKER/d; /docker0/d; $policy" | "$tables-restore"
    done
    cat "$FORWARDING" >/proc/sys/net/ipv4/ip_forward
    nft list tables | sed -nE '/^table ip6? (nat|filter|raw|mangle)$/p' | while read -r _ family table; do
        "${family}tables" -t "$table" -S | grep -qvE '^-P [A-Z]+ ACCEPT$' || nft delete table "$family" "$table"
    done
}

remove_engine_files() { # which its package leaves even when it is purged; a daemon.json is the user's
    rm -rf /var/lib/docker /var/lib/containerd /opt/containerd /run/docker /run/containerd \
        /run/docker.sock /etc/docker/key.json /var/log/docker.log
    rmdir /etc/docker /etc/cni/net.d /etc/cni 2>/dev/null || true
}
