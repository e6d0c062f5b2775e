#!/usr/bin/env python3
"""Fetches the artifacts of models/manifest.toml from package registries into the cache folder.

Usually `txid models fetch` runs this and sends the work list on standard input:

    {"cache": "/folder", "artifacts": [{<one entry of the manifest>}, ...]}

By hand (Python 3.11 or newer, which can read TOML):

    python3 models/fetch.py --manifest models/manifest.toml [--group run] [--group test]

Progress goes to standard output, one JSON object a line:

    {"event": "start" | "fetched" | "converted" | "ready" | "waiting" | "error",
     "artifact": name or null, "message": text for people}

Every artifact ends as one `ready` or one `error`; the exit status is 0 if all are ready, else 1.

Standard library only, Python 3.9 or newer. The registries are reached through their ordinary
clients (pip, npm, apt-get), so the mirrors and proxies that those are set up for are used. Files
of the registry `tree` are our own and lie beside this script.
What is finished is kept: an interrupted run goes on where it stopped, and a run that finds
everything there, with the right digests, needs no network and no client.
"""

import argparse
import fcntl
import glob
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
from convert import convert  # noqa: E402

FOLDERS = {"model": "models", "runtime": "runtime", "font": "fonts", "photograph": "photographs"}
CLIENT_TIMEOUT_S = 900
WHEEL_PYTHON = "3.12"


class Failure(Exception):
    """Something that a person can act on; the text says what to do."""


def main():
    os.umask(0o022)
    try:
        cache, artifacts = work_list()
    except Failure as failure:
        return report("error", None, str(failure)) or 1
    cache = os.path.abspath(cache)
    try:
        return run(cache, artifacts)
    except OSError as error:
        return report("error", None, f"the cache folder {cache} cannot be used: {error}") or 1


def run(cache, artifacts):
    missing = [a for a in artifacts if not ready(cache, a)]
    if missing:
        os.makedirs(cache, exist_ok=True)
        with locked(cache):
            remove_leftovers(cache)
            # Someone else may have finished them while this process waited for its turn.
            missing = [a for a in missing if not ready(cache, a)]
            failed = fetch_all(cache, missing)
    else:
        failed = set()
    for artifact in artifacts:
        if artifact["name"] not in failed:
            report("ready", artifact["name"], final_path(cache, artifact))
    return 1 if failed else 0


def fetch_all(cache, missing):
    """Package after package; a package's archive goes once all the files wanted from it are out."""
    failed, packages = set(), {}
    for artifact in missing:
        packages.setdefault(package_key(artifact), []).append(artifact)
    for key, wanted in packages.items():
        folder = os.path.join(cache, "packages", key)
        try:
            package_archive(folder, wanted[0])
        except Failure as failure:
            for artifact in wanted:
                report("error", artifact["name"], f"{artifact['name']}: {failure}")
            failed.update(a["name"] for a in wanted)
            continue
        outcomes = [fetch_one(cache, folder, artifact) for artifact in wanted]
        failed.update(a["name"] for a, done in zip(wanted, outcomes) if not done)
        if all(outcomes):
            shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rmdir(os.path.join(cache, "packages"))
    except OSError:
        pass  # not empty: archives of failed artifacts wait there for the next try
    return failed


def fetch_one(cache, folder, artifact):
    name = artifact["name"]
    try:
        archive = package_archive(folder, artifact)
        sources = []
        for source in artifact["sources"]:
            data = read_member(archive, source["file"], artifact)
            got = hashlib.sha256(data).hexdigest()
            if got != source["sha256"]:
                # A damaged archive must not stand in the way of the next try.
                shutil.rmtree(folder, ignore_errors=True)
                raise Failure(
                    f"{source['file']} in {package_words(artifact)} has the wrong digest: expected "
                    f"{source['sha256']}, got {got}. Run again; if it stays so, the package differs "
                    "from the one the manifest was written for and must not be used"
                )
            sources.append(data)
        report("fetched", name, f"from {package_words(artifact)}")
        final = convert(artifact["convert"], sources, artifact.get("rename", {}))
        got = hashlib.sha256(final).hexdigest()
        if got != artifact["sha256"]:
            raise Failure(
                f"the converted file has the wrong digest: expected {artifact['sha256']}, got {got}. "
                "models/convert and models/manifest.toml are not of the same version"
            )
        if artifact["convert"] != "none":
            report("converted", name, f"{artifact['convert']}, {len(final)} bytes")
        write_whole(final_path(cache, artifact), final)
        return True
    except (Failure, ValueError, KeyError) as failure:
        report("error", name, f"{name}: {failure}")
        return False


# -- the cache ------------------------------------------------------------------------------


