#!/bin/sh
# The first process of a lab's host: it lives in mount and pid namespaces of its own, makes a Debian tree their
# root, and waits. What ends it ends every process in there, containers too: nothing of a lab can outlive it.
#
# usage: boot.sh TREE FOLDER CGROUP    (FOLDER: the lab's; CGROUP: 1 or 2)
set -eu
tree=$1 folder=$2 cgroup=$3
read -r pid _ </proc/self/stat  # as the machine counts: /proc is still the machine's own
root=$folder/tree/root

# The tree is shared and stays as it is: what this host writes lies above it.
mkdir -p "$folder/tree/upper" "$folder/tree/work" "$root"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$folder/tree/upper,workdir=$folder/tree/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"  # shows the links of the network namespace that it is mounted from
mount --rbind /dev "$root/dev"
case $cgroup in
    1) mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup" ;;
    2) mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" ;;
esac

# A host boots with an empty /run: an engine that finds the pids of its last life there does not start.
find "$folder/run" -mindepth 1 -delete
mkdir -p "$root/var/lib/docker"
mount --bind "$folder/run" "$root/run"
mount --bind "$folder/data" "$root/var/lib/docker"
rm -f "$root/etc/resolv.conf"
cp "$folder/resolv.conf" "$root/etc/resolv.conf"

cd "$root"
mkdir -p .machine
pivot_root . .machine  # an engine in a mere chroot cannot import an image: it wants to remount /
umount -l /.machine
rmdir /.machine
echo "$pid" >/run/holder.pid
# Who ignores the signal has his dead children buried by the kernel, and orphans are children of this one.
exec env --ignore-signal=CHLD sleep infinity
