#!/usr/bin/env bash
# The guest's disk: an image with this tree in it, built in there as quickstart builds it.
#
#     unshare --mount --pid --fork --kill-child disk.sh IMAGE TREE WORK
#
# makes WORK/disk.img. The image is only read. Compiled in a chroot before the boot: that takes half a
# minute here and ten under emulation.
set -euo pipefail
image=$1 tree=$2 work=$3
root=$work/root
home=$root/root/cupel
# What inside.py runs, besides cupel and its probe.
TESTS=(tests/unit/test-{cgroup,allocation,guard,clean,proc,session,mounts,netlink,seccomp,callcount}
    tests/runtime/test-{drivers,attribution,network,driver-faults,callcount-runtime} tests/runtime/liar
    src/cli/cupel src/probe/cupel-probe)

mount --make-rprivate /
mkdir "$work/upper" "$work/overlay" "$root"
mount -t overlay guest -o "lowerdir=$image,upperdir=$work/upper,workdir=$work/overlay" "$root"
mount -t proc proc "$root/proc"
mkdir -p "$home"
tar -C "$tree" --exclude='./build*' --exclude=./.git --exclude=__pycache__ -cf - . | tar -C "$home" -xf -

inside() {
    chroot "$root" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        sh -ec "cd /root/cupel; $1" </dev/null
}
inside 'meson setup build -Dtests=false; ninja -C build'
inside "meson setup build-test; ninja -C build-test ${TESTS[*]}"

# Started by the tests that need it; gVisor is one of its runtimes, and its groups are systemd's.
chroot "$root" systemctl --quiet disable docker.service docker.socket containerd.service
mkdir -p "$root/etc/docker"
printf '{"runtimes": {"runsc": {"path": "/usr/bin/runsc"}}}\n' >"$root/etc/docker/daemon.json"
echo cupel-guest >"$root/etc/hostname"
cp "$tree/tests/guest/cupel-tests.service" "$root/etc/systemd/system/"
mkdir -p "$root/etc/systemd/system/graphical.target.wants"
ln -s ../cupel-tests.service "$root/etc/systemd/system/graphical.target.wants/"
umount "$root/proc"
mke2fs -q -t ext4 -d "$root" "$work/disk.img" 8G
