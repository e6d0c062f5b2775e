"""The Helm engine: lint and template, offline.

It is a third party's binary, so it runs in a process of its own that has no network where the system lets us take
it away. One JSON request a line on its standard input, one answer a line on its standard output.
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
NO_NETWORK = ["unshare", "--net", "--map-root-user"]


class Refused(Exception):
    """What Helm says about a chart or values that it does not take."""


class Helm:
    def __init__(self):
        command = [sys.executable, "-B", os.path.abspath(__file__)]
        if shutil.which("unshare") and subprocess.run([*NO_NETWORK, "true"], stderr=subprocess.DEVNULL).returncode == 0:
            command = NO_NETWORK + command
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.listener = threading.Thread(target=self._pass_on, daemon=True)
        self.listener.start()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.listener.join()
        self.process.stdout.close()
        self.process.stderr.close()

    def render(self, chart, values, **options):
        """Template name to text, NOTES.txt included."""
        return self._ask({"do": "render", "chart": chart, "values": values, "options": {"name": "test", **options}})

    def lint(self, chart, values):
        """Findings as {"severity", "path", "error"}."""
        return self._ask({"do": "lint", "chart": chart, "values": values, "options": {"strict": True}})

    def files(self, chart):
        """What a chart has besides templates and values, by name."""
        return {file["name"]: file["data"] for file in self._ask({"do": "files", "chart": chart})}

    def yaml(self, text):
        return self._ask({"do": "yaml", "text": text})

    def _pass_on(self):
        for line in self.process.stderr:
            sys.stderr.write(line)

    def _ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer["answer"]


class Library:
    """The few calls of libhelm_c that are needed. Strings that it hands out are copied, then freed."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.library.helm_free_string.argtypes = [ctypes.c_void_p]

    def take(self, pointer):
        if not pointer.value:
            return ""
        text = ctypes.string_at(pointer.value).decode()
        self.library.helm_free_string(pointer)
        return text

    def call(self, function, *arguments, out):
        error = ctypes.c_void_p()
        code = getattr(self.library, function)(*arguments, ctypes.byref(out), ctypes.byref(error))
        said = self.take(error)
        if code != 0:
            raise Refused(said)
        return out

    def text(self, function, *arguments):
        return self.take(self.call(function, *arguments, out=ctypes.c_void_p()))

    def answer(self, request):
        if request["do"] == "yaml":
            return json.loads(self.text("helm_values_from_yaml", request["text"].encode()))
        chart = request["chart"].encode()
        values, options = (json.dumps(request.get(key)).encode() for key in ("values", "options"))
        if request["do"] == "lint":
            return json.loads(self.text("helm_lint_run_opts", chart, values, options))["messages"] or []
        handle = self.call("helm_chart_load", chart, out=ctypes.c_uint64())
        try:
            if request["do"] == "files":
                return json.loads(self.text("helm_chart_files", handle))
            # Rendering alone does not look at the schema; the helm command does so first.
            error = ctypes.c_void_p()
            if self.library.helm_schema_validate(handle, values, ctypes.byref(error)) != 0:
                raise Refused(self.take(error))
            return json.loads(self.text("helm_render", handle, values, options))
        finally:
            self.library.helm_chart_free(handle, ctypes.byref(ctypes.c_void_p()))


def main():
    sys.path.insert(0, HERE)
    import tools

    library = Library(tools.helm_library())
    for line in sys.stdin:
        try:
            answer = {"answer": library.answer(json.loads(line))}
        except Refused as refused:
            answer = {"refused": str(refused)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
