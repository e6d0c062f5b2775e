#!/bin/sh
# Lays out what an image holds: deploy/Dockerfile runs this, and so does the test that tries it without an engine.
#
#   deploy/layout.sh BINARIES DESTINATION
#
# BINARIES is a folder with txid, txid-scheduler, txid-worker and specimens. DESTINATION, new or empty, becomes
#
#   bin/        txid txid-scheduler txid-worker
#   models/     models and runtime library, by digest, and the sandbox's fixtures (the programs' TXID_CACHE)
#   specimen/   a generated card and selfie of somebody fictitious, for `helm test`
#   share/      licence, every setting with its default, the manifest of the models
#
# Models come through the registries' clients into $TXID_CACHE (or ~/.cache/txid) first; what is there is not
# fetched again.
set -eu

binaries=$(cd "$1" && pwd)
mkdir -p "$2"
destination=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."
cache=${TXID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/txid}
umask 022

TXID_CACHE=$cache "$binaries/txid" models fetch --group run --group test

mkdir -p "$destination/bin" "$destination/models" "$destination/specimen" "$destination/share"
for program in txid txid-scheduler txid-worker; do
    install -m 755 "$binaries/$program" "$destination/bin/$program"
done

# Not the fonts and photographs, which only specimen and fixtures are made of.
for folder in models runtime; do
    cp -R "$cache/$folder" "$destination/models/$folder"
done
# Without a network: what was copied must be everything, with the right digests, and give its golden answers.
TXID_CACHE=$destination/models "$destination/bin/txid" models verify

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The first submission of the demo is the genuine one.
TXID_CACHE=$cache "$binaries/specimens" --demo --out "$work"
for side in document_front:front document_back:back selfie:selfie; do
    install -m 644 "$work/00_genuine.${side%%:*}.jpg" "$destination/specimen/${side##*:}.jpg"
done

mkdir -p "$destination/models/fixtures"
TXID_CACHE=$cache "$binaries/specimens" --fixtures --out "$destination/models/fixtures"

install -m 644 LICENSE MODELS.md deploy/txid.example.toml models/manifest.toml "$destination/share/"
chmod -R a+rX,go-w "$destination"
