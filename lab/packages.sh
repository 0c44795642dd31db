#!/bin/sh
# What the lab needs from Debian, for `demo` or for `test`. As root it is installed; otherwise it is named.
set -eu

missing=""
# A package, and paths or commands that show that it is there, whoever installed it.
needs() {
  package=$1
  shift
  for found in "$@"; do
    if [ -e "$found" ] || command -v "$found" >/dev/null 2>&1; then return; fi
  done
  missing="$missing $package"
}

case "${1:-}" in
  demo) needs postgresql-15 /usr/lib/postgresql/*/bin/postgres postgres ;;
  test)
    needs postgresql-15 /usr/lib/postgresql/15/bin/postgres
    needs postgresql-15-pgaudit /usr/lib/postgresql/15/lib/pgaudit.so
    needs postgresql-15-pgtap /usr/share/postgresql/15/extension/pgtap.control
    needs etcd-server etcd
    needs npm npm
    needs shellcheck shellcheck
    needs busybox busybox
    needs default-jre-headless java
    needs maven mvn
    ;;
  *)
    echo "lab/packages.sh: unknown use (got '${1:-}', expected demo or test). Fix: call it by make" >&2
    exit 2
    ;;
esac
needs postgresql-client psql

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "lab: programs are missing (expected what these Debian packages have:$missing)." \
    "Fix: sudo apt-get install$missing" >&2
  exit 1
fi
echo "installing$missing …"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# The lab starts servers of its own; a cluster of the system's would only take a port.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] ||
  echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
# shellcheck disable=SC2086 # one word for each package
apt-get install -qq -y --no-install-recommends $missing >/dev/null
