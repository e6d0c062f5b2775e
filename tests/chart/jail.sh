#!/bin/sh
# Runs a command of the image's layout as a container would: PID 1 of its own, uid 10001 without any capability, every
# file system read-only but /tmp (and /var/lib/txid, which stands for a mounted volume). Base system: this machine's.
#
#   jail.sh LAYOUT CONFIG VOLUME COMMAND...      CONFIG is the file that becomes /etc/txid/txid.toml
#
# Needs root or user namespaces; without root uid 10001 is one of a namespace.
set -eu
if [ "${JAILED:-}" != yes ]; then
    JAILED=yes
    export JAILED
    if [ "$(id -u)" = 0 ]; then
        exec unshare --mount --pid --fork --kill-child "$0" "$@"
    fi
    exec unshare --user --map-user=10001 --map-group=10001 --keep-caps --mount --pid --fork --kill-child "$0" "$@"
fi
unset JAILED
layout=$1 config=$2 volume=$3
shift 3

root=/mnt
# Where mounts of this process alone may go; nothing of it is seen outside.
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr etc/txid etc/ssl opt/txid proc dev tmp var/lib/txid
for folder in bin lib lib64 sbin; do
    if [ -L "/$folder" ]; then ln -s "$(readlink "/$folder")" "$folder"; fi
done
cp /etc/hosts /etc/resolv.conf etc/
cp "$config" etc/txid/txid.toml
chmod 644 etc/txid/txid.toml
bind() { mount --rbind "$1" "$2"; mount -o "remount,bind,ro,nosuid$3" "$2"; }
bind /usr usr ''
# The base image's ca-certificates: no HTTP client starts without.
bind /etc/ssl etc/ssl ''
bind "$layout" opt/txid ',nodev'
mount --rbind /dev dev
mount --bind "$volume" var/lib/txid
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp
mount -t proc proc proc
mount -o remount,bind,ro "$root"
if [ "$(id -u)" = 0 ]; then
    set -- --reuid 10001 --regid 10001 --clear-groups --bounding-set=-all "$@"
fi
PATH=$PATH:/usr/sbin:/sbin
exec "$(command -v chroot)" . /usr/bin/setpriv --no-new-privs --inh-caps=-all --ambient-caps=-all "$@"
