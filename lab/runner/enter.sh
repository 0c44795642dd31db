#!/bin/sh
# Becomes a container's process: a root of its own with the machine's programs and this container's mounts, no more.
# Usage, as root in a new mount namespace: enter.sh ROOT UID WORKDIR [SOURCE TARGET ro|rw]... -- COMMAND ARGUMENT...
set -eu
root=$1 uid=$2 workdir=$3
shift 3

mount -t tmpfs -o mode=755,size=1m none "$root"
for top in bin sbin lib lib32 lib64 libx32; do
  [ ! -L "/$top" ] || cp -P "/$top" "$root/$top"
done
for top in bin sbin lib lib64 usr etc opt dev proc sys; do
  if [ -d "/$top" ] && [ ! -L "/$top" ]; then
    mkdir "$root/$top"
    mount --rbind "/$top" "$root/$top"
  fi
done
while [ "$1" != -- ]; do
  mkdir -p "$root$2"
  mount --bind "$1" "$root$2"
  [ "$3" = rw ] || mount -o remount,bind,ro "$root$2"
  shift 3
done
shift
[ -d "$root$workdir" ] || mkdir -p "$root$workdir"
mount -o remount,ro "$root"
cd "$root"
exec chroot "$root" setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs --bounding-set -all -- \
  env -C "$workdir" -- "$@"
