#!/usr/bin/env python3
"""What checking the chart takes and is no part of the product, from package registries, pinned by digest.

    python3 tests/chart/tools.py        fetches what is missing into the cache folder (make setup does)

Fetching is models/fetch.py's: through the registries' own clients, once, kept under the cache folder in `tools/`.
"""

import hashlib
import os
import platform
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "models"))
import fetch  # noqa: E402

# helm: Helm 4.2.3 as a shared library. A young package of one maintainer: only the library is taken out of it, it
# runs in a process without a network (engine.py), and its digest is checked before each load.
# kubernetes: the schemas of Kubernetes' own OpenAPI documents, 1.25 to 1.37.
# keda, gateway, prometheus: types generated from the custom resource definitions of KEDA 2.10.1, Gateway API and
# Prometheus Operator 0.65.1; the newest versions of these packages are generated from Go sources and say less.
TOOLS = {
    "helm": {
        "registry": "pypi",
        "package": "helm-python-sdk",
        "version": "0.2.2",
        "sha256": {
            "x86_64": "28cc13abaf134c3a7e37f070c939be8d9cdc9825c3c8b8b2d35161073bcd4578",
            "aarch64": "078bac2464ea2f4b5af24cf7873e8f78ee3f3c216766fcdea41b7c61f47275b1",
        },
    },
    "kubernetes": {
        "registry": "pypi",
        "package": "kubernetes-validate",
        "version": "1.37.0",
        "sha256": "85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9",
    },
    "keda": {
        "registry": "npm",
        "package": "@kubernetes-models/keda",
        "version": "0.4.2",
        "sha256": "57899c506896ebc8d79d815c39d57fa0f931519907b98a2d24ccef31cb61b604",
    },
    "gateway": {
        "registry": "npm",
        "package": "@kubernetes-models/gateway-api",
        "version": "0.5.1",
        "sha256": "3650c87c49f95ccf5fee93f29a076ea4781e2a346fbe085a1143a4da9323d156",
    },
    "prometheus": {
        "registry": "npm",
        "package": "@kubernetes-models/prometheus-operator",
        "version": "4.4.4",
        "sha256": "8d957bf757f7de9dcc3974ab5abdd522e254202ed6b59723ea01e0b3097016b7",
    },
}

HELM_LIBRARY = "helm_python/lib/libhelm_c.so.0.2.2"
HELM_LIBRARY_SHA256 = {
    "x86_64": "9108c3a68d6ed3a394d02543bb4afeeb9f9e2bbcf9fbc228f48ac5576e3bdf83",
    "aarch64": "286c64e8513054d5c650ce2038d9a87f683d128c79a99e90398af8d013d4a861",
}


def archive(name):
    """The path of a tool's package, fetched where it is missing or damaged."""
    tool = TOOLS[name]
    wanted = tool["sha256"]
    artifact = {"name": name, **tool}
    if isinstance(wanted, dict):
        wanted = wanted[platform.machine()]
        artifact["platform"] = f"linux-{platform.machine()}"
    cache = os.path.abspath(fetch.default_cache())
    path = os.path.join(cache, "tools", f"{name}-{wanted[:16]}{'.tgz' if tool['registry'] == 'npm' else '.whl'}")
    if digest(path) == wanted:
        return path
    os.makedirs(cache, exist_ok=True)
    with fetch.locked(cache):
        folder = os.path.join(cache, "packages", fetch.package_key(artifact))
        came = fetch.package_archive(folder, artifact)
        with open(came, "rb") as file:
            data = file.read()
        fetch.shutil.rmtree(folder, ignore_errors=True)
        got = hashlib.sha256(data).hexdigest()
        if got != wanted:
            raise fetch.Failure(f"{fetch.package_words(artifact)} has the wrong digest: expected {wanted}, got {got}")
        fetch.write_whole(path, data)
    return path


def helm_library():
    """The path of the Helm engine, taken out of its package."""
    wanted = HELM_LIBRARY_SHA256[platform.machine()]
    path = os.path.join(os.path.abspath(fetch.default_cache()), "tools", f"libhelm-{wanted[:16]}.so")
    if digest(path) != wanted:
        with zipfile.ZipFile(archive("helm")) as package:
            fetch.write_whole(path, package.read(HELM_LIBRARY))
        if digest(path) != wanted:
            raise fetch.Failure(f"{HELM_LIBRARY} has the wrong digest")
    return path


def digest(path):
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    try:
        helm_library()
        for tool in TOOLS:
            archive(tool)
    except fetch.Failure as failure:
        sys.exit(f"error: {failure}")
