"""Tests of the fetch step without a network: python3 -m unittest discover -s models"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unittest
from array import array
from itertools import product

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from convert import onnx_graph, protobuf, trim_charset  # noqa: E402

CONTENT = b"a font, as far as this test goes"

# Stands in for npm: packs a folder as npm would, and writes down that it was called.
NPM = """#!{python}
import io, os, sys, tarfile
open({log!r}, "a").write(sys.argv[-1] + "\\n")
if os.path.exists({down!r}):
    sys.exit("npm error code ECONNREFUSED")
with tarfile.open("a-font-1.0.0.tgz", "w:gz") as package:
    entry = tarfile.TarInfo("package/ttf/A.ttf")
    entry.size = {size}
    package.addfile(entry, io.BytesIO({content!r}))
"""


class Fetch(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.cache = os.path.join(self.folder.name, "cache")
        self.log = os.path.join(self.folder.name, "log")
        self.down = os.path.join(self.folder.name, "registry-is-down")
        npm = os.path.join(self.folder.name, "npm")
        with open(npm, "w") as file:
            file.write(
                NPM.format(python=sys.executable, log=self.log, down=self.down, size=len(CONTENT), content=CONTENT)
            )
        os.chmod(npm, 0o755)

    def artifact(self, **changes):
        digest = hashlib.sha256(CONTENT).hexdigest()
        source = {"file": "ttf/A.ttf", "sha256": changes.pop("source_sha256", digest)}
        common = {"name": "a", "kind": "font", "registry": "npm", "package": "a-font", "version": "1.0.0"}
        return {**common, "sources": [source], "convert": "none", "output": "A.ttf", "sha256": digest, **changes}

    def start(self, *artifacts):
        process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "fetch.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": self.folder.name},
            text=True,
        )
        process.stdin.write(json.dumps({"cache": self.cache, "artifacts": artifacts}))
        process.stdin.close()
        return process

    def finish(self, process):
        with contextlib.closing(process.stdout):
            events = [json.loads(line) for line in process.stdout]
        return process.wait(), events

    def fetch(self, *artifacts):
        return self.finish(self.start(*artifacts))

    def downloads(self):
        with contextlib.suppress(FileNotFoundError), open(self.log) as file:
            return len(file.readlines())
        return 0

    def test_a_fetched_file_is_kept_and_nothing_else(self):
        status, events = self.fetch(self.artifact())
        self.assertEqual((status, events[-1]["event"]), (0, "ready"))
        with open(os.path.join(self.cache, "fonts", "A.ttf"), "rb") as file:
            self.assertEqual(file.read(), CONTENT)
        self.assertEqual(sorted(os.listdir(self.cache)), [".lock", "fonts"])

    def test_what_is_there_needs_no_network(self):
        self.fetch(self.artifact())
        status, events = self.fetch(self.artifact())
        self.assertEqual((status, [e["event"] for e in events], self.downloads()), (0, ["ready"], 1))

    def test_a_damaged_file_is_fetched_again(self):
        self.fetch(self.artifact())
        with open(os.path.join(self.cache, "fonts", "A.ttf"), "ab") as file:
            file.write(b"!")
        self.assertEqual((self.fetch(self.artifact())[0], self.downloads()), (0, 2))

    def test_one_download_serves_all_files_of_a_package(self):
        status, _ = self.fetch(self.artifact(), self.artifact(name="b", output="B.ttf"))
        self.assertEqual((status, self.downloads()), (0, 1))

    def test_a_wrong_digest_names_both_and_leaves_no_file(self):
        status, events = self.fetch(self.artifact(source_sha256="0" * 64))
        self.assertEqual((status, events[-1]["event"]), (1, "error"))
        self.assertIn("0" * 64, events[-1]["message"])
        self.assertIn(hashlib.sha256(CONTENT).hexdigest(), events[-1]["message"])
        self.assertFalse(os.path.exists(os.path.join(self.cache, "fonts", "A.ttf")))

    def test_a_file_of_our_own_needs_no_registry(self):
        with open(os.path.join(HERE, "convert", "__init__.py"), "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        own = {"registry": "tree", "package": "models", "source_sha256": digest, "sha256": digest}
        artifact = self.artifact(**own)
        artifact["sources"][0]["file"] = "convert/__init__.py"
        self.assertEqual((self.fetch(artifact)[0], self.downloads()), (0, 0))
        artifact["sources"][0]["file"], artifact["output"] = "nowhere", "other"
        status, events = self.fetch(artifact)
        self.assertEqual(status, 1)
        self.assertIn("holds no file nowhere", events[-1]["message"])

    def test_a_failed_artifact_does_not_stop_the_others(self):
        status, events = self.fetch(self.artifact(name="bad", sha256="0" * 64, output="x"), self.artifact())
        outcome = {e["artifact"]: e["event"] for e in events}
        self.assertEqual((status, outcome), (1, {"bad": "error", "a": "ready"}))

    def test_an_unreachable_registry_is_one_line_and_the_next_run_succeeds(self):
        open(self.down, "w").close()
        status, events = self.fetch(self.artifact())
        self.assertEqual(status, 1)
        self.assertIn("ECONNREFUSED", events[-1]["message"])
        os.unlink(self.down)
        self.assertEqual(self.fetch(self.artifact())[0], 0)

    def test_two_at_once_download_once(self):
        outcomes = [self.finish(p) for p in [self.start(self.artifact()), self.start(self.artifact())]]
        self.assertEqual([status for status, _ in outcomes], [0, 0])
        self.assertEqual(self.downloads(), 1)


class Conversion(unittest.TestCase):
    def test_protobuf_is_written_back_as_it_was_read(self):
        nested = protobuf.encode([(1, "name"), (2, protobuf.fixed_float(0.2)), (3, 300), (9, b"\x00" * 200)])
        self.assertEqual(protobuf.encode(protobuf.decode(nested)), nested)
        self.assertEqual(protobuf.encode([(1, -1)]), b"\x08" + b"\xff" * 9 + b"\x01")

    def test_constants_are_transposed_like_arrays(self):
        for shape in ([2, 3, 4, 5], [1, 3, 1, 5], [4, 1, 1, 2], [1, 1, 1, 7]):
            count = shape[0] * shape[1] * shape[2] * shape[3]
            source = onnx_graph.Constant(shape, array("f", range(count)))
            for permutation in ([0, 3, 1, 2], [3, 2, 0, 1], [2, 3, 0, 1], [3, 0, 1, 2]):
                moved = onnx_graph.transpose(source, permutation)
                wanted = []
                for index in product(*(range(shape[axis]) for axis in permutation)):
                    at = dict(zip(permutation, index))
                    wanted.append(((at[0] * shape[1] + at[1]) * shape[2] + at[2]) * shape[3] + at[3])
                self.assertEqual(moved.values.tolist(), wanted)

    def test_the_charset_keeps_the_letters_of_latin_script_documents(self):
        kept = "ABYZabyz0189<>/.-+'°·«»–’ÀÉÎÑÖÜßØÅÆŒŁŻČĐŠŽĞİıŞƏəËçȘțŐűĦŊƁƏÞð"
        for character in kept:
            self.assertTrue(trim_charset.kept(character), character)
        for character in "中ΦЖɑʃſĲ①⊃　":
            self.assertFalse(trim_charset.kept(character), character)


if __name__ == "__main__":
    unittest.main()
