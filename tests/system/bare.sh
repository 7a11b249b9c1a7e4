#!/bin/bash
# Boots a bare machine, as process 1 of namespaces that bare.py has made.
#
# usage: bare.sh ROOT CHECKOUT ARCHIVES GROUP systemd|none
set -eu
root=$1 checkout=$2 archives=$3 group=$4 kind=$5

if [[ ${6-} != grouped ]]; then
    # A control group of its own in every hierarchy, which it will see as the root of that hierarchy.
    for hierarchy in /sys/fs/cgroup/*/; do
        mkdir -p "$hierarchy$group"
        for file in cpuset.cpus cpuset.mems; do
            [[ ! -f $hierarchy$file || $hierarchy == */unified/ ]] || cat "$hierarchy$file" >"$hierarchy$group/$file"
        done
        echo 0 >"$hierarchy$group/cgroup.procs"
    done
    exec unshare --cgroup bash "$0" "$@" grouped
fi

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys" # shows the links of the network namespace that it is mounted from
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
for hierarchy in /sys/fs/cgroup/*/; do
    name=$(basename "$hierarchy")
    mkdir "$root/sys/fs/cgroup/$name"
    case $name in
        unified) mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/$name" ;;
        systemd) mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/$name" ;;
        *) mount -t cgroup -o "$name" cgroup "$root/sys/fs/cgroup/$name" ;;
    esac
done
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    cp -a "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/srv/fullhost"
mount --bind "$checkout" "$root/srv/fullhost"
mount -o remount,bind,ro "$root/srv/fullhost"
mount --bind "$archives" "$root/var/cache/apt/archives"
hostname bare
ip link set lo up

cd "$root"
pivot_root . mnt
cd /
umount -l /mnt
: >/run/bare-is-up
if [[ $kind == systemd ]]; then
    exec env -i container=bare /sbin/init
fi
# It waits for nothing, and bash buries the orphans that end up here.
exec /bin/bash -c 'mkfifo /run/wait; exec 3<>/run/wait; rm /run/wait; while :; do read -r -u 3; done'
