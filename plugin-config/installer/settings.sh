# shellcheck shell=bash
# The settings of install.sh: checked before anything is changed, without a tool that a bare machine may lack.

declare -A SET=([SUBNET]=172.31.0.0/24 [DOMAIN]=local [BRIDGE]=br0
    [NAMES]="web db app mail ci dev" [IMAGE]=fullhost/debian:bookworm)

read_settings() {
    local key given recorded
    for key in "${!SET[@]}"; do
        given=FULLHOST_$key recorded=""
        [[ ! -f $SETTINGS ]] || recorded=$(sed -n "s/^$key=//p" "$SETTINGS")
        [[ -z $recorded || -z ${!given:-} || ${!given} == "$recorded" ]] ||
            die "cannot change $given to ${!given}: this machine was set up with $recorded; edit $ETC, or --uninstall first"
        SET[$key]=${!given:-${recorded:-${SET[$key]}}}
    done
    read -ra NAMES <<<"${SET[NAMES]}"
}

number() { # ADDRESS: as a number of 32 bits
    local -a octets
    IFS=. read -ra octets <<<"$1"
    echo $(((octets[0] << 24) | (octets[1] << 16) | (octets[2] << 8) | octets[3]))
}

check_subnet() {
    local octet='(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])' subnet=${SET[SUBNET]}
    [[ $subnet =~ ^($octet\.$octet\.$octet\.$octet)/(1[6-9]|2[0-9])$ ]] ||
        die "cannot use the subnet $subnet: it is no IPv4 subnet of 16 to 29 bits; set FULLHOST_SUBNET to one like 172.31.0.0/24"
    local first prefix=${subnet#*/}
    first=$(number "${subnet%/*}")
    MASK=$(((0xffffffff << (32 - prefix)) & 0xffffffff))
    (((first & MASK) == first)) || die "cannot use the subnet $subnet: it has host bits set; set FULLHOST_SUBNET to its first address"
    ((${#NAMES[@]} + 3 <= 1 << (32 - prefix))) || die "cannot give ${#NAMES[@]} names an address of $subnet: it is too small"
    GATEWAY=${subnet%.*}.$((${subnet##*.} + 1))
    check_routes "$first"
}

check_routes() { # FIRST: no other interface may have a route to part of the subnet
    local interface destination mask
    while read -r interface destination _ _ _ _ _ mask _; do
        [[ $interface != Iface && $interface != "${SET[BRIDGE]}" && $mask != 00000000 ]] || continue
        destination=$((0x${destination:6:2}${destination:4:2}${destination:2:2}${destination:0:2}))
        mask=$((MASK & 0x${mask:6:2}${mask:4:2}${mask:2:2}${mask:0:2}))
        (((destination & mask) != ($1 & mask))) ||
            die "cannot use the subnet ${SET[SUBNET]}: $interface has a route to part of it; set FULLHOST_SUBNET to another one"
    done </proc/net/route
}

check_names() {
    local label='[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?' name seen=" host "
    [[ ${SET[DOMAIN]} =~ ^$label(\.$label)*$ ]] || die "cannot use the domain ${SET[DOMAIN]}: it is no DNS name; set FULLHOST_DOMAIN"
    ((${#NAMES[@]} >= 2)) || die "cannot make a zone of fewer than two machines: set FULLHOST_NAMES"
    for name in "${NAMES[@]}"; do
        [[ $name =~ ^$label$ ]] || die "cannot use the name $name: a machine's name is one DNS label of a-z, 0-9 and -; set FULLHOST_NAMES"
        [[ $seen != *" $name "* ]] || die "cannot use the name $name twice (the host itself is called host); set FULLHOST_NAMES"
        seen+="$name "
    done
    [[ ${SET[IMAGE]} =~ ^[a-z0-9][A-Za-z0-9._/:@-]*$ ]] || die "cannot use the image ${SET[IMAGE]}: it is no image's name; set FULLHOST_IMAGE"
}

check_machine() {
    local ID="" VERSION_ID="" bridge=${SET[BRIDGE]}
    # shellcheck source=/dev/null
    . /etc/os-release
    case $ID:${VERSION_ID%%.*} in
        debian:1[2-9] | ubuntu:2[4-9] | debian:) ;; # debian: without a number is testing
        *) die "cannot install on ${ID:-this system} $VERSION_ID: use Debian 12 or Ubuntu 24.04, or a later one" ;;
    esac
    [[ $bridge =~ ^[A-Za-z0-9][A-Za-z0-9_-]{0,14}$ ]] || die "cannot call a bridge $bridge: set FULLHOST_BRIDGE to at most 15 letters and digits"
    [[ ! -e /sys/class/net/$bridge || -d /sys/class/net/$bridge/bridge ]] ||
        die "cannot use the bridge $bridge: it is an interface of another kind; set FULLHOST_BRIDGE to another name"
    [[ ! -e $FHV || $(readlink "$FHV") == "$VENV"/* ]] || die "cannot install $FHV: another program is there; move it away"
}
