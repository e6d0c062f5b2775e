"""What the chart gives to Prometheus and Grafana: python3 -m unittest discover -s tests/chart"""

import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tools  # noqa: E402
from releases import CHART, component, name_of, objects, of_kind, pods  # noqa: E402
from test_chart import Chart  # noqa: E402

DEPLOY = os.path.join(tools.ROOT, "deploy")
# What a release Secret holds at most; besides these files it has templates, values and all rendered objects.
SECRET_BYTES = 1024 * 1024


def read(*path):
    with open(os.path.join(DEPLOY, *path), encoding="utf-8") as file:
        return file.read()


def dashboards():
    return sorted(name for name in os.listdir(os.path.join(DEPLOY, "grafana")) if name.endswith(".json"))


def selects(selector, labels):
    wanted = {key: [value] for key, value in selector.get("matchLabels", {}).items()}
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", expression
        wanted[expression["key"]] = expression["values"]
    return all(labels.get(key) in values for key, values in wanted.items())


class Monitoring(Chart):
    def test_nothing_of_it_is_there_unless_it_is_turned_on(self):
        for release, found in self.each():
            if release != "monitoring":
                self.assertEqual([name_of(thing) for thing in found if component(thing) == "monitoring"], [])

    def test_each_part_is_turned_on_by_itself(self):
        for part, kind in (("podMonitor", "PodMonitor"), ("rules", "PrometheusRule"), ("dashboards", "ConfigMap")):
            found = objects(self.helm, {"monitoring": {part: {"enabled": True}}})
            self.assertEqual({thing["kind"] for thing in found if component(thing) == "monitoring"}, {kind})

    def test_every_process_is_scraped_once_and_no_hook(self):
        for values in ({}, self.values["large"]):
            found = objects(self.helm, {**values, **self.values["monitoring"]})
            (monitor,) = of_kind(found, "PodMonitor")
            scraped = set()
            for name, metadata, spec in pods(found):
                if selects(monitor["spec"]["selector"], metadata["labels"]):
                    scraped.add(name)
                    has = {port["name"]: port["containerPort"] for port in spec["containers"][0]["ports"]}
                    asked = [e["port"] for e in monitor["spec"]["podMetricsEndpoints"] if e["port"] in has]
                    self.assertEqual(len(asked), 1, name)
                    self.assert_let_in(found, metadata, has[asked[0]])
            self.assertEqual(scraped, {name_of(deployment) for deployment in of_kind(found, "Deployment")})

    def assert_let_in(self, found, metadata, port):
        policies = [p for p in of_kind(found, "NetworkPolicy") if selects(p["spec"]["podSelector"], metadata["labels"])]
        rules = [rule for policy in policies for rule in policy["spec"]["ingress"]]
        everybody = [{"namespaceSelector": {}}]
        self.assertIn({"from": everybody, "ports": [{"protocol": "TCP", "port": port}]}, rules, metadata["labels"])

    def test_the_rules_are_those_of_deploy_but_for_the_address_of_the_run_book(self):
        wanted = self.helm.yaml(read("prometheus", "rules.yaml"))["groups"]
        (plain,) = of_kind(objects(self.helm, {"monitoring": {"rules": {"enabled": True}}}), "PrometheusRule")
        self.assertEqual(plain["spec"], {"groups": wanted})

        (rule,) = of_kind(self.releases["monitoring"], "PrometheusRule")
        links = {}
        for one in (one for group in wanted for one in group["rules"]):
            one["annotations"]["runbook_url"] = f"https://wiki.internal/txid#{one['alert'].lower()}"
            links[one["alert"]] = one["annotations"]["runbook_url"]
        self.assertEqual(rule["spec"], {"groups": wanted})
        self.assertGreater(len(links), 10)
        self.assertEqual(rule["metadata"]["labels"]["release"], "prometheus")

    def test_every_dashboard_is_there_as_the_sidecar_wants_it(self):
        texts = {}
        for thing in self.releases["monitoring"]:
            if component(thing) == "monitoring" and thing["kind"] == "ConfigMap":
                self.assertEqual(thing["metadata"]["labels"]["grafana_dashboard"], "1")
                self.assertEqual(thing["metadata"]["namespace"], "grafana")
                self.assertEqual(thing["metadata"]["annotations"], {"grafana_folder": "Identity"})
                texts.update(thing["data"])
        # To the letter: what Grafana imports by hand is what it gets here.
        self.assertEqual(texts, {f"txid-{name}": read("grafana", name) for name in dashboards()})

    def test_the_chart_carries_what_it_needs_of_deploy_and_no_pictures(self):
        files = self.helm.files(CHART)
        carried = {name.split("/", 1)[1] for name in files if name.startswith("monitoring/")}
        self.assertEqual(carried, {"rules.yaml"} | {f"dashboards/{name}" for name in dashboards()})
        self.assertLess(sum(len(text.encode()) for text in files.values()), SECRET_BYTES / 8)

    def test_the_chart_is_whole_by_itself_and_deploy_has_no_copies(self):
        # Flux, archives of helm/ and Windows leave symbolic links out.
        for folder, folders, names in os.walk(CHART):
            self.assertEqual([name for name in folders + names if os.path.islink(os.path.join(folder, name))], [])
        ours = os.path.join(CHART, "monitoring")
        pairs = [(os.path.join("prometheus", "rules.yaml"), "rules.yaml")]
        pairs += [(os.path.join("grafana", name), os.path.join("dashboards", name)) for name in dashboards()]
        for link, file in pairs:
            self.assertEqual(os.path.realpath(os.path.join(DEPLOY, link)), os.path.realpath(os.path.join(ours, file)))
            self.assertFalse(os.path.isabs(os.readlink(os.path.join(DEPLOY, link))), link)


if __name__ == "__main__":
    unittest.main()
