#!/bin/bash
# RabbitMQ, Redis and Postgres for the tests.
#
#   ensure.sh start   makes them available and writes where they are to $TXID_SERVICES_FOLDER/env
#   ensure.sh stop    stops what `start` started, nothing else
#
# In this order, for each service: the address in TXID_TEST_AMQP_URL, TXID_TEST_REDIS_URL or
# TXID_TEST_DATABASE_URL; the one on the standard port of this machine, if it lets the tests in;
# a private one from installed binaries; a private one from fetched binaries (as root
# `apt-get install`, else packages unpacked into the cache folder). Private ones listen on free ports
# of 127.0.0.1 and keep their data in a folder below /tmp. The second time nothing is fetched.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=${TXID_SERVICES_FOLDER:-$root/target/services}
cache=${TXID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/txid}
# RabbitMQ's scripts break at blanks and Postgres' socket at long paths: private data is not in the
# working tree. One folder per user and working tree, with a name that stays.
run=/tmp/txid-services-$(id -u)-$(printf %s "$root" | sha256sum | cut -c1-8)

say() { echo "services: $*"; }
fail() { echo "services: $*" >&2; exit 1; }
probe() { python3 "$here/probe.py" "$@"; }
is_root() { [ "$(id -u)" = 0 ]; }

# Debian packages that RabbitMQ runs on, without what only its installation needs.
rabbitmq_packages=(rabbitmq-server erlang-base erlang-asn1 erlang-crypto erlang-eldap erlang-ftp
    erlang-inets erlang-mnesia erlang-os-mon erlang-parsetools erlang-public-key
    erlang-runtime-tools erlang-snmp erlang-ssl erlang-syntax-tools erlang-tftp erlang-tools
    erlang-xmerl)
redis_packages=(redis-server redis-tools libatomic1 libjemalloc2 liblzf1)

# install NAME PACKAGE...: as root into the system; else unpacked into $cache/debian/NAME.
install_packages() {
    local name=$1; shift
    if is_root; then
        say "installing $name"
        local log=$run/apt.log
        # A package must not start a service of its own on the standard port.
        if ! no_autostart apt-get install -y --no-install-recommends "$@" >"$log" 2>&1; then
            apt-get update >>"$log" 2>&1 || true
            no_autostart apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1 ||
                { tail -n 5 "$log" >&2; fail "apt-get cannot install $name: install it yourself, or set its TXID_TEST_…_URL"; }
        fi
        return
    fi
    local place=$cache/debian/$name
    if [ -e "$place" ]; then return; fi
    command -v apt-get >/dev/null || fail "$name is not installed: install it, or set its TXID_TEST_…_URL"
    say "unpacking $name into $place"
    mkdir -p "$cache/debian"
    local coming; coming=$(mktemp -d "$cache/debian/.coming-XXXXXX")
    (cd "$coming" && apt-get download "$@" >"$run/apt.log" 2>&1) || {
        tail -n 5 "$run/apt.log" >&2; rm -rf "$coming"
        fail "apt-get knows no $name: run 'apt-get update' as root once, install $name, or set its TXID_TEST_…_URL"
    }
    for package in "$coming"/*.deb; do dpkg -x "$package" "$coming/root"; done
    # Erlang's start scripts name the folder they expect to be in.
    for script in "$coming"/root/usr/lib/erlang/bin/{erl,start} "$coming"/root/usr/lib/erlang/erts-*/bin/{erl,start}; do
        if [ -f "$script" ]; then sed -i "s|/usr/lib/erlang|$place/usr/lib/erlang|g" "$script"; fi
    done
    mv "$coming/root" "$place"
    rm -rf "$coming"
}

# invoke-rc.d, by which packages start their services, asks this policy first.
no_autostart() {
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; made=yes; fi
    local status=0
    DEBIAN_FRONTEND=noninteractive "$@" || status=$?
    if [ -n "$made" ]; then rm -f $policy; fi
    return $status
}

rabbitmq() {
    if [ -n "${TXID_TEST_AMQP_URL:-}" ]; then amqp_url=$TXID_TEST_AMQP_URL; fi
    if ! ls -d /usr/lib/rabbitmq/lib/rabbitmq_server-* >/dev/null 2>&1 && [ -z "${TXID_RABBITMQ_HOME:-}" ]; then
        # Also where one answers already: the fault tests restart a node of their own.
        install_packages rabbitmq "${rabbitmq_packages[@]}"
        if ! is_root; then
            TXID_RABBITMQ_HOME=$(ls -d "$cache"/debian/rabbitmq/usr/lib/rabbitmq/lib/rabbitmq_server-* | tail -n 1)
            export TXID_RABBITMQ_HOME PATH=$cache/debian/rabbitmq/usr/lib/erlang/bin:$PATH
        fi
    fi
    if [ -z "${amqp_url:-}" ] && probe amqp 127.0.0.1 5672; then amqp_url=amqp://guest:guest@127.0.0.1:5672/%2f; fi
    if [ -z "${amqp_url:-}" ]; then amqp_url=$("$here/private_rabbitmq.sh" start "$run/rabbitmq"); fi
    say "RabbitMQ at ${amqp_url##*@}"
}

redis() {
    if ! command -v redis-server >/dev/null; then
        install_packages redis "${redis_packages[@]}"
        if ! is_root; then
            local place=$cache/debian/redis
            PATH=$place/usr/bin:$PATH
            libraries=$(dirname "$(find "$place" -name 'libjemalloc.so.*' | head -n 1)")
        fi
    fi
    if [ -n "${TXID_TEST_REDIS_URL:-}" ]; then redis_url=$TXID_TEST_REDIS_URL
    elif probe redis 127.0.0.1 6379; then redis_url=redis://127.0.0.1:6379/0
    else redis_url=$(LD_LIBRARY_PATH=${libraries:-}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} "$here/private_redis.sh" start "$run/redis")
    fi
    say "Redis at ${redis_url##*@}"
}

postgres() {
    if [ -n "${TXID_TEST_DATABASE_URL:-}" ]; then database_url=$TXID_TEST_DATABASE_URL
    # Without TLS, as for the others: nothing leaves this machine, and ciphering it would be measured.
    elif probe postgres 127.0.0.1 5432; then database_url=postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable
    else database_url=$("$here/private_postgres.sh" start "$run/postgres")
    fi
    say "Postgres at ${database_url##*@}"
}

start() {
    mkdir -p "$folder" "$run"
    chmod 711 "$run"
    rabbitmq
    redis
    postgres
    {
        printf 'TXID_TEST_AMQP_URL=%q\n' "$amqp_url"
        printf 'TXID_TEST_REDIS_URL=%q\n' "$redis_url"
        printf 'TXID_TEST_DATABASE_URL=%q\n' "$database_url"
        # The tests' private nodes come from the same binaries.
        printf 'TXID_RABBITMQ_HOME=%q\n' "${TXID_RABBITMQ_HOME:-}"
        printf 'PATH=%q\n' "$PATH"
        if [ -n "${libraries:-}" ]; then printf 'LD_LIBRARY_PATH=%q\n' "$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"; fi
    } >"$folder/env.new"
    mv "$folder/env.new" "$folder/env"
}

stop() {
    if [ ! -d "$run" ]; then return; fi
    "$here/private_rabbitmq.sh" stop "$run/rabbitmq"
    "$here/private_redis.sh" stop "$run/redis"
    "$here/private_postgres.sh" stop "$run/postgres"
    rm -rf "$run"
}

case ${1:-start} in
    start) start ;;
    stop) stop ;;
    *) fail "unknown: $1" ;;
esac
