"""The image's files, laid out by the commands of the Dockerfile, run as the chart's pods run them.

A release is rendered, and its hook Jobs, Deployments and test Pod are started from it, each in a jail like its
container (jail.sh), against services of this test's own: python3 -m unittest discover -s tests/chart
"""

import base64
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import engine  # noqa: E402
import releases  # noqa: E402
import tools  # noqa: E402
from releases import component, objects, of_kind, pods  # noqa: E402
from test_configuration import BINARIES  # noqa: E402

SERVICES = os.path.join(tools.ROOT, "tests", "services")
PATH = "/opt/txid/bin:/usr/bin:/bin"
# For whoever waits in vain; nothing is measured by it.
LIMIT_S = 180
VERIFY_TRIES = 3


def probe(*words):
    command = [sys.executable, os.path.join(SERVICES, "probe.py"), *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def text_of(log):
    """While a process writes to it."""
    with open(log.name) as file:
        return file.read()


class Image(unittest.TestCase):
    folder = layout = volume = config = None

    @classmethod
    def setUpClass(cls):
        if Image.folder:
            return
        namespaces = ["unshare", "--mount", "--pid", "--fork"]
        if os.geteuid() != 0:
            namespaces += ["--user", "--map-user=10001", "--map-group=10001", "--keep-caps"]
        if subprocess.run([*namespaces, "true"], stderr=subprocess.DEVNULL).returncode != 0:
            raise unittest.SkipTest("neither root nor user namespaces here: the image's layout was NOT run")
        folder = tempfile.TemporaryDirectory(prefix="txid-image-", dir="/tmp")
        unittest.addModuleCleanup(folder.cleanup)
        Image.folder = folder.name
        # Other users pass through: Postgres' and the jail's.
        os.chmod(cls.folder, 0o755)
        Image.layout = os.path.join(cls.folder, "layout")
        script = os.path.join(tools.ROOT, "deploy", "layout.sh")
        laid = subprocess.run(
            [script, BINARIES, cls.layout], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if laid.returncode != 0:
            raise AssertionError(f"deploy/layout.sh failed:\n{laid.stdout}")
        Image.volume = os.path.join(cls.folder, "volume")
        os.mkdir(cls.volume)
        os.chmod(cls.volume, 0o777)
        Image.config = os.path.join(cls.folder, "txid.toml")
        with open(cls.config, "w"):
            pass

    def jail(self, command, environment, **pipes):
        words = [os.path.join(HERE, "jail.sh"), self.layout, self.config, self.volume, *command]
        # HOME and the rest of this shell stay outside.
        env = {"PATH": PATH, "TXID_CACHE": "/opt/txid/models", **environment}
        return subprocess.Popen(words, env=env, **pipes)

    def said(self, command, environment):
        process = self.jail(command, environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, errors = process.communicate(timeout=LIMIT_S)
        return process.returncode, out, errors


class Files(Image):
    def test_the_image_holds_the_programs_the_models_the_specimen_and_nothing_that_draws_it(self):
        found = set()
        for path, _, names in os.walk(self.layout):
            found |= {os.path.relpath(os.path.join(path, name), self.layout) for name in names}
        programs = {"bin/txid", "bin/txid-scheduler", "bin/txid-worker"}
        self.assertEqual({name for name in found if name.startswith("bin/")}, programs)
        for name in ("front", "back", "selfie"):
            self.assertIn(f"specimen/{name}.jpg", found)
        self.assertEqual({name.split("/")[1] for name in found if name.startswith("models/")}, {"fixtures", "models", "runtime"})
        self.assertIn("models/fixtures/fixtures.json", found)
        for name in found:
            mode = os.stat(os.path.join(self.layout, name)).st_mode & 0o777
            self.assertEqual(mode, 0o755 if name in programs else 0o644, name)

    def test_the_jail_is_one(self):
        """What the other tests lean on: not root, no capability, nothing to write to but /tmp and the volume."""
        script = (
            "id -u; grep CapEff /proc/self/status; echo $$; "
            "for place in / /etc /opt/txid /opt/txid/models /usr/bin /tmp /var/lib/txid; do "
            "if touch $place/mark 2>/dev/null; then echo writes $place; fi; done"
        )
        status, out, errors = self.said(["/bin/sh", "-c", script], {})
        self.assertEqual(status, 0, errors)
        lines = out.split("\n")
        self.assertEqual(lines[0], "10001")
        self.assertEqual(lines[1].split()[1].strip("0"), "")
        self.assertEqual(lines[2], "1")
        self.assertEqual(lines[3:], ["writes /tmp", "writes /var/lib/txid", ""])

    def test_the_models_of_the_image_give_their_golden_answers(self):
        status, out, errors = self.said(["txid", "models", "verify"], {})
        self.assertEqual(status, 0, errors + out)
        self.assertIn("golden answers: as measured", out)


class Release(Image):
    """One release, from its hooks to `helm test` and its end."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        scripts = {
            "database": "private_postgres.sh",
            "broker": "private_rabbitmq.sh",
            "redis": "private_redis.sh",
        }
        with concurrent.futures.ThreadPoolExecutor() as pool:
            urls = dict(zip(scripts, pool.map(cls.service, scripts, scripts.values())))
        status, master, errors = cls.said(cls(), ["txid", "keys", "master"], {})
        if status != 0:
            raise AssertionError(errors)
        cls.secrets = {
            "TXID__DATABASE__URL": f"{urls['database']}?sslmode=disable",
            "TXID__BROKER__URL": urls["broker"],
            "TXID__REDIS__URL": urls["redis"],
            "TXID__KEYS__MASTER": f'["{master.strip()}"]',
        }
        helm = engine.Helm()
        cls.addClassCleanup(helm.close)
        values = releases.merged(releases.values_of(helm, "a shared folder"), {"workerDefaults": {"threads": 1}})
        cls.objects = objects(helm, values)
        with open(cls.config, "w") as file:
            file.write(releases.configuration(cls.objects))

    @classmethod
    def service(cls, name, script):
        folder = os.path.join(cls.folder, name)
        command = ["bash", os.path.join(SERVICES, script)]
        cls.addClassCleanup(subprocess.run, [*command, "stop", folder], check=False)
        started = subprocess.run([*command, "start", folder], check=True, stdout=subprocess.PIPE, text=True)
        return started.stdout.strip().splitlines()[-1]

    def environment(self, spec, **over):
        given = {v["name"]: v.get("value") or self.secrets[v["name"]] for v in spec["containers"][0]["env"]}
        # Pods have an address each; here they share this machine's.
        return {**given, **over}

    def job(self, name):
        spec = next(s for _, _, s in pods(of_kind(self.objects, "Job")) if s["containers"][0]["name"] == name)
        return self.said(spec["containers"][0]["command"], self.environment(spec))

    def start(self, deployment):
        spec = deployment["spec"]["template"]["spec"]
        address = f"127.0.0.1:{probe('free-port')}"
        listen = "TXID__SERVER__LISTEN" if component(deployment) == "scheduler" else "TXID__WORKER__LISTEN"
        number = sum(name.startswith(deployment["metadata"]["name"]) for name in os.listdir(self.folder))
        log = open(os.path.join(self.folder, f"{deployment['metadata']['name']}.{number}.log"), "w+")
        self.addCleanup(log.close)
        process = self.jail(
            spec["containers"][0]["command"], self.environment(spec, **{listen: address}), stdout=log, stderr=log
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, address, log

    def wait_until_ready(self, process, address, log):
        until = time.monotonic() + LIMIT_S
        while time.monotonic() < until and process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://{address}/readyz", timeout=10) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        log.seek(0)
        self.fail(f"not ready: {log.read()[-3000:]}")

    def stop(self, process):
        """As the kubelet does: SIGTERM to PID 1 of the container."""
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            (first,) = file.read().split()
        os.kill(int(first), signal.SIGTERM)
        return process.wait(timeout=LIMIT_S)

    def asked(self, address, path, key, body=None):
        request = urllib.request.Request(
            f"http://{address}{path}",
            data=json.dumps(body).encode() if body else None,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def jobs_in_hand(self, address):
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            found = re.findall(r"^txid_worker_jobs(?:\{[^}]*\})? (\d+)", answer.read().decode(), re.M)
        return sum(map(int, found))

    def a_worker_told_to_end_while_a_stage_runs_finishes_it(self, running, key):
        """SIGTERM to PID 1 in the middle of a stage: it ends by itself, with 0, and no run counts as failed."""
        scheduler = running["test-txid-scheduler"][1]
        reading = next(
            d for d in of_kind(self.objects, "Deployment")
            if "ocr" in " ".join(d["spec"]["template"]["spec"]["containers"][0]["command"])
        )
        name = reading["metadata"]["name"]
        process, address, log = running[name]
        body = {"country": "MA", "document_type": "national_id", "mode": "async"}
        for part, file in (("document_front", "front"), ("document_back", "back"), ("selfie", "selfie")):
            with open(os.path.join(self.layout, "specimen", f"{file}.jpg"), "rb") as picture:
                body[part] = base64.b64encode(picture.read()).decode()
        # Several, so that one of them is under way whenever it is looked.
        ids = [self.asked(scheduler, "/v1/identity/verify", key, body)["id"] for _ in range(4)]
        until = time.monotonic() + LIMIT_S
        while self.jobs_in_hand(address) == 0:
            self.assertLess(time.monotonic(), until, "it takes no job")
        before = text_of(log).count("stage completed")
        self.assertEqual(self.stop(process), 0)
        self.assertGreater(text_of(log).count("stage completed"), before, "nothing was running when it was told to end")
        running[name] = self.start(reading)
        self.wait_until_ready(*running[name])
        for id in ids:
            while (found := self.asked(scheduler, f"/v1/identity/verifications/{id}", key))["status"] == "pending":
                self.assertLess(time.monotonic(), until, f"{id} is pending")
                time.sleep(0.1)
            self.assertEqual(found["status"], "verified", found)
        said = text_of(log) + text_of(running[name][2])
        # What writes a row in `attempts`.
        self.assertNotIn("stage failed", said)
        self.assertNotIn("stage cannot run", said)

    def test_a_release_sets_up_twice_verifies_its_specimen_and_ends_when_told(self):
        for job in ("migrate", "declare") * 2:
            status, _, errors = self.job(job)
            self.assertEqual(status, 0, f"{job}: {errors}")

        running = {d["metadata"]["name"]: self.start(d) for d in of_kind(self.objects, "Deployment")}
        self.assertEqual(len(running), 4)
        for name, (process, address, log) in running.items():
            with self.subTest(name):
                self.wait_until_ready(process, address, log)

        # As NOTES.txt says, by whoever holds the scheduler's settings.
        scheduler = next(d for d in of_kind(self.objects, "Deployment") if component(d) == "scheduler")
        environment = self.environment(scheduler["spec"]["template"]["spec"])
        status, key, errors = self.said(["txid", "keys", "create", "--account", "default"], environment)
        self.assertEqual(status, 0, errors)

        pod = of_kind(self.objects, "Pod")[0]["spec"]
        command = list(pod["containers"][0]["command"])
        place = command.index("--api") + 1
        self.assertTrue(re.fullmatch(r"http://test-txid-scheduler:80", command[place]))
        command[place] = f"http://{running['test-txid-scheduler'][1]}"
        # A Secret made from a file keeps the line's end.
        self.secrets["TXID_API_KEY"] = key
        verify = lambda: self.said(command, self.environment(pod))  # noqa: E731
        # 4: the sync wait was over before the verdict, which a loaded machine may do; the next one finds it idle.
        outcomes = [verify()]
        while outcomes[-1][0] == 4 and len(outcomes) < VERIFY_TRIES:
            outcomes.append(verify())
        self.assertEqual(outcomes[-1][0], 0, outcomes)
        self.assertTrue(outcomes[-1][1].startswith("VERIFIED"), outcomes)

        self.a_worker_told_to_end_while_a_stage_runs_finishes_it(running, key.strip())

        for name, (process, _, log) in running.items():
            with self.subTest(name):
                status = self.stop(process)
                log.seek(0)
                self.assertEqual(status, 0, log.read()[-3000:])


if __name__ == "__main__":
    unittest.main()
