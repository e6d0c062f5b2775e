"""A local batch on the real models, killed with -9 halfway and resumed, held against single calls.

    specimens --out FOLDER --count 500 --seed 5000
    python local_batch.py FOLDER --txid target/release/txid

Ends non-zero where a row is missing or double, where one that was decided before the kill was verified again, or where
the answer of a single call differs in anything but ids, times and costs.
"""

import argparse
import base64
import collections
import datetime
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

PARTS = ("document_front", "document_back", "selfie")
# Of one run alone.
OWN = {"id", "created_at", "completed_at", "processing_ms", "cpu_ms", "timings", "webhook_url", "custom_id", "batch_id",
       "expires_at", "images_expire_at", "links", "trace_id", "request_id", "crop_id"}


def rows(folder):
    for truth in sorted(folder.glob("*.json")):
        told = json.loads(truth.read_text())
        pictures = {part: folder / f"{truth.stem}.{part}.jpg" for part in PARTS}
        yield truth.stem, told, {part: picture for part, picture in pictures.items() if picture.exists()}


def manifest(folder, path):
    count = 0
    with open(path, "w") as file:
        for name, told, pictures in rows(folder):
            row = {"custom_id": name, "country": told["country"], "document_type": told["document_type"]}
            row.update({part: f"file:{picture.name}" for part, picture in pictures.items()})
            file.write(json.dumps(row) + "\n")
            count += 1
    return count


def batch(txid, folder, out, count):
    """Runs it, kills it at the half, runs it again; results by `custom_id`."""
    path = out.parent / "manifest.jsonl"
    assert manifest(folder, path) == count
    command = [txid, "batch", "run", str(path), "--out", str(out), "--local", "--files", str(folder)]
    started = time.monotonic()
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    decided = 0
    for line in first.stderr:
        progress = re.search(r"in_progress +\d+%: (\d+) of", line)
        decided = int(progress[1]) if progress else decided
        if decided >= count // 2:
            break
    killed_at = datetime.datetime.now(datetime.timezone.utc).isoformat()
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert decided >= count // 2, "it ended before it was half through"
    print(f"killed with -9 after {time.monotonic() - started:.0f} s: {decided} of {count} rows were decided", flush=True)
    status = subprocess.run(command, stderr=subprocess.DEVNULL).returncode
    seconds = time.monotonic() - started
    results = [json.loads(line) for line in open(out / "results.jsonl")]
    print(f"resumed and ended with exit status {status}, {seconds:.0f} s in all, {count / seconds:.2f} rows/s", flush=True)
    assert status in (0, 3), status
    by_name = {result["custom_id"]: result for result in results}
    assert len(results) == len(by_name) == count, (len(results), len(by_name))
    verifications = [result["verification"] for result in results if result.get("verification")]
    ids = {verification["id"] for verification in verifications}
    assert len(ids) == len(verifications), "two rows share a verification"
    # Whoever is verified again is completed again.
    before = sum(verification["completed_at"] < killed_at for verification in verifications)
    refused = count - len(verifications)
    assert before + refused >= decided, f"{decided} rows were decided before the kill, {before} have their verdict from then"
    print(f"{before} verdicts are from before the kill, {len(ids) - before} from after it, {refused} rows were refused", flush=True)
    return by_name


def without_own(value):
    if isinstance(value, dict):
        return {key: without_own(inner) for key, inner in value.items() if key not in OWN}
    return [without_own(inner) for inner in value] if isinstance(value, list) else value


def differences(one, other, path=""):
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from differences(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for at, (a, b) in enumerate(zip(one, other)):
            yield from differences(a, b, f"{path}[{at}]")
    elif one != other:
        yield f"{path}: {one!r} and {other!r}"


def refusal(error):
    return {"refused": {key: error.get(key) for key in ("code", "message", "param")}}


def of_row(result):
    return result["verification"] if result.get("verification") else refusal(result["error"])


def call(api, key, told, pictures):
    body = {"country": told["country"], "document_type": told["document_type"], "mode": "sync"}
    body.update({part: base64.b64encode(picture.read_bytes()).decode() for part, picture in pictures.items()})
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{api}/v1/identity/verify", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return refusal(json.load(error)["error"])


def single_calls(txid, folder, data):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([txid, "up", "--data", str(data), "--listen", f"127.0.0.1:{port}"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
    try:
        for line in server.stdout:
            if line.startswith("Ctrl-C"):
                break
        key = (data / "api-key").read_text().strip()
        started = time.monotonic()
        answers = {name: call(f"http://127.0.0.1:{port}", key, told, pictures) for name, told, pictures in rows(folder)}
        seconds = time.monotonic() - started
        print(f"single calls, one after the other: {len(answers)} in {seconds:.0f} s", flush=True)
        return answers
    finally:
        server.terminate()
        server.wait()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--txid", default="target/release/txid")
    given = arguments.parse_args()
    txid = os.path.abspath(given.txid)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        count = sum(1 for _ in rows(given.folder))
        batched = batch(txid, given.folder.resolve(), scratch / "results", count)
        single = single_calls(txid, given.folder, scratch / "single")
    print(dict(collections.Counter(result["status"] for result in batched.values())))
    different = 0
    for name, answer in single.items():
        found = list(differences(without_own(of_row(batched[name])), without_own(answer)))
        different += bool(found)
        if found:
            print(name, *found[:5], sep="\n  ")
    print(f"{len(single) - different} of {len(single)} rows are equal to their single calls")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
