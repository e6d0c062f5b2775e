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
alive() { [ -e "/proc/$1" ] && [ "$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)" != Z ]; }

# Only a process that works in our folder is ever signalled: the number may have a new bearer.
ours() {
    local pid
    pid=$(cat "$dir/redis.pid" 2>/dev/null) || return 1
    alive "$pid" && [ "$(readlink "/proc/$pid/cwd")" = "$dir" ] && echo "$pid"
}

start() {
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    [ -s "$dir/port" ] || python3 "$here/probe.py" free-port >"$dir/port"
    local port; port=$(cat "$dir/port")
    if ! ours >/dev/null; then
        cd "$dir"
        setsid redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no \
            --daemonize no </dev/null >"$dir/redis.log" 2>&1 &
        echo $! >"$dir/redis.pid"
    fi
    for _ in $(seq 100); do
        # Another one may have taken the port meanwhile: then ours has ended.
        sleep 0.1
        ours >/dev/null || break
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
        pid=$(ours) || exit 0
        if [ "$action" = stop ]; then kill -TERM "$pid"; else kill -KILL "$pid"; fi
        for _ in $(seq 100); do alive "$pid" || exit 0; sleep 0.1; done
        fail "process $pid does not end"
        ;;
    *) fail "unknown: $action" ;;
esac
