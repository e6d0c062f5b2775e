#!/bin/bash
# A running standalone: the customer's page by curl, then Schemathesis against the OpenAPI document, with every
# check, no failure, no 5xx.
#
#   tests/contract/run.sh [EXAMPLES]     per operation and phase; default 8, which makes 2,000 cases
#   tests/contract/run.sh setup          only fetches what it needs
#
# Schemathesis comes from PyPI by pinned versions and hashes (requirements.txt) into a virtual environment in
# the cache folder. The standalone is the development build, with its data in a folder of its own.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
cache=${TXID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/txid}
examples=${1:-8}

venv=$cache/venvs/contract-$(sha256sum "$here/requirements.txt" | cut -c1-12)
# Its programs name the folder that they were installed in: a cache that came from elsewhere is installed anew.
if [ ! -e "$venv/ready" ] || ! "$venv/bin/st" --version >/dev/null 2>&1; then
    rm -rf "$venv"
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt"
    touch "$venv/ready"
fi
if [ "$examples" = setup ]; then exit 0; fi

data=$(mktemp -d "/tmp/txid-contract-XXXXXX")
stop() {
    if [ -n "${standalone:-}" ]; then kill "$standalone" 2>/dev/null || true; wait "$standalone" 2>/dev/null || true; fi
    rm -rf "$data"
}
trap stop EXIT

TXID__TELEMETRY__FILTER=warn \
    "$target/debug/txid" up --data "$data/data" --listen 127.0.0.1:0 >"$data/out" 2>"$data/log" &
standalone=$!
for _ in $(seq 600); do
    if grep -q '^API key' "$data/out"; then break; fi
    if ! kill -0 "$standalone" 2>/dev/null; then cat "$data/log" >&2; exit 1; fi
    sleep 0.1
done
address=$(sed -n 's/^API  *\(http.*\)/\1/p' "$data/out")
key=$(cat "$data/data/api-key")

"$target/debug/specimens" --out "$data/specimen" --count 1 --seed 0 --design mar_national_id_2020 --attack none \
    --capture photo --turn 0 >/dev/null
"$here/seed_flow.sh" "$address" "$key" "$data/specimen"

TXID_CONTRACT_TEST_KEY=$(curl -sS --fail-with-body "$address/v1/developers/keys" -H "Authorization: Bearer $key" \
    --json '{"name": "sandbox", "mode": "test", "permissions": ["developers:read", "developers:write"]}' |
    sed -n 's/.*"key":"\([^"]*\)".*/\1/p')
export TXID_CONTRACT_TEST_KEY

# One seed, so that a change is judged by the cases of the change before; TXID_CONTRACT_SEED looks elsewhere.
# It keeps what it found in the folder it runs in.
cd "$data"
status=0
SCHEMATHESIS_HOOKS=hooks PYTHONPATH="$here" PYTHONDONTWRITEBYTECODE=1 \
    "$venv/bin/st" --config-file "$here/schemathesis.toml" run "$address/openapi.json" --url "$address" \
    --header "Authorization: Bearer $key" --max-examples "$examples" --generation-database none \
    --seed "${TXID_CONTRACT_SEED:-227835207560801702420393470149008849724}" \
    --no-color --continue-on-failure || status=$?
if grep -qE 'panicked|ERROR' "$data/log"; then
    echo 'the standalone logged errors:' >&2
    grep -E 'panicked|ERROR' "$data/log" | head -20 >&2
    status=1
fi
exit $status
