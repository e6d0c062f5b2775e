"""Values that would only fail in the cluster are refused before: python3 -m unittest discover -s tests/chart"""

import json
import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import releases  # noqa: E402
import tools  # noqa: E402
from releases import CHART, configuration, objects  # noqa: E402
from test_chart import Chart  # noqa: E402

# Keys whose values the chart gives itself, and those that belong into a Secret: templates refuse them with a sentence.
OURS = {"server.listen", "worker.listen"}
SECRET = {
    "database.url", "broker.url", "redis.url", "keys.master", "blobs.s3_access_key_id", "blobs.s3_secret_access_key",
}


def documented():
    """section.key to its type, of every key in the example file, commented out or not."""
    section, found = "", {}
    with open(os.path.join(tools.ROOT, "deploy", "txid.example.toml"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("["):
                section = line.strip().strip("[]")
            key = re.match(r"(?:# )?(\w+) = (.*)", line)
            if key:
                found[f"{section}.{key[1]}"] = type_of(key[2])
    return found


def type_of(text):
    for start, name in (('"', "string"), ("[", "array"), ("{", "object"), ("true", "boolean"), ("false", "boolean")):
        if text.startswith(start):
            return name
    return "number" if "." in text else "integer"


class Values(Chart):
    def config_schema(self):
        with open(os.path.join(CHART, "values.schema.json"), encoding="utf-8") as file:
            return json.load(file)["properties"]["config"]

    def test_the_schema_has_the_keys_of_the_example_file_with_their_types_and_no_others(self):
        example = documented()
        self.assertGreater(len(example), 70)
        known = {}
        for section, schema in self.config_schema()["properties"].items():
            for key, one in schema["properties"].items():
                known[f"{section}.{key}"] = one
        self.assertEqual(set(known), set(example))
        self.assertEqual({key for key, one in known.items() if one is False}, OURS)
        self.assertEqual({key for key, one in known.items() if one == {}}, SECRET)
        for key in set(known) - OURS - SECRET:
            self.assertEqual(known[key]["type"], example[key], key)

    def test_a_key_of_the_configuration_that_is_misspelt_is_refused_in_every_section(self):
        self.assertIn("stage_deadlin_ms", self.refused({"config": {"worker": {"stage_deadlin_ms": 20000}}}))
        self.assertIn("wroker", self.refused({"config": {"wroker": {}}}))
        for section in {key.split(".")[0] for key in documented()}:
            self.assertIn("no_such_key", self.refused({"config": {section: {"no_such_key": 1}}}), section)

    def test_a_key_of_the_configuration_with_another_type_is_refused(self):
        other = {"string": 1, "array": "x", "object": [], "boolean": "yes", "number": "0.1", "integer": "5"}
        for path, name in documented().items():
            if path not in OURS | SECRET:
                section, key = path.split(".")
                self.assertIn(f"/config/{section}/{key}", self.refused({"config": {section: {key: other[name]}}}))

    def test_a_map_with_keys_of_its_own_becomes_a_table_of_the_file(self):
        limits = {"POST /v1/identity/verify": 100, "GET /v1/developers/usage": 5}
        found = objects(self.helm, {"config": {"limits": {"endpoints_per_minute": limits}}})
        line = 'endpoints_per_minute = {"GET /v1/developers/usage" = 5, "POST /v1/identity/verify" = 100}'
        self.assertIn(f"[limits]\n{line}\n", configuration(found))
        said = self.refused({"config": {"limits": {"endpoints_per_minute": {"POST /v1/identity/verify": "many"}}}})
        self.assertIn("endpoints_per_minute", said)

    def test_no_null_comes_into_the_file(self):
        # Of a key that values.yaml has, null takes it away; any other would stay.
        with open(os.path.join(CHART, "values.yaml"), encoding="utf-8") as file:
            given = self.helm.yaml(file.read())["config"]
        for path in documented():
            section, key = path.split(".")
            if key not in given.get(section, {}):
                self.assertIn(key, self.refused({"config": {section: {key: None}}}))

    def test_buckets_which_may_hold_keys_are_sent_to_the_environment(self):
        said = self.refused({"config": {"batches": {"buckets": [{"url": "s3://people"}]}}})
        self.assertIn("TXID__BATCHES__BUCKETS", said)

    def test_routes_without_a_name_or_a_gateway_are_refused(self):
        self.assertIn("/ingress/hosts", self.refused({"ingress": {"enabled": True}}))
        self.assertIn("'hosts'", self.refused({"ingress": {"enabled": True, "hosts": None}}))
        self.assertIn("/gateway/parentRefs", self.refused({"gateway": {"enabled": True}}))
        self.assertIn("'name'", self.refused({"gateway": {"enabled": True, "parentRefs": [{"namespace": "gateways"}]}}))

    def test_more_replicas_at_least_than_at_most_are_refused_and_the_component_is_named(self):
        def wrong(low, high, **kind):
            return {"autoscaling": {"minReplicas": low, "maxReplicas": high, **kind}}

        groups = [{"name": "ocr", "stages": ["ocr"]}, {"name": "rest", "stages": releases.STAGES[1:]}]
        for values, name in (
            ({"scheduler": wrong(7, 6, enabled=True)}, "-scheduler"),
            ({"webhooks": wrong(7, 6, enabled=True)}, "-webhooks"),
            ({"workers": [groups[0], {**groups[1], **wrong(9, 8, kind="hpa")}]}, "-worker-rest"),
            ({"workers": [{**groups[0], **wrong(9, 8, kind="keda")}, groups[1]]}, "-worker-ocr"),
            # Half of it from workerDefaults.
            ({"workerDefaults": {"autoscaling": {"kind": "keda"}},
              "workers": [groups[0], {**groups[1], "autoscaling": {"minReplicas": 9}}]}, "-worker-rest"),
        ):
            with self.subTest(str(values)):
                self.assertRegex(self.refused(values), f"{name}: autoscaling.minReplicas .* maxReplicas")
        # What is off decides nothing, and both may be the same.
        objects(self.helm, {"scheduler": wrong(7, 6), "workerDefaults": wrong(9, 8)})
        objects(self.helm, {"scheduler": wrong(6, 6, enabled=True), "workerDefaults": wrong(8, 8, kind="keda")})

    def test_an_hpa_of_no_pods_is_refused_and_keda_may_have_none(self):
        none = {"minReplicas": 0}
        self.assertIn("minReplicas", self.refused({"workerDefaults": {"autoscaling": {"kind": "hpa", **none}}}))
        objects(self.helm, {"workerDefaults": {"autoscaling": {"kind": "keda", **none}}})

    def test_one_of_the_two_keys_of_the_object_store_is_refused(self):
        for given, missing in (("s3AccessKeyId", "s3SecretAccessKey"), ("s3SecretAccessKey", "s3AccessKeyId")):
            said = self.refused({"secrets": {given: {"name": "bucket", "key": "k"}}})
            self.assertIn(f"secrets.{missing}.key", said)

    def test_a_secret_that_has_no_name_is_refused(self):
        for none in ("", None):
            self.assertIn("secrets.existingSecret", self.refused({"secrets": {"existingSecret": none}}))
        names = ("databaseUrl", "brokerUrl", "redisUrl", "masterKeys")
        own = {name: {"name": "own"} for name in names}
        objects(self.helm, {"secrets": {"existingSecret": "", **own}})
        for name in names:
            said = self.refused({"secrets": {"existingSecret": "", **own, name: {"name": ""}}})
            self.assertIn(f"secrets.{name}.name", said)
        # The management API is KEDA's alone.
        keda = {"workerDefaults": {"autoscaling": {"kind": "keda"}}}
        said = self.refused({"secrets": {"existingSecret": "", **own}, **keda})
        self.assertIn("secrets.brokerManagementUrl.name", said)
        s3 = {name: {"key": "k"} for name in ("s3AccessKeyId", "s3SecretAccessKey")}
        self.assertIn("secrets.s3AccessKeyId.name", self.refused({"secrets": {"existingSecret": "", **own, **s3}}))

    def test_a_reference_without_a_key_or_a_name_is_refused(self):
        for name in ("databaseUrl", "brokerUrl", "redisUrl", "masterKeys"):
            self.assertIn(f"/secrets/{name}/key", self.refused({"secrets": {name: {"key": ""}}}))
        for name in ("databaseUrl", "s3AccessKeyId", "brokerManagementUrl"):
            self.assertIn(f"'{name}'", self.refused({"secrets": {name: None}}))
        keda = {"workerDefaults": {"autoscaling": {"kind": "keda"}}}
        said = self.refused({"secrets": {"brokerManagementUrl": {"key": ""}}, **keda})
        self.assertIn("secrets.brokerManagementUrl.key", said)
        for key in ("name", "key"):
            self.assertIn(f"/tests/apiKey/{key}", self.refused({"tests": {"apiKey": {key: ""}}}))
            reference = {"name": "s", "key": "k", key: ""}
            env = [{"name": "TXID__BATCHES__BUCKETS", "valueFrom": {"secretKeyRef": reference}}]
            self.assertIn(f"secretKeyRef/{key}", self.refused({"scheduler": {"extraEnv": env}}))
        self.assertIn("pullSecrets", self.refused({"image": {"pullSecrets": [{"name": ""}]}}))

    def test_an_object_store_that_the_default_policy_keeps_out_is_warned_of(self):
        # That no pod but those of webhooks gets out by default is test_security's to say.
        anywhere = {"ipBlock": {"cidr": "0.0.0.0/0"}}
        inside = {"config": {"blobs": {"s3_endpoint": "http://minio.data:9000"}}}
        for values, warned in (
            ({}, True),
            (inside, False),
            ({"networkPolicy": {"objectStore": {"to": [anywhere]}}}, False),
            ({"networkPolicy": {"enabled": False}}, False),
            (self.values["a shared folder"], False),
        ):
            notes = self.helm.render(CHART, values)["txid/templates/NOTES.txt"]
            self.assertEqual("networkPolicy.objectStore.to" in notes, warned, values)


if __name__ == "__main__":
    unittest.main()
