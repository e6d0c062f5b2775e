# Sourced by the private services: processes that were started here, and no others, are signalled.
# A process is known by its number and its start time, since a number may get a new bearer. Its
# environment or command line would not do: between fork and exec they are still those of the script.

# State and start time of process $1, nothing if there is none.
_life() { sed -n 's/.*) //p' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f1,20; }

# note NAME PID: remembers the process in $dir/NAME.pid.
note() {
    local life; life=$(_life "$2")
    echo "$2 ${life#* }" >"$dir/$1.pid"
}

# ours NAME: prints the process id if the process still runs.
ours() {
    local pid started life
    [ -s "$dir/$1.pid" ] && read -r pid started <"$dir/$1.pid" || return 1
    life=$(_life "$pid")
    [ -n "$life" ] && [ "${life%% *}" != Z ] && [ "${life#* }" = "$started" ] && echo "$pid"
}

# end NAME SIGNAL: sends the signal and waits; what does not heed it is killed after half a minute.
end() {
    local pid step
    pid=$(ours "$1") || return 0
    kill "-$2" "$pid" 2>/dev/null || true
    for step in $(seq 600); do
        ours "$1" >/dev/null || return 0
        if [ "$step" = 300 ]; then kill -KILL "$pid" 2>/dev/null || true; fi
        sleep 0.1
    done
    fail "process $pid does not end"
}
