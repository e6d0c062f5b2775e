"""The chart as Helm renders it: python3 -m unittest discover -s tests/chart"""

import copy
import json
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import engine  # noqa: E402
import releases  # noqa: E402
import schemas  # noqa: E402
from releases import CHART, SETS, component, name_of, objects, of_kind, pods  # noqa: E402


class Chart(unittest.TestCase):
    release = None

    @classmethod
    def setUpClass(cls):
        cls.helm = engine.Helm()
        cls.addClassCleanup(cls.helm.close)
        cls.values = {name: releases.values_of(cls.helm, name) for name in SETS}
        cls.releases = {name: objects(cls.helm, values) for name, values in cls.values.items()}

    def each(self):
        """(name, objects) of every release; a complaint about one says which."""
        for self.release, found in self.releases.items():
            yield self.release, found
        self.release = None

    def _formatMessage(self, msg, standard):
        text = super()._formatMessage(msg, standard)
        return f"{self.release}: {text}" if self.release else text

    def refused(self, values, **options):
        with self.assertRaises(engine.Refused) as caught:
            objects(self.helm, values, **options)
        return str(caught.exception)


class Rendering(Chart):
    def test_helm_finds_nothing_to_warn_about(self):
        for name in SETS:
            with self.subTest(name):
                messages = self.helm.lint(CHART, self.values[name])
                self.assertEqual([m for m in messages if m["severity"] > 1], [])

    def test_every_object_is_one_that_its_readers_take(self):
        known = schemas.Schemas()
        for _, found in self.each():
            self.assertGreater(len(found), 15)
            for thing in found:
                self.assertEqual(known.complaints(thing), [], name_of(thing))

    def test_the_schemas_do_refuse(self):
        known = schemas.Schemas()
        found = self.releases["one group with keda"] + self.releases["gateway"] + self.releases["monitoring"]
        spoil = {
            "Deployment": lambda spec: spec["template"]["spec"]["containers"][0].update(port=1),
            "NetworkPolicy": lambda spec: spec.update(egress="none"),
            "ScaledObject": lambda spec: spec["triggers"][0].update(queue="x"),
            "TriggerAuthentication": lambda spec: spec["secretTargetRef"][0].pop("key"),
            "HTTPRoute": lambda spec: spec["rules"][0]["backendRefs"][0].update(port="eighty"),
            "PodDisruptionBudget": lambda spec: spec.update(maxUnavailable=[1]),
            "PodMonitor": lambda spec: spec["podMetricsEndpoints"][0].update(intervall="30s"),
            "PrometheusRule": lambda spec: spec["groups"][0]["rules"][0].pop("expr"),
        }
        for kind, spoiling in spoil.items():
            thing = copy.deepcopy(of_kind(found, kind)[0])
            spoiling(thing["spec"])
            self.assertNotEqual(known.complaints(thing), [], kind)

    def test_every_pod_goes_where_it_is_told_the_hooks_among_them(self):
        own = releases.OWN
        placed = list(pods(self.releases["nodes and an authority of one's own"]))
        self.assertEqual({c["name"] for _, _, spec in placed for c in spec["containers"]},
                         {"scheduler", "worker", "webhooks", "migrate", "declare", "verify"})
        for name, metadata, spec in placed:
            for key in ("nodeSelector", "tolerations", "affinity"):
                self.assertEqual(spec[key], own[key], name)
            self.assertIn(own["extraEnv"][0], spec["containers"][0]["env"], name)
            self.assertIn("/etc/ssl/own", [m["mountPath"] for m in spec["containers"][0]["volumeMounts"]], name)
            self.assertLessEqual(own["podAnnotations"].items(), metadata["annotations"].items(), name)
            self.assertEqual(metadata["labels"]["team"], "identity", name)

    def test_two_objects_never_have_one_name(self):
        for _, found in self.each():
            names = [name_of(thing) for thing in found]
            self.assertEqual(len(names), len(set(names)), names)

    def test_an_upgrade_renders_what_an_install_renders(self):
        values = self.values["medium"]
        again = objects(self.helm, values, is_upgrade=True, is_install=False, revision=2)
        self.assertEqual(self.releases["medium"], again)

    def test_a_long_release_name_still_makes_names_that_kubernetes_takes(self):
        workers = [{"name": "a-name-of-20-letters", "stages": releases.STAGES, **releases.KEDA}]
        values = {**self.values["monitoring"], "workers": workers}
        for thing in objects(self.helm, values, name="a-release-name-of-all-fifty-three-letters-that-helm-t"):
            self.assertLessEqual(len(thing["metadata"]["name"]), 63)

    def test_a_wrong_value_is_refused_and_named(self):
        wrong = [
            ({"schedular": {}}, "schedular"),
            ({"workers": [{"name": "a", "stages": ["mrz"]}]}, "stages"),
            ({"networkPolicy": {"postgres": {"ports": [5432], "to": []}}}, "postgres"),
            ({"shutdown": {"marginSeconds": 1}}, "marginSeconds"),
            ({"image": {"digest": "latest"}}, "digest"),
            ({"podSecurityContext": {"runAsUser": 0}}, "runAsUser"),
            ({"config": {"worker": {"listen": "127.0.0.1:1"}}}, "listen"),
            ({"monitoring": {"podMonitor": {"interval": "often"}}}, "interval"),
            ({"monitoring": {"rules": {"runbookUrl": "OPERATIONS.md"}}}, "runbookUrl"),
        ]
        for values, word in wrong:
            with self.subTest(word):
                self.assertIn(word, self.refused(values))


    def test_values_of_an_older_chart_are_refused_by_the_name_of_what_they_lack(self):
        # `helm upgrade --reuse-values` takes the older chart's defaults as well; templates would meet nil.
        with open(os.path.join(CHART, "values.schema.json"), encoding="utf-8") as file:
            sections = {name for name, schema in json.load(file)["properties"].items() if "properties" in schema}
        self.assertIn("monitoring", sections)
        for section in sections:
            self.assertIn(f"missing property '{section}'", self.refused({section: None}))


