"""Alerts and dashboards: Prometheus' own promtool reads every expression and lets every alert fire and stay silent; what
they name is on the list of signals, and each alert has its section in the run-book.

The list in OPERATIONS.md is held against the code by shared/src/telemetry/signals.rs, and what processes really expose
against rules and dashboards by tests/tests/monitoring.rs.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DASHBOARDS = os.path.join(ROOT, "deploy", "grafana")
# Suffixes that Prometheus gives the series of a histogram.
SERIES = ("_bucket", "_sum", "_count")
# The resource of OpenTelemetry: service and version.
ALWAYS = {"target_info"}


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def promtool(*arguments, cwd=None):
    folder = subprocess.run(["bash", os.path.join(HERE, "prometheus.sh")], check=True, capture_output=True, text=True)
    command = [os.path.join(folder.stdout.strip(), "promtool"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def dashboards():
    for name in sorted(os.listdir(DASHBOARDS)):
        if name.endswith(".json"):
            yield name, json.loads(read("deploy", "grafana", name))


def expressions(dashboard):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            # Grafana puts an interval there.
            yield panel, target["expr"].replace("$__rate_interval", "1m")


def signals():
    """Names and labels in Prometheus, from the list in OPERATIONS.md."""
    listed = read("OPERATIONS.md").split("<!-- txid signals -->\n")[1].split("<!-- end -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in listed.splitlines()[2:]]
    return {row[1].strip("`"): {name.strip("` ").replace(".", "_") for name in row[4].split(",")} for row in rows}


def named(expression):
    """Every metric that an expression names."""
    return set(re.findall(r"\b(?:txid|http_server|process|target)_[a-z_]+", expression)) - {
        # labels
        "http_response_status_code",
    }


def base(metric, known):
    """The signal that a series is of."""
    for suffix in SERIES:
        if metric not in known and metric.endswith(suffix):
            return metric[: -len(suffix)]
    return metric


class Rules(unittest.TestCase):
    rules = read("deploy", "prometheus", "rules.yaml")
    tests = read("tests", "monitoring", "rules_test.yaml")
    alerts = re.findall(r"^ +- alert: (\w+)$", rules, re.M)

    def run_tests(self, rules):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "rules.yaml"), "w", encoding="utf-8") as file:
                file.write(rules)
            shutil.copy(os.path.join(HERE, "rules_test.yaml"), folder)
            return promtool("test", "rules", "rules_test.yaml", cwd=folder)

    def test_promtool_accepts_the_rules(self):
        ran = promtool("check", "rules", os.path.join(ROOT, "deploy", "prometheus", "rules.yaml"))
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn(f"{len(self.alerts)} rules found", ran.stdout)

    def test_each_alert_fires_and_stays_silent(self):
        ran = self.run_tests(self.rules)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        wanted = re.findall(r"alertname: (\w+)\n +exp_alerts:", self.tests)
        silent = re.findall(r"\{eval_time: \w+, alertname: (\w+)\}", self.tests)
        self.assertEqual(set(wanted), set(self.alerts), "not all alerts are made to fire")
        self.assertEqual(set(silent), set(self.alerts), "not all alerts are seen silent")

    def test_an_alert_that_cannot_fire_or_always_fires_is_noticed(self):
        expression = re.compile(r"^( +expr: )(?:>-\n(?: {10}.*\n)+|.*\n)", re.M)
        for changed in ("vector(1)", "vector(1) < 0"):
            rules, count = expression.subn(rf"\g<1>{changed}\n", self.rules)
            self.assertEqual(count, len(self.alerts))
            ran = self.run_tests(rules)
            self.assertNotEqual(ran.returncode, 0)
            noticed = set(re.findall(r"alertname: (\w+)", ran.stdout + ran.stderr))
            self.assertEqual(noticed, set(self.alerts), f"as {changed}")

    def test_each_alert_has_its_section_in_the_run_book(self):
        headings = re.findall(r"^### (\w+)$", read("OPERATIONS.md"), re.M)
        self.assertEqual(headings, self.alerts, "OPERATIONS.md, sections of Alerts")
        links = re.findall(r"runbook_url: OPERATIONS\.md#(\w+)$", self.rules, re.M)
        self.assertEqual(links, [name.lower() for name in self.alerts])
        self.assertEqual(len(re.findall(r"severity: (?:page|ticket)\}", self.rules)), len(self.alerts))

    def test_what_they_name_is_measured(self):
        known = set(signals()) | ALWAYS
        code = "\n".join(line for line in self.rules.splitlines() if not line.lstrip().startswith("#"))
        metrics = named(code)
        self.assertGreater(len(metrics), 10)
        self.assertEqual({metric for metric in metrics if base(metric, known) not in known}, set())


class Dashboards(unittest.TestCase):
    def test_ids_are_unique(self):
        uids = [dashboard["uid"] for _, dashboard in dashboards()]
        self.assertEqual(len(uids), 6)
        self.assertEqual(len(set(uids)), len(uids))
        for name, dashboard in dashboards():
            ids = [panel["id"] for panel in dashboard["panels"]]
            self.assertEqual(len(set(ids)), len(ids), name)
            for panel in dashboard["panels"]:
                letters = [target["refId"] for target in panel["targets"]]
                self.assertEqual(len(set(letters)), len(letters), panel["title"])

    def test_promtool_accepts_every_expression(self):
        rules = []
        for name, dashboard in dashboards():
            for number, (panel, expression) in enumerate(expressions(dashboard)):
                rules.append({"record": f"{name[:-5]}:panel{panel['id']}:{number}", "expr": expression})
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            # YAML reads JSON.
            json.dump({"groups": [{"name": "dashboards", "rules": rules}]}, file)
            file.flush()
            ran = promtool("check", "rules", file.name)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn(f"{len(rules)} rules found", ran.stdout)

    def test_what_they_name_is_measured_and_what_is_measured_is_shown(self):
        known, shown = set(signals()), set()
        for name, dashboard in dashboards():
            for panel, expression in expressions(dashboard):
                metrics = {base(metric, known) for metric in named(expression)}
                self.assertTrue(metrics, f"{name}, {panel['title']}: {expression}")
                self.assertEqual(metrics - known - ALWAYS, set(), f"{name}, {panel['title']}")
                shown |= metrics
        self.assertEqual(known - shown, set(), "measured and on no dashboard")

    def test_labels_are_those_of_the_signals(self):
        known = signals()
        ours = {"instance", "job", "le", "service_name", "service_version"}.union(*known.values())
        for name, dashboard in dashboards():
            for panel, expression in expressions(dashboard):
                used = set(re.findall(r"[{,] ?(\w+)=", expression))
                for group in re.findall(r"by \(([^)]*)\)", expression):
                    used |= {label.strip() for label in group.split(",")}
                self.assertEqual(used - ours, set(), f"{name}, {panel['title']}")


if __name__ == "__main__":
    unittest.main()
