"""The value sets that the tests render, and what is asked of rendered objects over and over."""

import os
import re

import tools

CHART = os.path.join(tools.ROOT, "helm")
STAGES = ["ocr", "face_match", "liveness", "fraud"]
LANES = ["interactive", "batch"]

KEDA = {"autoscaling": {"kind": "keda"}}
PRIVATE = {"to": [{"ipBlock": {"cidr": "10.20.0.5/32"}}]}

# What a private authority and tainted nodes take.
OWN = {
    "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/etc/ssl/own/ca.pem"}],
    "podAnnotations": {"sidecar.istio.io/inject": "false"},
    "nodeSelector": {"pool": "identity"},
    "tolerations": [{"key": "pool", "operator": "Equal", "value": "identity", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}]}]}}},
}

# Name: (preset file or none, values over it).
SETS = {
    "defaults": (None, {}),
    "small": ("values-small.yaml", {}),
    "medium": ("values-medium.yaml", {}),
    "large": ("values-large.yaml", {}),
    "openshift": ("values-openshift.yaml", {}),
    "one group with keda": (None, {"workers": [{"name": "all", "stages": STAGES, **KEDA}]}),
    "a group for each stage with keda": (
        None,
        {
            "workers": [{"name": s.replace("_", "-"), "stages": [s], **KEDA} for s in STAGES],
            "config": {"broker": {"prefix": "blue."}},
        },
    ),
    "hpa everywhere": (
        None,
        {
            "scheduler": {"autoscaling": {"enabled": True}},
            "webhooks": {"autoscaling": {"enabled": True}},
            "workerDefaults": {"autoscaling": {"kind": "hpa"}},
        },
    ),
    "secrets of several operators": (
        None,
        {
            "secrets": {
                "existingSecret": "identity",
                "databaseUrl": {"name": "pg-app", "key": "uri"},
                "brokerUrl": {"name": "rabbit", "key": "connection_string"},
                "s3AccessKeyId": {"name": "bucket", "key": "AWS_ACCESS_KEY_ID"},
                "s3SecretAccessKey": {"name": "bucket", "key": "AWS_SECRET_ACCESS_KEY"},
            },
        },
    ),
    "ingress": (
        None,
        {
            "ingress": {
                "enabled": True,
                "className": "nginx",
                "hosts": ["id.example.com"],
                "tls": [{"secretName": "tls", "hosts": ["id.example.com"]}],
                "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "45m"},
            }
        },
    ),
    "gateway": (
        None,
        {
            "gateway": {
                "enabled": True,
                "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
                "hostnames": ["id.example.com"],
            }
        },
    ),
    "managed services and a collector": (
        None,
        {
            "config": {"telemetry": {"otlp_endpoint": "http://collector.observability:4318", "trace_ratio": 0.1}},
            "networkPolicy": {
                **{name: PRIVATE for name in ("postgres", "redis", "broker", "objectStore")},
                "api": {"from": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]},
                "internet": {"ports": [443]},
            },
            "image": {
                "repository": "registry.internal/txid",
                "digest": "sha256:" + "0" * 64,
                "pullSecrets": [{"name": "registry"}],
            },
        },
    ),
    "monitoring": (
        None,
        {
            "monitoring": {
                "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "scrapeTimeout": "10s"},
                "rules": {
                    "enabled": True,
                    "labels": {"release": "prometheus"},
                    "runbookUrl": "https://wiki.internal/txid",
                },
                "dashboards": {"enabled": True, "namespace": "grafana", "annotations": {"grafana_folder": "Identity"}},
            },
        },
    ),
    "a shared folder": (
        None,
        {
            "config": {"blobs": {"url": "file:///var/lib/txid/blobs"}},
            "blobVolume": {"existingClaim": "images"},
            "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
            "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ssl/own", "readOnly": True}],
        },
    ),
    "nodes and an authority of one's own": (
        None,
        {
            **{component: OWN for component in ("scheduler", "workerDefaults", "webhooks", "setup", "tests")},
            "podLabels": {"team": "identity"},
            "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
            "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ssl/own", "readOnly": True}],
        },
    ),
    "slow stages": (
        None,
        {
            "config": {
                "worker": {"stage_deadline_ms": 60000, "drain_deadline_ms": 65500, "inference_limit_ms": 30000},
                "sweeper": {"overdue_after_ms": 240000},
            },
            "shutdown": {"marginSeconds": 5},
            "priorityClassName": "identity",
            "workerDefaults": {"threads": 3, "prefetch": 6, "resources": {"limits": {"cpu": None}}},
        },
    ),
}


def values_of(helm, name):
    preset, over = SETS[name]
    under = {}
    if preset:
        with open(os.path.join(CHART, preset)) as file:
            under = helm.yaml(file.read())
    return merged(under, over)


def merged(under, over):
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    return {key: merged(under[key], over[key]) if key in under and key in over else over.get(key, under.get(key))
            for key in {**under, **over}}


def objects(helm, values, chart=CHART, **options):
    """Every object of a release, hooks included."""
    found = []
    for name, text in sorted(helm.render(chart, values, **options).items()):
        if name.endswith(".yaml"):
            found += [helm.yaml(part) for part in re.split(r"^---\s*$", text, flags=re.M) if has_content(part)]
    return found


def has_content(text):
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def of_kind(found, *kinds):
    return [thing for thing in found if thing["kind"] in kinds]


def name_of(thing):
    return f"{thing['kind']}/{thing['metadata']['name']}"


def component(thing):
    return thing["metadata"]["labels"]["app.kubernetes.io/component"]


def pods(found):
    """(name, pod metadata, pod spec) of everything that runs."""
    for thing in of_kind(found, "Deployment", "Job"):
        template = thing["spec"]["template"]
        yield name_of(thing), template["metadata"], template["spec"]
    for thing in of_kind(found, "Pod"):
        yield name_of(thing), thing["metadata"], thing["spec"]


def configuration(found, name="test-txid"):
    return next(t for t in of_kind(found, "ConfigMap") if t["metadata"]["name"] == name)["data"]["txid.toml"]


def keys(text):
    """section.key to its text, of a TOML file with sections of scalars and lists."""
    section, found = "", {}
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif " = " in line and not line.startswith("#"):
            key, value = line.split(" = ", 1)
            found[f"{section}.{key}"] = value
    return found