class Scaling(Chart):
    def test_replicas_are_written_only_where_nothing_else_decides_about_them(self):
        for _, found in self.each():
            scaled = {
                scaler["spec"]["scaleTargetRef"]["name"]
                for scaler in of_kind(found, "ScaledObject", "HorizontalPodAutoscaler")
            }
            for deployment in of_kind(found, "Deployment"):
                name = deployment["metadata"]["name"]
                self.assertEqual("replicas" not in deployment["spec"], name in scaled, name)
            self.assertLessEqual(scaled, {d["metadata"]["name"] for d in of_kind(found, "Deployment")})

    def test_keda_looks_at_each_queue_of_its_worker_and_counts_jobs_in_hand(self):
        # Everything that the documentation of KEDA's rabbitmq trigger lists for a queue by its length.
        documented = {"host", "hostFromEnv", "protocol", "mode", "value", "activationValue", "queueName", "vhostName",
                      "excludeUnacknowledged", "useRegex", "pageSize", "operation", "timeout", "unsafeSsl"}
        for name, found in self.each():
            prefix = self.values[name].get("config", {}).get("broker", {}).get("prefix", "txid.")
            for scaler in of_kind(found, "ScaledObject"):
                target = scaler["spec"]["scaleTargetRef"]["name"]
                worker = next(d for d in of_kind(found, "Deployment") if d["metadata"]["name"] == target)
                command = worker["spec"]["template"]["spec"]["containers"][0]["command"]
                stages = command[command.index("--stages") + 1].split(",")
                triggers = scaler["spec"]["triggers"]
                wanted = {f"{prefix}verify.{stage}.{lane}" for stage in stages for lane in releases.LANES}
                self.assertEqual({t["metadata"]["queueName"] for t in triggers}, wanted)
                self.assertEqual(len({t["name"] for t in triggers}), len(triggers))
                for trigger in triggers:
                    self.assertEqual((trigger["type"], trigger["metadata"]["protocol"]), ("rabbitmq", "http"))
                    self.assertEqual(set(trigger["metadata"]) - documented, set())
                    self.assertGreater(int(trigger["metadata"]["value"]), 0)
                    authentication = trigger["authenticationRef"]["name"]
                    self.assertIn(f"TriggerAuthentication/{authentication}", [name_of(thing) for thing in found])

    def test_the_stages_together_are_all_stages(self):
        for _, found in self.each():
            stages = []
            for _, metadata, spec in pods(found):
                command = spec["containers"][0]["command"]
                if "--stages" in command:
                    stages += command[command.index("--stages") + 1].split(",")
            self.assertEqual(sorted(stages), sorted(releases.STAGES))

    def test_a_stage_that_nobody_runs_is_refused(self):
        said = self.refused({"workers": [{"name": "a", "stages": ["ocr", "liveness", "fraud"]}]})
        self.assertIn("face_match", said)

    def test_two_workers_of_one_name_are_refused(self):
        said = self.refused({"workers": [{"name": "a", "stages": ["ocr"]}, {"name": "a", "stages": releases.STAGES}]})
        self.assertIn("a name of its own", said)

    def test_a_worker_without_a_bound_on_its_threads_is_refused(self):
        said = self.refused({"workerDefaults": {"resources": {"limits": {"cpu": None}}}})
        self.assertIn("resources.limits.cpu", said)

    def test_threads_are_the_whole_cpus_of_the_limit(self):
        for limit, threads in (("4", "4"), ("2500m", "2"), ("500m", "1"), (3, "3")):
            found = objects(self.helm, {"workerDefaults": {"resources": {"limits": {"cpu": limit}}}})
            _, _, spec = next(p for p in pods(found) if "worker-ocr" in p[0])
            env = {e["name"]: e.get("value") for e in spec["containers"][0]["env"]}
            self.assertEqual(env["TXID__WORKER__THREADS"], threads, limit)

    def test_a_disruption_budget_with_both_bounds_or_none_is_refused(self):
        for budget in ({"minAvailable": 1}, {"maxUnavailable": ""}):
            said = self.refused({"scheduler": {"podDisruptionBudget": budget}})
            self.assertIn("exactly one", said)

    def test_a_disruption_budget_of_zero_is_a_bound(self):
        budgets = [({"maxUnavailable": 0}, "maxUnavailable"), ({"maxUnavailable": None, "minAvailable": 0}, "minAvailable")]
        for budget, bound in budgets:
            found = objects(self.helm, {"scheduler": {"podDisruptionBudget": budget}})
            rendered = next(b for b in of_kind(found, "PodDisruptionBudget") if component(b) == "scheduler")["spec"]
            self.assertEqual({key: rendered[key] for key in rendered if key != "selector"}, {bound: 0})


