#!/bin/bash
# Prints the folder that has `prometheus` and `promtool` of version 2.42 or newer: those of this machine, else Debian's
# package, unpacked into the cache folder. apt checks its signature. Nothing is installed, and the second time nothing fetched.
set -euo pipefail

cache=${TXID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/txid}
place=$cache/debian/prometheus

if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
    dirname "$(command -v promtool)"
    exit
fi
if [ ! -x "$place/usr/bin/promtool" ]; then
    fail() { echo "prometheus.sh: $*" >&2; exit 1; }
    command -v apt-get >/dev/null || fail "install Prometheus 2.42 or newer: there is no apt-get to fetch it with"
    mkdir -p "$cache/debian"
    coming=$(mktemp -d "$cache/debian/.coming-XXXXXX")
    trap 'rm -rf "$coming"' EXIT
    cd "$coming"
    # As root, apt downloads as a user of its own, who cannot write here, and says so.
    if ! apt-get download prometheus >log 2>&1; then
        if [ "$(id -u)" = 0 ]; then apt-get update >>log 2>&1 || true; fi
        apt-get download prometheus >>log 2>&1 || {
            tail -n 3 log >&2
            fail "apt-get knows no prometheus: run 'apt-get update' as root once, or install it"
        }
    fi
    dpkg -x ./*.deb root
    chmod 755 root
    mv -T root "$place" 2>/dev/null || [ -x "$place/usr/bin/promtool" ]
fi
echo "$place/usr/bin"
