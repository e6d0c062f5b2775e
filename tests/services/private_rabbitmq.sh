#!/bin/bash
# A RabbitMQ node of one's own, for tests that stop, kill and restart it.
#
#   private_rabbitmq.sh start DIR   starts it (again) on DIR's port; prints its URL once it answers
#   private_rabbitmq.sh stop DIR    the orderly way
#   private_rabbitmq.sh kill DIR    kill -9
#
# DIR holds everything of the node and keeps its port and its messages from start to start. RabbitMQ's
# own scripts break at blanks in paths, so DIR must have none. Works as root and as anyone else:
# node, port, distribution and epmd are its own. $TXID_RABBITMQ_HOME: an installation elsewhere.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
action=${1:?start, stop or kill}
dir=${2:?a folder}
start_limit_s=120

fail() { echo "private_rabbitmq.sh: $*" >&2; exit 1; }
probe() { python3 "$here/probe.py" "$@"; }
. "$here/processes.sh"

start() {
    case $dir in *[[:space:]]*) fail "RabbitMQ's scripts cannot cope with blanks in '$dir'" ;; esac
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    local home server
    home=${TXID_RABBITMQ_HOME:-$(ls -d /usr/lib/rabbitmq/lib/rabbitmq_server-* 2>/dev/null | tail -n 1)}
    server=$home/sbin/rabbitmq-server
    [ -x "$server" ] || fail "no RabbitMQ in ${home:-/usr/lib/rabbitmq}; run tests/services/ensure.sh"
    for port in port dist epmd; do [ -s "$dir/$port" ] || probe free-port >"$dir/$port"; done
    local port; port=$(cat "$dir/port")
    if ! ours node >/dev/null; then
        echo '[].' >"$dir/enabled_plugins"
        cat >"$dir/rabbitmq.conf" <<END
listeners.tcp.local = 127.0.0.1:$port
log.file.level = warning
disk_free_limit.absolute = 50MB
END
        # Like a system service: the script becomes the node, and its process id is the node's.
        export RUNNING_UNDER_SYSTEMD=true HOME=$dir
        export ERL_EPMD_PORT ERL_EPMD_ADDRESS=127.0.0.1
        ERL_EPMD_PORT=$(cat "$dir/epmd")
        export ERL_FLAGS="-kernel inet_dist_use_interface {127,0,0,1}"
        export RABBITMQ_NODENAME="txid$port@localhost" RABBITMQ_NODE_PORT=$port
        export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
        export RABBITMQ_DIST_PORT; RABBITMQ_DIST_PORT=$(cat "$dir/dist")
        export RABBITMQ_MNESIA_BASE=$dir/mnesia RABBITMQ_LOG_BASE=$dir/log
        export RABBITMQ_CONFIG_FILE=$dir/rabbitmq.conf RABBITMQ_CONF_ENV_FILE=$dir/none
        # A node that is killed must not leave its dump in the folder that the test was started from.
        export ERL_CRASH_DUMP=$dir/log/erl_crash.dump
        export RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins RABBITMQ_PID_FILE=$dir/rabbitmq.pid
        mkdir -p "$RABBITMQ_MNESIA_BASE" "$RABBITMQ_LOG_BASE"
        local epmd; epmd=$(command -v epmd || ls /usr/lib/erlang/erts-*/bin/epmd 2>/dev/null | tail -n 1)
        if ! ours epmd >/dev/null; then
            setsid "$epmd" -port "$ERL_EPMD_PORT" -address 127.0.0.1 </dev/null >"$dir/log/epmd" 2>&1 &
            note epmd $!
        fi
        setsid "$server" </dev/null >"$dir/log/output" 2>&1 &
        note node $!
    fi
    local deadline=$((SECONDS + start_limit_s))
    while :; do
        # Checked first: another service may have taken the port, and ours has ended.
        ours node >/dev/null || { tail -n 20 "$dir/log/output" >&2; fail 'the node ended'; }
        if probe amqp 127.0.0.1 "$port"; then break; fi
        [ $SECONDS -lt $deadline ] || fail "no answer after $start_limit_s s; see $dir/log"
        sleep 0.2
    done
    echo "amqp://guest:guest@127.0.0.1:$port/%2f"
}

case $action in
    start) start ;;
    stop | kill)
        [ -d "$dir" ] || exit 0
        dir=$(cd "$dir" && pwd)
        if [ "$action" = stop ]; then end node TERM; else end node KILL; fi
        end epmd TERM
        ;;
    *) fail "unknown: $action" ;;
esac