class Stopping(Chart):
    def test_the_pod_waits_longer_than_the_program_and_the_program_longer_than_a_stage(self):
        for _, found in self.each():
            known = releases.keys(releases.configuration(found))
            ms = lambda key: int(known[key])  # noqa: E731
            for name, metadata, spec in pods(found):
                grace_ms = spec.get("terminationGracePeriodSeconds", 0) * 1000
                role = metadata["labels"]["app.kubernetes.io/component"]
                if role in ("worker", "webhooks"):
                    self.assertGreaterEqual(grace_ms, ms("worker.grace_period_ms"), name)
                    self.assertGreater(ms("worker.grace_period_ms"), ms("worker.drain_deadline_ms"), name)
                    self.assertGreater(ms("worker.drain_deadline_ms"), ms("worker.stage_deadline_ms") + 2000, name)
                    self.assertNotIn("lifecycle", spec["containers"][0])
                if role == "scheduler":
                    pause_ms = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] * 1000
                    self.assertGreater(grace_ms, pause_ms + ms("server.drain_deadline_ms") + 10_000, name)

    def test_times_that_contradict_each_other_are_refused_and_both_are_named(self):
        wrong = [
            ({"worker": {"drain_deadline_ms": 22000}}, "stage_deadline_ms", "drain_deadline_ms"),
            ({"worker": {"grace_period_ms": 25000}}, "drain_deadline_ms", "grace_period_ms"),
            ({"worker": {"inference_limit_ms": 20000}}, "inference_limit_ms", "stage_deadline_ms"),
            ({"broker": {"consumer_timeout_ms": 15000}}, "stage_deadline_ms", "consumer_timeout_ms"),
            ({"server": {"drain_deadline_ms": 30000}}, "sync_wait_ms", "drain_deadline_ms"),
        ]
        for config, one, other in wrong:
            with self.subTest(one):
                said = self.refused({"config": config})
                self.assertIn(one, said)
                self.assertIn(other, said)

    def test_a_grace_period_that_somebody_sets_becomes_the_pods(self):
        found = objects(self.helm, {"config": {"worker": {"grace_period_ms": 90500}}})
        graces = {spec["terminationGracePeriodSeconds"] for name, _, spec in pods(found) if "worker" in name}
        self.assertEqual(graces, {91})


if __name__ == "__main__":
    unittest.main()
