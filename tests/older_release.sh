#!/usr/bin/env bash
# Builds another commit of this repository beside this one and prints the folder of its programs.
#
#   tests/older_release.sh [COMMIT]     without it: the last commit before the newest migration came
#
# What was built is kept below the target folder. Dependencies that are there already are taken along.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath "${CARGO_TARGET_DIR:-target}")
newest=$(cd shared/migrations && printf '%s\n' *.sql | sort | tail -1)
commit=${1:-$(git log -1 --first-parent --format=%H -- "shared/migrations/$newest")~1}
commit=$(git rev-parse --verify --short=12 "$commit^{commit}")
place=$target/older/$commit
if [ ! -d "$place/tree" ]; then
    git worktree prune
    git worktree add --quiet --detach "$place/tree" "$commit"
fi
if [ ! -d "$place/build/debug" ] && [ -d "$target/debug" ]; then
    mkdir -p "$place/build"
    cp -a --reflink=auto "$target/debug" "$place/build/debug"
fi
cd "$place/tree"
CARGO_TARGET_DIR=$place/build cargo build --locked --workspace --bins >&2
printf '%s\n' "$place/build/debug"
