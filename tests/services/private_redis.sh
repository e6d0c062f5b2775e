#!/bin/bash
# A Redis of one's own, for tests that stop, kill and restart it. It keeps nothing on disk.
#
#   private_redis.sh start DIR   starts it (again) on DIR's port; prints its URL once it answers
#   private_redis.sh stop DIR    the orderly way
#   private_redis.sh kill DIR    kill -9
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
action=${1:?start, stop or kill}
dir=${2:?a folder}

fail() { echo "private_redis.sh: $*" >&2; exit 1; }
. "$here/processes.sh"

start() {
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    [ -s "$dir/port" ] || python3 "$here/probe.py" free-port >"$dir/port"
    local port; port=$(cat "$dir/port")
    if ! ours redis >/dev/null; then
        cd "$dir"
        setsid redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no \
            --daemonize no </dev/null >"$dir/redis.log" 2>&1 &
        note redis $!
    fi
    for _ in $(seq 100); do
        # Another one may have taken the port meanwhile: then ours has ended.
        sleep 0.1
        ours redis >/dev/null || break
        if python3 "$here/probe.py" redis 127.0.0.1 "$port"; then echo "redis://127.0.0.1:$port/0"; return; fi
    done
    tail -n 20 "$dir/redis.log" >&2
    fail "no answer on port $port"
}

case $action in
    start) start ;;
    stop | kill)
        [ -d "$dir" ] || exit 0
        dir=$(cd "$dir" && pwd -P)
        if [ "$action" = stop ]; then end redis TERM; else end redis KILL; fi
        ;;
    *) fail "unknown: $action" ;;
esac
