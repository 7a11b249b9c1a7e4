#!/usr/bin/env bash
# Makes the folder that `docker plugin create` takes: config.json, and a Debian tree with the driver in it.
#
# usage: [PYTHON=PYTHON] build.sh [--tree TREE] DIR
#   TREE    a Debian tree with python3, iptables, nftables and udhcpc; else one is made
#   PYTHON  one that has pip; else one is made
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SOURCE=$(cd "$HERE/../.." && pwd)
readonly HERE SOURCE SUITE=bookworm PACKAGES=python3,iptables,nftables,udhcpc,ca-certificates

die() {
    echo "build.sh: $1" >&2
    exit 1
}

tree=""
[[ ${1-} != --tree ]] || { tree=${2-} && shift 2; }
[[ $# -eq 1 && $1 != -* ]] || die "cannot tell where to build: say build.sh [--tree TREE] DIR"
((EUID == 0)) || die "cannot make a Debian tree as $(id -un): run it as root, with sudo"
[[ ! -e $1 ]] || die "cannot build in $1: it is there already; name another one, or remove it"
command -v mmdebstrap debootstrap >/dev/null || [[ $tree ]] || die "cannot make a Debian tree: apt install debootstrap"

work=$(mktemp -d)
part=$1.part
trap 'rm -rf "$work" "$part"' EXIT
rm -rf "$part"
mkdir -p "$part"
root=$part/rootfs
if [[ $tree ]]; then
    cp -a "$tree" "$root"
elif command -v mmdebstrap >/dev/null; then
    mmdebstrap --quiet --variant=minbase --include="$PACKAGES" "$SUITE" "$root"
else
    debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$root" >/dev/null
fi

# The packages of Python are those of the tree's own version, whatever this machine has.
python=$(basename "$(readlink -f "$root/usr/bin/python3")")
cp -r "$SOURCE"/{launcher,netplugin,plugin-config,pyproject.toml,README.md,LICENSE} "$work"
if [[ -z ${PYTHON-} ]]; then # Debian's own has no pip
    python3 -m venv "$work/venv"
    PYTHON=$work/venv/bin/python
fi
"$PYTHON" -m pip --quiet wheel --no-deps --wheel-dir "$work" "$work"
"$PYTHON" -m pip --quiet install --no-compile --only-binary=:all: --implementation cp \
    --platform "manylinux2014_$(uname -m)" --python-version "${python#python}" \
    --target "$root/usr/local/lib/$python/dist-packages" "$work"/fullhost-*.whl
rm -rf "$root/usr/local/lib/$python/dist-packages/"{bin,plugin-config}
install -D -m 644 "$SOURCE/plugin-config/gunicorn.conf.py" "$root/usr/share/fullhost/gunicorn.conf.py"
mkdir -p "$root/var/lib/fullhost" "$root/run/docker/plugins"

rm -rf "${root:?}"/dev/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*.log "$root"/usr/share/{doc,man,info,locale}
: >"$root/etc/resolv.conf"
install -m 644 "$HERE/config.json" "$part/config.json"
mv "$part" "$1"
echo "$1: $(du -sh "$1" | cut -f1); next: docker plugin create fullhost $1 && docker plugin enable fullhost"
