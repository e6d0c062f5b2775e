"""What a rendered release may do, hold and reach: python3 -m unittest discover -s tests/chart"""

import json
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from releases import CHART, component, name_of, objects, of_kind, pods  # noqa: E402
from test_chart import Chart  # noqa: E402

SECRET_VARIABLES = {
    "TXID__DATABASE__URL", "TXID__BROKER__URL", "TXID__REDIS__URL", "TXID__KEYS__MASTER",
    "TXID__BLOBS__S3_ACCESS_KEY_ID", "TXID__BLOBS__S3_SECRET_ACCESS_KEY", "TXID_API_KEY",
}


class Pods(Chart):
    def test_no_container_is_root_writes_its_image_or_gains_rights(self):
        for release, found in self.each():
            for name, _, spec in pods(found):
                # Null is the platform's choice, which runAsNonRoot keeps from being root.
                chosen = [spec["securityContext"].get(key) for key in ("runAsUser", "runAsGroup", "fsGroup")]
                self.assertEqual(chosen, [None if release == "openshift" else 10001] * 3, name)
                self.assertIs(spec["securityContext"]["runAsNonRoot"], True, name)
                self.assertIs(spec["automountServiceAccountToken"], False, name)
                self.assertIs(spec["enableServiceLinks"], False, name)
                for key in ("hostNetwork", "hostPID", "hostIPC", "initContainers"):
                    self.assertNotIn(key, spec, name)
                for container in spec["containers"]:
                    context = container["securityContext"]
                    self.assertIs(context["runAsNonRoot"], True, name)
                    self.assertIs(context["readOnlyRootFilesystem"], True, name)
                    self.assertIs(context["allowPrivilegeEscalation"], False, name)
                    self.assertEqual(context["capabilities"], {"drop": ["ALL"]}, name)
                    self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"}, name)
                    self.assertNotIn("privileged", context, name)
                    self.assertIn("memory", container["resources"]["limits"], name)
                    self.assertIn("cpu", container["resources"]["requests"], name)
                for volume in spec["volumes"]:
                    kinds = set(volume) - {"name"}
                    self.assertLessEqual(kinds, {"configMap", "emptyDir", "persistentVolumeClaim"}, name)

    def test_secrets_come_by_reference_and_only_to_those_who_work_with_them(self):
        needed = {
            "scheduler": {"TXID__DATABASE__URL", "TXID__BROKER__URL", "TXID__REDIS__URL", "TXID__KEYS__MASTER"},
            "worker": {"TXID__DATABASE__URL", "TXID__BROKER__URL", "TXID__REDIS__URL", "TXID__KEYS__MASTER"},
            "webhooks": {"TXID__DATABASE__URL", "TXID__REDIS__URL", "TXID__KEYS__MASTER"},
            "migrate": {"TXID__DATABASE__URL"},
            "declare": {"TXID__BROKER__URL"},
            "verify": {"TXID_API_KEY"},
        }
        for release, found in self.each():
            self.assertEqual(of_kind(found, "Secret"), [])
            for name, _, spec in pods(found):
                held = set()
                for variable in spec["containers"][0]["env"]:
                    if variable["name"] in SECRET_VARIABLES:
                        self.assertNotIn("value", variable, name)
                        reference = variable["valueFrom"]["secretKeyRef"]
                        self.assertTrue(reference["name"] and reference["key"], name)
                        held.add(variable["name"])
                wanted = set(needed[spec["containers"][0]["name"]])
                if release == "secrets of several operators" and "TXID__KEYS__MASTER" in wanted:
                    wanted |= {"TXID__BLOBS__S3_ACCESS_KEY_ID", "TXID__BLOBS__S3_SECRET_ACCESS_KEY"}
                self.assertEqual(held, wanted, name)

    def test_the_secret_of_an_operator_is_taken_under_its_own_name(self):
        text = json.dumps(self.releases["secrets of several operators"])
        for name, key in (("pg-app", "uri"), ("rabbit", "connection_string"), ("identity", "master-keys")):
            self.assertIn(f'{{"key": "{key}", "name": "{name}"}}', text)

    def test_a_secret_among_the_values_is_refused(self):
        wrong = [
            {"config": {"database": {"url": "postgres://u:p@h/d"}}},
            {"config": {"keys": {"master": ["k1:x"]}}},
            {"config": {"blobs": {"s3_secret_access_key": "x"}}},
            {"webhooks": {"extraEnv": [{"name": "TXID__DATABASE__URL", "value": "postgres://u:p@h/d"}]}},
            {"setup": {"extraEnv": [{"name": "TXID__DATABASE__URL", "value": "postgres://u:p@h/d"}]}},
        ]
        for values in wrong:
            with self.subTest(str(values)):
                self.assertIn("is a secret", self.refused(values))

    def test_probes_ask_what_the_processes_answer(self):
        ports = {"scheduler": ("http", 8080), "worker": ("metrics", 9090), "webhooks": ("metrics", 9090)}
        for _, found in self.each():
            for deployment in of_kind(found, "Deployment"):
                container = deployment["spec"]["template"]["spec"]["containers"][0]
                name, number = ports[component(deployment)]
                self.assertEqual(container["ports"], [{"name": name, "containerPort": number}])
                asked = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
                wanted = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
                self.assertEqual(asked, wanted)
                self.assertEqual({container[p]["httpGet"]["port"] for p in asked}, {name})

    def test_a_changed_configuration_replaces_the_pods(self):
        def checksums(values):
            return {
                d["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
                for d in of_kind(objects(self.helm, values), "Deployment")
            }

        before, after = checksums({}), checksums({"config": {"worker": {"attempts": 5}}})
        self.assertEqual((len(before), len(after), before & after), (1, 1, set()))

    def test_a_folder_for_images_that_pods_do_not_share_is_refused(self):
        self.assertIn("existingClaim", self.refused({"config": {"blobs": {"url": "file:///var/lib/txid/blobs"}}}))


class Setup(Chart):
    def test_the_schema_comes_before_the_queues_and_both_before_everything_else(self):
        for _, found in self.each():
            jobs = {job["spec"]["template"]["spec"]["containers"][0]["name"]: job for job in of_kind(found, "Job")}
            self.assertEqual(set(jobs), {"migrate", "declare"})
            weights = {name: int(job["metadata"]["annotations"]["helm.sh/hook-weight"]) for name, job in jobs.items()}
            self.assertLess(weights["migrate"], weights["declare"])
            for name, job in jobs.items():
                annotations = job["metadata"]["annotations"]
                self.assertEqual(annotations["helm.sh/hook"], "pre-install,pre-upgrade")
                # Else the second upgrade finds the first one's Job and fails.
                self.assertIn("before-hook-creation", annotations["helm.sh/hook-delete-policy"])
                self.assertEqual(job["spec"]["template"]["spec"]["containers"][0]["command"], ["txid", name])

    def test_a_hook_that_fails_ends_as_failed_before_anybody_calls_it_a_time_out(self):
        helm_waits_s, try_s = 300, 20
        for _, found in self.each():
            for job in of_kind(found, "Job"):
                pauses_s = sum(min(10 * 2**n, 360) for n in range(job["spec"]["backoffLimit"]))
                longest_s = pauses_s + try_s * (job["spec"]["backoffLimit"] + 1)
                self.assertLess(longest_s, min(helm_waits_s, job["spec"]["activeDeadlineSeconds"]))
                self.assertEqual(job["metadata"]["annotations"]["helm.sh/hook-output-log-policy"], "hook-failed")

    def test_what_a_hook_needs_is_there_before_it(self):
        for _, found in self.each():
            for job in of_kind(found, "Job"):
                spec = job["spec"]["template"]["spec"]
                self.assertEqual(spec["serviceAccountName"], "default")
                wanted = spec["volumes"][0]["configMap"]["name"]
                file = next(t for t in of_kind(found, "ConfigMap") if t["metadata"]["name"] == wanted)
                weight = int(file["metadata"]["annotations"]["helm.sh/hook-weight"])
                self.assertLess(weight, int(job["metadata"]["annotations"]["helm.sh/hook-weight"]))


class Network(Chart):
    def policy_for(self, found, metadata):
        """Exactly one policy selects each pod, so that what it may do can be read in one place."""
        chosen = [
            policy
            for policy in of_kind(found, "NetworkPolicy")
            if policy["spec"]["podSelector"]["matchLabels"].items() <= metadata["labels"].items()
        ]
        self.assertEqual(len(chosen), 1, metadata["labels"])
        return chosen[0]

    def test_only_the_webhook_role_may_leave_the_cluster(self):
        for release, found in self.each():
            for name, metadata, _ in pods(found):
                spec = self.policy_for(found, metadata)["spec"]
                self.assertEqual(spec["policyTypes"], ["Ingress", "Egress"], name)
                outside = set()
                for rule in spec["egress"]:
                    self.assertTrue(rule.get("to"), f"{name}: a rule without peers means everywhere")
                    self.assertTrue(rule.get("ports"), name)
                    outside |= {peer["ipBlock"]["cidr"] for peer in rule["to"] if "ipBlock" in peer}
                if release == "managed services and a collector":
                    outside -= {"10.20.0.5/32"}
                wanted = {"0.0.0.0/0", "::/0"} if "webhooks" in name else set()
                self.assertEqual(outside, wanted, name)

    def test_the_way_to_the_internet_is_none_to_private_networks(self):
        private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "127.0.0.0/8"}
        for _, found in self.each():
            policy = next(p for p in of_kind(found, "NetworkPolicy") if component(p) == "webhooks")
            blocks = [peer["ipBlock"] for rule in policy["spec"]["egress"] for peer in rule["to"] if "ipBlock" in peer]
            everywhere = next(block for block in blocks if block["cidr"] == "0.0.0.0/0")
            self.assertLessEqual(private, set(everywhere["except"]))

    def test_each_role_reaches_its_services_and_no_other(self):
        ports = {"postgres": 5432, "redis": 6379, "broker": 5672, "object store": 9000, "collector": 4318}
        reach = {
            "scheduler": {"postgres", "redis", "broker", "object store"},
            "worker": {"postgres", "redis", "broker", "object store"},
            "webhooks": {"postgres", "redis", "object store"},
            "setup": {"postgres", "broker"},
            "test": set(),
        }
        for release, found in self.each():
            for policy in of_kind(found, "NetworkPolicy"):
                role = component(policy)
                open_ports = {p.get("port") for rule in policy["spec"]["egress"] for p in rule["ports"]}
                reached = {service for service, port in ports.items() if port in open_ports}
                wanted = set(reach[role])
                if release == "managed services and a collector":
                    wanted.add("collector")
                if release == "a shared folder":
                    wanted.discard("object store")
                self.assertEqual(reached, wanted, name_of(policy))
                self.assertIn(53, open_ports)

    def test_names_are_resolved_where_the_values_say(self):
        def peers(found):
            policies = of_kind(found, "NetworkPolicy")
            self.assertEqual(len(policies), 5)
            resolving = [[r for r in p["spec"]["egress"] if {"protocol": "UDP", "port": 53} in r["ports"]] for p in policies]
            self.assertEqual({len(rules) for rules in resolving}, {1})
            return {json.dumps(rules[0], sort_keys=True) for rules in resolving}

        (rule,) = peers(self.releases["openshift"])
        self.assertIn("openshift-dns", rule)
        self.assertIn('{"port": 5353, "protocol": "UDP"}', rule)
        cache = {"ipBlock": {"cidr": "169.254.20.10/32"}}
        (rule,) = peers(objects(self.helm, {"networkPolicy": {"dns": {"to": [cache], "ports": [53]}}}))
        self.assertEqual(json.loads(rule)["to"], [cache])

    def test_an_api_that_is_narrowed_in_one_place_only_is_warned_of(self):
        some = {"from": [{"namespaceSelector": {"matchLabels": {"name": "some"}}}]}
        for policy, warned in (
            ({}, False),
            ({"api": some}, True),
            ({"api": some, "monitoring": some}, False),
            ({"api": some, "enabled": False}, False),
        ):
            notes = self.helm.render(CHART, {"networkPolicy": policy})["txid/templates/NOTES.txt"]
            self.assertEqual("still lets every pod" in notes, warned, policy)

    def test_metrics_and_readiness_are_not_routed_from_outside(self):
        for release in ("ingress", "gateway"):
            paths = []
            for route in of_kind(self.releases[release], "Ingress"):
                paths += [p["path"] for rule in route["spec"]["rules"] for p in rule["http"]["paths"]]
            for route in of_kind(self.releases[release], "HTTPRoute"):
                paths += [m["path"]["value"] for rule in route["spec"]["rules"] for m in rule["matches"]]
            self.assertEqual(paths, ["/v1", "/docs"])


if __name__ == "__main__":
    unittest.main()
