#!/bin/bash
# A Postgres of the tests' own.
#
#   private_postgres.sh start DIR   starts it (again) on DIR's port; prints its URL once it answers
#   private_postgres.sh stop DIR    the orderly way
#
# Installed binaries serve, else the packaged ones that `txid up` uses. As root it runs as `postgres`
# or `nobody`, who must be able to reach DIR. It keeps nothing that must survive a crash of the machine,
# but syncs like a real one: the benchmark measures on it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
action=${1:?start or stop}
dir=${2:?a folder}

fail() { echo "private_postgres.sh: $*" >&2; exit 1; }

binaries() {
    local found
    found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n | tail -n 1)
    if [ -z "$found" ] && command -v initdb >/dev/null && command -v pg_ctl >/dev/null; then
        found=$(dirname "$(readlink -f "$(command -v initdb)")")
    fi
    if [ -z "$found" ]; then
        local cache=${TXID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/txid}
        # Root's home is closed to the user that Postgres runs as.
        if [ "$(id -u)" = 0 ]; then cache=/var/lib/txid; fi
        mkdir -p "$cache"
        found=$(python3 "$here/../../models/fetch_postgres.py" "$cache" | python3 -c '
import json, sys
for line in map(json.loads, sys.stdin):
    if line["event"] == "ready":
        print(line["message"] + "/bin")
    else:
        print(line["message"], file=sys.stderr)')
    fi
    [ -x "$found/initdb" ] || fail 'no PostgreSQL; install it or set TXID_TEST_DATABASE_URL'
    echo "$found"
}

# Runs its arguments as a user that Postgres accepts.
unprivileged() {
    if [ "$(id -u)" != 0 ]; then "$@"; return; fi
    local user=nobody
    if id postgres >/dev/null 2>&1; then user=postgres; fi
    (cd / && setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "$@")
}

answers() { python3 "$here/probe.py" postgres 127.0.0.1 "$1"; }

start() {
    local bin; bin=$(binaries)
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    if [ "$(id -u)" = 0 ]; then
        chown "$(id -u postgres 2>/dev/null || id -u nobody)" "$dir"
    fi
    if [ ! -f "$dir/cluster/PG_VERSION" ]; then
        rm -rf "$dir/cluster"
        unprivileged "$bin/initdb" --auth=trust --encoding=UTF8 --locale=C --username=postgres \
            --pgdata="$dir/cluster" >"$dir.initdb.log" 2>&1 || { tail -n 5 "$dir.initdb.log" >&2; fail 'initdb failed'; }
    fi
    if ! unprivileged "$bin/pg_ctl" status -D "$dir/cluster" >/dev/null; then
        python3 "$here/probe.py" free-port >"$dir/port"
        unprivileged "$bin/pg_ctl" start --wait --silent -D "$dir/cluster" -l "$dir/cluster/server.log" \
            -o "-c listen_addresses=127.0.0.1 -c port=$(cat "$dir/port") -c unix_socket_directories= -c max_connections=300" \
            >"$dir.start.log" 2>&1 </dev/null || { tail -n 5 "$dir/cluster/server.log" >&2; fail 'Postgres does not start'; }
    fi
    answers "$(cat "$dir/port")" || fail "no answer on port $(cat "$dir/port")"
    echo "postgres://postgres@127.0.0.1:$(cat "$dir/port")/postgres"
}

case $action in
    start) start ;;
    stop)
        if [ -f "$dir/cluster/postmaster.pid" ]; then
            unprivileged "$(binaries)/pg_ctl" stop --mode=fast --wait --silent -D "$dir/cluster" >/dev/null 2>&1 || true
        fi
        ;;
    *) fail "unknown: $action" ;;
esac
