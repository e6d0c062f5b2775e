"""What the chart and the compose file tell the programs is what the programs understand.

Asks `txid config check` of the build that `make test` makes: python3 -m unittest discover -s tests/chart
"""

import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import releases  # noqa: E402
import tools  # noqa: E402
from releases import CHART, of_kind, pods  # noqa: E402
from test_chart import Chart  # noqa: E402

BINARIES = os.path.join(tools.ROOT, os.environ.get("CARGO_TARGET_DIR", "target"), "debug")
# In the forms that values.yaml asks for.
SECRETS = {
    "TXID__DATABASE__URL": "postgres://u:hunter2@pg:5432/txid",
    "TXID__BROKER__URL": "amqp://u:hunter2@mq:5672/%2f",
    "TXID__REDIS__URL": "redis://:hunter2@redis:6379/0",
    "TXID__KEYS__MASTER": '["k1:aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMjIyMjI="]',
    "TXID__BLOBS__S3_ACCESS_KEY_ID": "hunter2",
    "TXID__BLOBS__S3_SECRET_ACCESS_KEY": "hunter2",
}


def config_check(text, environment):
    """(exit status, what it printed, what it complained about)"""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        done = subprocess.run(
            [os.path.join(BINARIES, "txid"), "config", "check"],
            env={"PATH": os.environ["PATH"], "TXID_CONFIG": file.name, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    return done.returncode, done.stdout, done.stderr


class Configuration(Chart):
    def test_every_pod_starts_with_what_it_is_given(self):
        for _, found in self.each():
            for name, _, spec in pods(found):
                given = {v["name"]: v.get("value", SECRETS.get(v["name"], "x")) for v in spec["containers"][0]["env"]}
                self.assertEqual(given.pop("TXID_CONFIG"), "/etc/txid/txid.toml", name)
                text = releases.configuration(found, spec["volumes"][0]["configMap"]["name"])
                status, printed, complaint = config_check(text, given)
                self.assertEqual(status, 0, f"{name}: {complaint}")
                understood = releases.keys(printed)
                for key, value in releases.keys(text).items():
                    override = given.get(f"TXID__{key.replace('.', '__').upper()}")
                    if override is None:
                        self.assertEqual(understood[key].rstrip("0").rstrip("."), value.rstrip("0").rstrip("."), key)
                if "worker" in name:
                    self.assertEqual(understood["worker.threads"], given["TXID__WORKER__THREADS"])
                    self.assertEqual(understood["worker.listen"], '"0.0.0.0:9090"')
                # What the others sealed it opens with shares from the same place.
                self.assertNotIn("TXID__BLOBS__URL", given, name)

    def test_a_map_among_the_values_is_one_to_the_program(self):
        limits = {"endpoints_per_minute": {"POST /v1/identity/verify": 100}}
        text = releases.configuration(releases.objects(self.helm, {"config": {"limits": limits}}))
        status, _, complaint = config_check(text, SECRETS)
        self.assertEqual(status, 0, complaint)

    def test_secrets_are_not_printed(self):
        status, printed, _ = config_check("", SECRETS)
        self.assertEqual(status, 0)
        self.assertNotIn("hunter2", printed)
        self.assertEqual(printed.count('"[redacted]"'), len(SECRETS))

    def test_a_key_that_the_program_does_not_know_is_found(self):
        status, _, complaint = config_check("[worker]\nthread = 2\n", {})
        self.assertNotEqual(status, 0)
        self.assertIn("thread", complaint)

    def test_the_times_in_the_values_are_the_programs_own(self):
        with open(os.path.join(CHART, "values.yaml")) as file:
            config = self.helm.yaml(file.read())["config"]
        _, printed, _ = config_check("", {})
        program = releases.keys(printed)
        for section in ("server", "worker"):
            for key, value in config[section].items():
                self.assertEqual(str(value), program[f"{section}.{key}"], f"{section}.{key}")

    def test_the_checks_of_the_chart_know_the_programs_defaults(self):
        with open(os.path.join(CHART, "templates", "_config.tpl")) as file:
            known = re.findall(r'\(list "(\w+)" "(\w+_ms)" (\d+)\)', file.read())
        _, printed, _ = config_check("", {})
        program = releases.keys(printed)
        self.assertEqual(len(known), 6)
        for section, key, value in known:
            self.assertEqual(value, program[f"{section}.{key}"], key)

    def test_the_queues_of_the_triggers_are_those_that_the_program_declares(self):
        with open(os.path.join(tools.ROOT, "shared", "src", "queue", "mod.rs")) as file:
            self.assertIn('format!("verify.{stage}.{lane}")', file.read())
        with open(os.path.join(tools.ROOT, "shared", "src", "words.rs")) as file:
            text = file.read()
        for word, known in (("Stage", releases.STAGES), ("Lane", releases.LANES)):
            block = re.search(rf"\n    {word}\(.*?\n    }}", text, re.S).group()
            self.assertEqual(re.findall(r'=> "(\w+)"', block), known)


class Compose(Chart):
    def test_every_variable_of_the_compose_file_is_known(self):
        with open(os.path.join(tools.ROOT, "deploy", "compose.yaml")) as file:
            compose = self.helm.yaml(file.read())
        seen = 0
        for name, service in compose["services"].items():
            settings = {k: v for k, v in (service.get("environment") or {}).items() if k.startswith("TXID__")}
            # As compose fills them in: `:?` wants one, `:-` has one of its own.
            settings = {k: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(v)) for k, v in settings.items()}
            settings = {k: re.sub(r"\$\{\w+:\?.*?\}", f"k1:{'A' * 43}=", v) for k, v in settings.items()}
            if settings:
                seen += 1
                status, _, complaint = config_check("", settings)
                self.assertEqual(status, 0, f"{name}: {complaint}")
        self.assertGreater(seen, 3)

    def test_compose_has_every_service_of_a_fleet_and_leads_each_setting_to_one(self):
        with open(os.path.join(tools.ROOT, "deploy", "compose.yaml")) as file:
            compose = self.helm.yaml(file.read())
        services = compose["services"]
        images = {name: service["image"].split(":")[0].split("/")[-1] for name, service in services.items()}
        for image in ("postgres", "rabbitmq", "redis", "minio", "opentelemetry-collector", "txid"):
            self.assertIn(image, images.values())
        ours = {name for name, image in images.items() if image == "txid"}
        commands = " ".join(" ".join(services[name]["command"]) for name in ours)
        for needed in ("txid migrate", "txid declare", "txid-scheduler", "--role webhooks"):
            self.assertIn(needed, commands)
        stages = [s for found in re.findall(r"--stages (\S+)", commands) for s in found.split(",")]
        self.assertEqual(sorted(stages), sorted(releases.STAGES))

        # Setting to the host and port that it leads to, and what listens there.
        listens = {"postgres": 5432, "rabbitmq": 5672, "redis": 6379, "objects": 9000, "collector": 4318}
        for name in ours:
            settings = {k: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(v)) for k, v in services[name]["environment"].items()}
            leads_to = set()
            for key, value in settings.items():
                for host, port in re.findall(r"//(?:[^/@]*@)?([a-z]+):(\d+)", value):
                    self.assertEqual(listens.get(host), int(port), f"{name}: {key}")
                    leads_to.add(host)
            self.assertEqual(leads_to, set(listens), name)
        collector = self.helm.yaml(compose["configs"]["collector"]["content"])
        self.assertEqual(collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"], "0.0.0.0:4318")
        for kind in ("traces", "metrics"):
            pipeline = collector["service"]["pipelines"][kind]
            self.assertLessEqual(set(pipeline["receivers"]), set(collector["receivers"]))
            self.assertLessEqual(set(pipeline["exporters"]), set(collector["exporters"]))

        # Whatever a service names is there.
        for name, service in services.items():
            self.assertLessEqual(set(service.get("depends_on", {})), set(services), name)
            self.assertLessEqual(set(service["networks"]), set(compose["networks"]), name)
            self.assertLessEqual({v.split(":")[0] for v in service.get("volumes", [])}, set(compose["volumes"]), name)
            self.assertLessEqual({c["source"] for c in service.get("configs", [])}, set(compose["configs"]), name)
            for condition in (d["condition"] for d in service.get("depends_on", {}).values()):
                if condition == "service_healthy":
                    waited_for = [n for n, d in service["depends_on"].items() if d["condition"] == condition]
                    self.assertTrue(all("healthcheck" in services[n] for n in waited_for), name)
        # As in the chart: of ours that read pictures none has a way out.
        self.assertTrue(compose["networks"]["inside"]["internal"])
        outside = {name for name, service in services.items() if "outside" in service["networks"]}
        self.assertEqual(outside, {"scheduler", "webhooks", "collector"})
        published = {name: service["ports"] for name, service in services.items() if "ports" in service}
        self.assertEqual(published, {"scheduler": ["127.0.0.1:8080:8080"]})

    def test_compose_waits_longer_than_the_programs_drain(self):
        _, printed, _ = config_check("", {})
        program = releases.keys(printed)
        with open(os.path.join(tools.ROOT, "deploy", "compose.yaml")) as file:
            services = self.helm.yaml(file.read())["services"]
        for name, service in services.items():
            command = " ".join(service.get("command") or [])
            if "txid-worker" in command:
                key, last_work_ms = "worker.drain_deadline_ms", 1000
            elif "txid-scheduler" in command:
                key, last_work_ms = "server.drain_deadline_ms", 10000
            else:
                continue
            grace_ms = int(service["stop_grace_period"].rstrip("s")) * 1000
            self.assertGreater(grace_ms, int(program[key]) + last_work_ms, name)
            self.assertTrue(service["read_only"], name)
            self.assertEqual(service["cap_drop"], ["ALL"], name)


if __name__ == "__main__":
    unittest.main()