def ready(cache, artifact):
    try:
        with open(final_path(cache, artifact), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest() == artifact["sha256"]
    except FileNotFoundError:
        return False


def final_path(cache, artifact):
    return os.path.join(cache, FOLDERS[artifact["kind"]], artifact["output"])


def write_whole(path, data):
    """Under a name of its own first: a reader sees the whole file or none."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def remove_leftovers(cache):
    """What a killed run left half done. Only under the lock: nobody else is writing then."""
    for folder in [*FOLDERS.values(), "packages"]:
        for path in glob.glob(os.path.join(cache, folder, ".part-*")):
            os.unlink(path)
        for path in glob.glob(os.path.join(cache, folder, ".coming-*")):
            shutil.rmtree(path, ignore_errors=True)


class locked:
    """One fetch at a time in a cache folder. The lock goes with the process, however it ends."""

    def __init__(self, cache):
        self.path = os.path.join(cache, ".lock")

    def __enter__(self):
        self.file = open(self.path, "a")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting", None, "another fetch is filling this cache folder")
            fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()


# -- packages -------------------------------------------------------------------------------


def package_key(artifact):
    words = [artifact["registry"], artifact["package"], artifact["version"], artifact.get("platform", "")]
    return "-".join(w for w in words if w).replace("/", "-").replace("@", "")


def package_words(artifact):
    return f"{artifact['registry']} package {artifact['package']} {artifact['version']}"


def package_archive(folder, artifact):
    """The path of the package's archive in `folder`, downloaded if it is not there yet."""
    if artifact["registry"] == "tree":
        return HERE
    there = archives(folder)
    if not there:
        report("start", artifact["name"], f"downloading {package_words(artifact)}")
        download = {"pypi": download_pypi, "npm": download_npm, "debian": download_debian}
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        coming = tempfile.mkdtemp(dir=os.path.dirname(folder), prefix=".coming-")
        try:
            download[artifact["registry"]](coming, artifact)
            if not archives(coming):
                raise Failure(f"{package_words(artifact)} came without an archive")
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(coming, folder)
        finally:
            shutil.rmtree(coming, ignore_errors=True)
        there = archives(folder)
    return there[0]


def archives(folder):
    return sorted(
        path for end in ("*.whl", "*.tar.gz", "*.tgz", "*.deb") for path in glob.glob(os.path.join(folder, end))
    )


def download_pypi(folder, artifact):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
    command += ["--quiet", "--no-deps", "--no-cache-dir", "--dest", folder]
    if "package_sha256" in artifact:
        # pip prepares a source package by running its setup.py: the digest is checked before that.
        requirements = os.path.join(folder, "requirements.txt")
        with open(requirements, "w") as file:
            file.write(
                f"{artifact['package']}=={artifact['version']} --hash=sha256:{artifact['package_sha256']}\n"
            )
        command += ["--require-hashes", "--requirement", requirements]
        command += ["--no-binary", artifact["package"]]
    else:
        # Naming a Python makes the choice of wheel independent of the Python that runs this.
        command += ["--only-binary=:all:", "--python-version", WHEEL_PYTHON]
        if "platform" in artifact:
            machine = artifact["platform"].split("-")[1]
            for glibc in ("manylinux_2_28", "manylinux_2_27", "manylinux2014"):
                command += ["--platform", f"{glibc}_{machine}"]
        command.append(f"{artifact['package']}=={artifact['version']}")
    client("pip", command, folder, "install pip for this Python (Debian: apt-get install python3-pip)")


def download_npm(folder, artifact):
    command = ["npm", "pack", "--loglevel=error", "--ignore-scripts", f"{artifact['package']}@{artifact['version']}"]
    settings = {
        "npm_config_cache": os.path.join(folder, "npm-cache"),
        "npm_config_update_notifier": "false",
        # Its own pauses between tries add up to more than a minute where there is no network.
        "npm_config_fetch_retry_mintimeout": "1000",
        "npm_config_fetch_retry_maxtimeout": "5000",
    }
    client("npm", command, folder, "install npm (Debian: apt-get install npm)", settings)
    shutil.rmtree(os.path.join(folder, "npm-cache"), ignore_errors=True)


def download_debian(folder, artifact):
    command = ["apt-get", "download", "--quiet"]
    if os.geteuid() == 0:
        # apt would drop to a user that may not write into this folder.
        command += ["--option", "APT::Sandbox::User=root"]
    command.append(f"{artifact['package']}={artifact['version']}")
    remedy = "this one comes from Debian 12's packages: use a machine that has them"
    try:
        client("apt-get", command, folder, remedy)
    except Failure:
        if os.geteuid() != 0:
            raise Failure(
                f"apt-get knows no {artifact['package']} {artifact['version']}: run `apt-get update` "
                "as root once, then try again"
            )
        client("apt-get", ["apt-get", "update", "--quiet"], folder, remedy)
        client("apt-get", command, folder, remedy)


def client(name, command, folder, remedy, settings=None):
    """Runs a registry's client in `folder`. Its own words are kept for the error only."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **(settings or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=CLIENT_TIMEOUT_S,
        )
    except FileNotFoundError:
        raise Failure(f"{name} is not installed: {remedy}")
    except subprocess.TimeoutExpired:
        raise Failure(f"{name} took longer than {CLIENT_TIMEOUT_S} s: check the way to the registry")
    if done.returncode != 0:
        said = [line.strip() for line in done.stdout.decode(errors="replace").splitlines() if line.strip()]
        if any("No module named pip" in line for line in said):
            raise Failure(f"{name} is not installed: {remedy}")
        if any("DO NOT MATCH THE HASHES" in line for line in said):
            digests = ", ".join(" ".join(line.lower().split()) for line in said if line.startswith(("Expected", "Got")))
            raise Failure(f"the package has the wrong digest ({digests}): it must not be used")
        errors = [line for line in said if line.lower().startswith(("error", "e:", "npm err"))] or said
        telling = [" ".join(line.split()) for line in errors if "complete log" not in line]
        telling = [line for line in telling if line not in ("npm error", "npm ERR!")]
        # npm says the cause first, pip and apt-get say it last.
        telling = telling[:3] if name == "npm" else telling[-3:]
        words = " | ".join(telling)[:400] or f"exit status {done.returncode}"
        raise Failure(f"{name} could not download the package ({words}). Check the network, proxy or mirror settings")


def read_member(archive, member, artifact):
    """One file out of a folder, a wheel, an npm or source archive, or a Debian package."""
    try:
        if os.path.isdir(archive):
            with open(os.path.join(archive, member), "rb") as file:
                return file.read()
        if archive.endswith(".whl"):
            with zipfile.ZipFile(archive) as package:
                return package.read(member)
        if archive.endswith(".deb"):
            return read_debian_member(archive, member)
        with tarfile.open(archive) as package:
            # npm and source archives hold everything in one folder ("package", "name-version").
            for entry in package:
                if entry.isfile() and entry.name.split("/", 1)[-1] == member:
                    return package.extractfile(entry).read()
        raise KeyError(member)
    except (KeyError, FileNotFoundError):
        raise Failure(f"{package_words(artifact)} holds no file {member}")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        shutil.rmtree(os.path.dirname(archive), ignore_errors=True)
        raise Failure(f"the archive of {package_words(artifact)} is damaged ({error}): run again")


def read_debian_member(archive, member):
    with tempfile.TemporaryDirectory(dir=os.path.dirname(archive)) as folder:
        client("dpkg", ["dpkg", "-x", archive, folder], folder, "install dpkg")
        try:
            with open(os.path.join(folder, member), "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise KeyError(member)


# -- input and output -----------------------------------------------------------------------


def work_list():
    options = argparse.ArgumentParser(description="Fetch the models and what belongs to them.")
    options.add_argument("--manifest", help="read the artifacts from this file, not from standard input")
    options.add_argument("--group", action="append", help="only artifacts of this group (may be repeated)")
    options.add_argument("--cache", help="default: $TXID_CACHE, $XDG_CACHE_HOME/txid or ~/.cache/txid")
    options.add_argument("--platform", default=f"linux-{platform.machine()}", help="for the runtime library")
    chosen = options.parse_args()
    if not chosen.manifest:
        try:
            work = json.load(sys.stdin)
            return work["cache"], work["artifacts"]
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(f"the work list on standard input cannot be read: {error}")
    try:
        import tomllib
    except ImportError:
        raise Failure("reading the manifest needs Python 3.11 or newer: use `txid models fetch`")
    try:
        with open(chosen.manifest, "rb") as file:
            artifacts = tomllib.load(file)["artifact"]
    except (OSError, ValueError, KeyError) as error:
        raise Failure(f"the manifest {chosen.manifest} cannot be read: {error}")
    artifacts = [a for a in artifacts if a.get("platform", chosen.platform) == chosen.platform]
    if chosen.group:
        artifacts = [a for a in artifacts if set(a["groups"]) & set(chosen.group)]
    return chosen.cache or default_cache(), artifacts


def default_cache():
    if os.environ.get("TXID_CACHE"):
        return os.environ["TXID_CACHE"]
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "txid")


def report(event, artifact, message):
    print(json.dumps({"event": event, "artifact": artifact, "message": message}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
